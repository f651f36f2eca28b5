"""The counters of all workers of a run, added up over restarts.

A worker counts from zero when it starts, so what an earlier process of its slot had counted is kept. What a killed
worker had read but not committed is read again and counted again: the totals are about work, not about results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streamframe.core.metrics import ROWS_DEAD_LETTER, ROWS_IN, ROWS_LATE, ROWS_OUT, split_counter
from streamframe.engine.snapshot import Snapshot
from streamframe.runtime.messages import SnapshotReceived, SupervisorEvent, WorkerEnded, WorkerStarted

RUNNING: Final = "running"
_COMMITS: Final = "commits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All workers of a run at one moment.

    Attributes:
        rows_in: Records read.
        rows_out: Rows written.
        late: Rows that were late for every window.
        dead_letters: Rows set aside.
        lag: Records not yet read; ``None`` while no worker knows.
        commits: Successful commits of all workers.
        tasks: Tasks that workers have.
        tasks_restoring: Those among them that do not process yet.
        restored: Changelog records restored by these.
        restore_total: Changelog records to restore.
        workers: Workers that have sent a snapshot.
    """

    rows_in: int = 0
    rows_out: int = 0
    late: int = 0
    dead_letters: int = 0
    lag: int | None = None
    commits: int = 0
    tasks: int = 0
    tasks_restoring: int = 0
    restored: int = 0
    restore_total: int = 0
    workers: int = 0


@dataclass(slots=True)
class RunTotals:
    """Folds what a supervisor reports into totals."""

    _past: Counter[str] = field(default_factory=Counter)
    _last: dict[int, Snapshot] = field(default_factory=dict)

    def take(self, event: SupervisorEvent) -> None:
        """Take note of an event."""
        match event:
            case SnapshotReceived():
                self._last[event.slot] = event.snapshot
            case WorkerEnded() | WorkerStarted():
                ended = self._last.pop(event.slot, None)
                if ended is not None:
                    self._past.update(_counts(ended))
            case _:
                pass

    def now(self) -> Totals:
        """Return the totals."""
        counts = Counter(self._past)
        for snapshot in self._last.values():
            counts.update(_counts(snapshot))
        tasks = [task for snapshot in self._last.values() for task in snapshot.tasks]
        restoring = [task for task in tasks if task.state != RUNNING]
        return Totals(
            rows_in=counts[ROWS_IN],
            rows_out=counts[ROWS_OUT],
            late=counts[ROWS_LATE],
            dead_letters=counts[ROWS_DEAD_LETTER],
            lag=sum(sum(s.lag.values()) for s in self._last.values()) if self._last else None,
            commits=counts[_COMMITS],
            tasks=len(tasks),
            tasks_restoring=len(restoring),
            restored=sum(task.restored for task in restoring),
            restore_total=sum(task.restore_total for task in restoring),
            workers=len(self._last),
        )


def _counts(snapshot: Snapshot) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for name, count in snapshot.counts.items():
        counts[split_counter(name)[0]] += count
    counts[_COMMITS] = snapshot.commits
    return counts
