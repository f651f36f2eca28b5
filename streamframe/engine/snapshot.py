"""What a worker looks like from outside: plain numbers, taken about once a second.

Snapshots cross process borders (worker to supervisor), so they hold only numbers, text and tuples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """One task.

    Attributes:
        task: ``0_3``.
        state: Name of its ``TaskState``.
        watermark: Event time in microseconds up to which its windows are closed, less grace.
        state_bytes: Memory of its tables.
        restored: Changelog offsets restored so far.
        restore_total: Changelog offsets to restore.
        counts: Rows by what became of them, since the start of the worker.
    """

    task: str
    state: str
    watermark: int = 0
    state_bytes: int = 0
    restored: int = 0
    restore_total: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One worker.

    Attributes:
        worker: Its name.
        now: Wall clock, microseconds.
        tasks: Its tasks.
        counts: Sum over all tasks it ever had, since its start.
        commits: Successful commits.
        rollbacks: Transactions that were aborted or lost.
        commit_micros: Duration of the last commit, microseconds.
        lag: Records not yet read, per input partition (``topic[partition]``).
        finished: A bounded run has reached its end.
    """

    worker: str
    now: int
    tasks: tuple[TaskSnapshot, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    commits: int = 0
    rollbacks: int = 0
    commit_micros: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)
    finished: bool = False
