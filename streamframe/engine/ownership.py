"""Which input partitions the group has given us, and which tasks they make.

A task exists when all its input partitions are owned. While a rebalance is under way they come and go one
by one; when some stay without the others, the group uses an assignor that scatters co-partitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from streamframe.core.errors import TopologyMismatch
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.plan.topology import SubTopology, Topology

PARTIAL_ASSIGNMENT_PATIENCE: Final = 60 * MICROS_PER_SECOND
"""How long a task may lack one of its input partitions: rebalances move partitions one by one."""


class Ownership:
    """The partitions that are ours.

    Args:
        topology: What runs.
        task_counts: Number of tasks of each sub-topology.
    """

    def __init__(self, topology: Topology, task_counts: Mapping[int, int]) -> None:
        self._topology = topology
        self._task_counts = task_counts
        self._owned: set[TopicPartition] = set()
        self._lonely_since: int | None = None
        self._sub_by_topic: dict[str, SubTopology] = {}
        for sub in topology.sub_topologies:
            for topic in sub.topics:
                assert topic not in self._sub_by_topic, f"{topic} is read by two sub-topologies"
                self._sub_by_topic[topic] = sub

    @property
    def is_partial(self) -> bool:
        """Whether partitions wait for others that belong with them."""
        return self._lonely_since is not None

    def give(self, partitions: Iterable[TopicPartition], now: int) -> list[TaskId]:
        """Note partitions that are ours now; return all tasks that are complete, sorted."""
        self._owned |= set(partitions)
        self._lonely_since = now if self._lonely() else None
        return self._complete()

    def take(self, partitions: Iterable[TopicPartition]) -> list[TaskId]:
        """Note partitions that are ours no more; return the tasks that they belong to, sorted."""
        gone = list(partitions)
        self._owned -= set(gone)
        return sorted({task for task in map(self.task_of, gone) if task is not None})

    def task_of(self, partition: TopicPartition) -> TaskId | None:
        """Return the task that reads a partition; ``None`` when the topology does not read its topic."""
        sub = self._sub_by_topic.get(partition.topic)
        return TaskId(sub.id, partition.partition) if sub is not None else None

    def check(self, now: int) -> None:
        """Look whether partitions have been without their co-partitions for too long.

        Raises:
            TopologyMismatch: They have: grouping by key would give wrong answers.
        """
        if self._lonely_since is None or now - self._lonely_since < PARTIAL_ASSIGNMENT_PATIENCE:
            return
        lonely = self._lonely()
        if not lonely:
            self._lonely_since = None
            return
        raise TopologyMismatch(
            "partitions that belong together were assigned to different workers",
            hint="use the 'range' assignor (the default) on every member of the group",
            partitions=", ".join(map(str, lonely)),
        )

    def _complete(self) -> list[TaskId]:
        return [
            TaskId(sub.id, partition)
            for sub in self._topology.sub_topologies
            for partition in range(self._task_counts[sub.id])
            if all(TopicPartition(topic, partition) in self._owned for topic in sub.topics)
        ]

    def _lonely(self) -> list[TopicPartition]:
        complete = {
            TopicPartition(topic, task.partition)
            for task in self._complete()
            for topic in self._topology.sub_topologies[task.sub_topology].topics
        }
        return sorted(self._owned - complete)
