"""The tasks of one worker, in the order of their ids, and the owned partitions that make them.

A task comes into being when all its input partitions are owned. One of its partitions gone makes it *closing*: it is
kept until its work is committed or dropped, and retired then; what it counted stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.engine import commands as cmd
from streamframe.engine.ownership import Ownership
from streamframe.engine.portrait import WorkTally, add_counts
from streamframe.engine.task import OpenProgram, Task
from streamframe.plan.topology import Topology


class TaskSet(Mapping[TaskId, Task]):
    """Tasks by id, sorted.

    Args:
        topology: What runs.
        task_counts: Number of tasks of each sub-topology.
        tally: Takes the counts of tasks that are gone.
        open_program: Makes the program of a task.
    """

    def __init__(
        self, topology: Topology, task_counts: Mapping[int, int], tally: WorkTally, open_program: OpenProgram
    ) -> None:
        self._topology = topology
        self._tally = tally
        self._open_program = open_program
        self._tasks: dict[TaskId, Task] = {}
        self.ownership = Ownership(topology, task_counts)
        self.closing: set[TaskId] = set()

    def __getitem__(self, task_id: TaskId) -> Task:
        return self._tasks[task_id]

    def __iter__(self) -> Iterator[TaskId]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def of(self, partition: TopicPartition) -> Task | None:
        """Return the task that reads a partition, if it is here."""
        task_id = self.ownership.task_of(partition)
        return self._tasks.get(task_id) if task_id is not None else None

    @property
    def running(self) -> list[Task]:
        """Those that work."""
        return [task for task in self._tasks.values() if task.running]

    @property
    def ahead(self) -> bool:
        """Whether any has done what is not committed."""
        return any(task.ahead for task in self._tasks.values())

    @property
    def closing_ahead(self) -> bool:
        """Whether a closing one has done what is not committed."""
        return any(self._tasks[task_id].ahead for task_id in self.closing)

    @property
    def changed_bytes(self) -> int:
        """Bytes that a commit would write now, about."""
        return sum(task.active_program.changed_bytes for task in self._tasks.values() if task.running)

    def give(self, partitions: Iterable[TopicPartition], now: int) -> list[Task]:
        """Note partitions that are ours now; return the tasks that they make, not begun."""
        new = {
            task_id: Task(
                id=task_id,
                sub_topology=self._topology.sub_topologies[task_id.sub_topology],
                open_program=self._open_program,
            )
            for task_id in self.ownership.give(partitions, now)
            if task_id not in self._tasks
        }
        self._tasks = dict(sorted({**self._tasks, **new}.items()))
        return list(new.values())

    def take(self, partitions: Iterable[TopicPartition]) -> None:
        """Note partitions that are ours no more: their tasks are closing."""
        self.closing |= {task_id for task_id in self.ownership.take(partitions) if task_id in self._tasks}

    def retire_closing(self) -> list[cmd.Command]:
        """Close the tasks that are closing, and forget them."""
        commands: list[cmd.Command] = []
        for task_id in sorted(self.closing):
            commands += self._retire(task_id)
        self.closing = set()
        return commands

    def retire_all(self) -> list[cmd.Command]:
        """Close every task, and forget them."""
        commands: list[cmd.Command] = []
        for task_id in list(self._tasks):
            commands += self._retire(task_id)
        return commands

    def _retire(self, task_id: TaskId) -> list[cmd.Command]:
        task = self._tasks.pop(task_id)
        add_counts(self._tally.past, task.counts)
        return task.close()
