"""Taking a worker's picture: its tasks, partitions and stores as plain values, and the counts behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streamframe.core.time import MAX_TIME, MIN_TIME
from streamframe.engine.snapshot import PartitionSnapshot, Snapshot, StoreSnapshot, TaskSnapshot
from streamframe.engine.task import Task


@dataclass(slots=True)
class WorkTally:
    """What a worker counts beside the rows of its tasks; it outlives them.

    Attributes:
        batches: Batches processed.
        operators: Microseconds by step, as the programs measured them.
        restored: Changelog records restored, by store.
        past: Rows counted by tasks that are gone.
        ever_assigned: The group has spoken at least once.
        failed: The worker ended by an error.
    """

    batches: int = 0
    operators: dict[str, int] = field(default_factory=dict)
    restored: dict[str, int] = field(default_factory=dict)
    past: dict[str, int] = field(default_factory=dict)
    ever_assigned: bool = False
    failed: bool = False


def add_counts(total: dict[str, int], more: Mapping[str, int]) -> None:
    """Add counts to a total.

    Example:
        >>> total = {"a": 1}
        >>> add_counts(total, {"a": 1, "b": 2})
        >>> total
        {'a': 2, 'b': 2}
    """
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def worker_snapshot(tasks: Sequence[Task], tally: WorkTally, lag: Mapping[str, int]) -> Snapshot:
    """Return what can be seen of tasks and counts; ``lag`` is by name of the partition."""
    return Snapshot(
        worker="",
        now=0,
        tasks=tuple(map(task_snapshot, tasks)),
        counts=total_counts(tally, tasks),
        lag=dict(lag),
        partitions=partition_snapshots(tasks, lag),
        stores=store_snapshots(tasks),
        operators=dict(tally.operators),
        restored=dict(tally.restored),
    )


def total_counts(tally: WorkTally, tasks: Iterable[Task]) -> dict[str, int]:
    """Return the rows of all tasks there ever were."""
    counts = dict(tally.past)
    for task in tasks:
        add_counts(counts, task.counts)
    return counts


def task_snapshot(task: Task) -> TaskSnapshot:
    """Return what one task looks like."""
    program, restores = task.program, task.restores.values()
    return TaskSnapshot(
        task=str(task.id),
        state=task.state.value,
        watermark=program.watermark if program else 0,
        state_bytes=program.nbytes if program else 0,
        restored=sum(r.written - r.begin for r in restores),
        restore_total=sum(max(0, r.end - r.begin) for r in restores),
        counts=dict(task.counts),
    )


def partition_snapshots(tasks: Sequence[Task], lag: Mapping[str, int]) -> tuple[PartitionSnapshot, ...]:
    """Return the input partitions of the tasks; ``lag`` is by name."""
    found: list[PartitionSnapshot] = []
    for task in tasks:
        times = task.program.stream_times if task.program else {}
        for tp in task.inputs:
            found.append(
                PartitionSnapshot(
                    topic=tp.topic,
                    partition=tp.partition,
                    task=str(task.id),
                    running=task.running,
                    position=_known(task.positions.get(tp)),
                    committed=_known(task.committed.get(tp)),
                    lag=lag.get(str(tp)),
                    stream_time=_moment(times.get(tp)),
                )
            )
    return tuple(found)


def store_snapshots(tasks: Sequence[Task]) -> tuple[StoreSnapshot, ...]:
    """Return the stores of the tasks."""
    found: list[StoreSnapshot] = []
    for task in tasks:
        memory = task.program.store_bytes if task.program else {}
        remaining = {r.store: max(0, r.end - r.written) for r in task.restores.values()}
        for declaration in task.sub_topology.stores:
            found.append(
                StoreSnapshot(
                    store=declaration.name,
                    partition=task.id.partition,
                    memory_bytes=memory.get(declaration.name, 0),
                    remaining=None if task.running else remaining.get(declaration.name),
                )
            )
    return tuple(found)


def _known(offset: int | None) -> int | None:
    return None if offset is None or offset < 0 else int(offset)


def _moment(time: int | None) -> int | None:
    return None if time is None or time in (MIN_TIME, MAX_TIME) else time
