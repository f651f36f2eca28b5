"""How many partitions and tasks: decided from the partition counts of the external topics.

* A sub-topology has as many tasks as its input topics have partitions; several inputs need equal counts
  (they are co-partitioned).
* A repartition topic has as many partitions as the largest of its senders has tasks, so that
  parallelism never shrinks behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamframe.core.errors import TopologyMismatch
from streamframe.plan.topology import SubTopology, Topology


@dataclass(frozen=True, slots=True)
class Sizes:
    """Partitions per topic (external and repartition) and tasks per sub-topology."""

    partition_counts: Mapping[str, int]
    task_counts: Mapping[int, int]

    @property
    def tasks(self) -> int:
        """Number of tasks of the whole topology."""
        return sum(self.task_counts.values())


def size_topology(topology: Topology, external: Mapping[str, int]) -> Sizes:
    """Return partition and task counts.

    Args:
        topology: The compiled plan.
        external: Partitions of every external topic it reads, as found on the broker.

    Raises:
        TopologyMismatch: A topic is missing, or inputs that belong together differ in partitions.
    """
    partitions: dict[str, int] = {}
    tasks: dict[int, int] = {}
    for source in topology.sources:
        if external.get(source.topic, 0) < 1:
            raise TopologyMismatch(
                "source topic does not exist",
                hint=f"create it: kafka-topics --create --topic {source.topic} --partitions 4",
                topic=source.topic,
            )
        partitions[source.topic] = external[source.topic]
    for sub in sorted(topology.sub_topologies, key=lambda s: s.depth):
        for repartition in sub.repartitions:
            partitions[repartition.topic] = max(tasks[sender] for sender in repartition.senders)
        tasks[sub.id] = _common_count(sub, partitions)
    return Sizes(partitions, tasks)


def _common_count(sub: SubTopology, partitions: Mapping[str, int]) -> int:
    counts = {topic: partitions[topic] for topic in sub.topics}
    if len(set(counts.values())) > 1:
        raise TopologyMismatch(
            "topics that are grouped together by their keys have different partition counts",
            hint="give them equal partition counts, or drop key= on one of them to repartition its rows",
            **counts,
        )
    return next(iter(counts.values()))
