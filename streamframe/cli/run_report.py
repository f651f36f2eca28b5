"""What ``streamframe run`` says while it runs: a banner, progress, notices, and the end.

Everything goes to stderr, so that the rows of ``print()`` steps have stdout for themselves. In ``json`` every line
is one object with ``time``, ``level`` and ``event``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from streamframe.cli.run_totals import RunTotals, Totals
from streamframe.runtime.messages import (
    NoticeReceived,
    SnapshotReceived,
    Stopping,
    SupervisorEvent,
    WorkerEnded,
    WorkerHung,
    WorkerStarted,
)

SUMMARY_SECONDS: Final = 30.0
"""One line with rates this often."""

RESTORE_SECONDS: Final = 2.0
"""One line this often while state is restored."""

LEVELS: Final = ("debug", "info", "warning", "error")


def write_stderr(line: str) -> None:
    """Write a line; a reader that has gone away must not end the run."""
    with suppress(OSError, ValueError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStyle:
    """How to report.

    Attributes:
        form: ``text`` or ``json``.
        level: Notices below it are left out.
        quiet: Only warnings and errors.
    """

    form: Literal["text", "json"] = "text"
    level: str = "info"
    quiet: bool = False

    def shows(self, level: str) -> bool:
        """Tell whether a line of this level is written."""
        least = "warning" if self.quiet and self.level in ("debug", "info") else self.level
        return level not in LEVELS or LEVELS.index(level) >= LEVELS.index(least)


class RunReport:
    """Writes lines about a run; ``take`` is the ``events`` of a supervisor.

    Args:
        style: How.
        write: Takes each line.
        clock: Monotonic seconds.
        today: The time of day that lines begin with.
    """

    def __init__(
        self,
        style: ReportStyle,
        *,
        write: Callable[[str], None] = write_stderr,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._style = style
        self._write = write
        self._clock = clock
        self._today = today
        self._totals = RunTotals()
        self._began = self._summary_at = clock()
        self._summary = Totals()
        self._restore_began: float | None = None
        self._restore_at = 0.0

    def banner(self, rows: Sequence[tuple[str, str]], warnings: Sequence[str]) -> None:
        """Write what is about to run."""
        if not self._style.quiet and self._style.form == "text":
            width = max(len(name) for name, _ in rows)
            for name, text in rows:
                self._write(f"  {name:{width}}  {text}")
        elif not self._style.quiet:
            self._line("info", "start", "", {name.replace(" ", "_"): text for name, text in rows})
        for warning in warnings:
            self._line("warning", "notice", warning, {})

    def take(self, event: SupervisorEvent) -> None:
        """Write what an event is worth."""
        self._totals.take(event)
        match event:
            case SnapshotReceived():
                self._progress()
            case NoticeReceived():
                self._line(event.level, "notice", event.text, {"worker": event.slot, **event.facts})
            case WorkerStarted():
                text = "worker started again" if event.restarts else "worker started"
                self._line("info", "worker_started", text, {"worker": event.slot, "pid": event.pid})
            case WorkerEnded():
                self._worker_ended(event)
            case WorkerHung():
                facts = {"worker": event.slot, "pid": event.pid, "silent_seconds": round(event.silent_seconds, 1)}
                self._line("error", "worker_hung", "worker gave no sign of life and is killed", facts)
            case Stopping():
                self._line("info", "stopping", "stopping: workers drain and commit", {"reason": event.reason})

    def end(self, restarts: int, *, finished: bool) -> None:
        """Write what was done in all."""
        totals = self._totals.now()
        facts = {
            "seconds": round(self._clock() - self._began, 1),
            "in": totals.rows_in,
            "out": totals.rows_out,
            "late": totals.late,
            "dead_letters": totals.dead_letters,
            "commits": totals.commits,
            "restarts": restarts,
        }
        text = "finished" if finished else "stopped"
        shown = {name: grouped(value) if isinstance(value, int) else value for name, value in facts.items()}
        self._line("info", "end", text, facts if self._style.form == "json" else shown)

    # -- inside ----------------------------------------------------------------------------------------

    def _worker_ended(self, event: WorkerEnded) -> None:
        if event.exit_code == 0:
            self._line("info", "worker_ended", "worker is done", {"worker": event.slot})
            return
        facts: dict[str, object] = {"worker": event.slot, "exit_code": event.exit_code}
        if event.report is not None:
            facts["error"] = event.report.error.message
            facts |= event.report.error.facts
        if event.restart_seconds is not None:
            facts["restart_in"] = f"{event.restart_seconds:g}s"
        level = "error" if event.restart_seconds is None else "warning"
        self._line(level, "worker_ended", "worker ended", facts)

    def _progress(self) -> None:
        now = self._clock()
        totals = self._totals.now()
        self._restoring(totals, now)
        seconds = now - self._summary_at
        if seconds < SUMMARY_SECONDS:
            return
        before, self._summary, self._summary_at = self._summary, totals, now
        rates = {
            "in_per_second": round((totals.rows_in - before.rows_in) / seconds),
            "out_per_second": round((totals.rows_out - before.rows_out) / seconds),
        }
        counts = {
            "late": totals.late,
            "dead_letters": totals.dead_letters,
            "lag": totals.lag or 0,
            "commits": totals.commits,
            "tasks": totals.tasks,
            "restoring": totals.tasks_restoring,
        }
        if self._style.form == "json":
            self._line("info", "progress", "", rates | counts)
            return
        restoring = f"  restoring {counts['restoring']} of {counts['tasks']} tasks" if totals.tasks_restoring else ""
        text = (
            f"in {grouped(rates['in_per_second'])}/s  out {grouped(rates['out_per_second'])}/s  "
            f"late {grouped(totals.late)}  dead letters {grouped(totals.dead_letters)}  "
            f"lag {grouped(totals.lag or 0)}  commits {grouped(totals.commits)}{restoring}"
        )
        self._line("info", "progress", text, {})

    def _restoring(self, totals: Totals, now: float) -> None:
        if not totals.tasks_restoring:
            if self._restore_began is not None:
                took = round(now - self._restore_began, 1)
                self._line("info", "restored", "state is restored", {"tasks": totals.tasks, "seconds": took})
                self._restore_began = None
            return
        if not totals.restore_total:
            return  # Being assigned, or nothing to restore: not worth a line.
        if self._restore_began is None:
            self._restore_began = now
        elif now - self._restore_at < RESTORE_SECONDS:
            return
        self._restore_at = now
        seconds = now - self._restore_began
        rate = totals.restored / seconds if seconds > 0 else 0.0
        facts: dict[str, object] = {
            "tasks": totals.tasks_restoring,
            "restored": totals.restored,
            "of": totals.restore_total,
            "percent": 100 * totals.restored // totals.restore_total,
        }
        if rate > 0:
            facts["seconds_left"] = round((totals.restore_total - totals.restored) / rate)
        self._line("info", "restoring", "restoring state", facts)

    def _line(self, level: str, event: str, text: str, facts: Mapping[str, object]) -> None:
        if not self._style.shows(level):
            return
        moment = self._today()
        if self._style.form == "json":
            head = {"time": moment.isoformat(timespec="milliseconds"), "level": level, "event": event}
            self._write(json.dumps(head | ({"text": text} if text else {}) | dict(facts), default=str))
            return
        shown = " ".join(f"{name}={value}" for name, value in facts.items())
        self._write(f"{moment:%H:%M:%S} {level:7} {text}{'  ' if shown else ''}{shown}".rstrip())


def grouped(number: int) -> str:
    """Return a number in groups of three digits.

    Example:
        >>> grouped(1234567), grouped(-5)
        ('1 234 567', '-5')
    """
    return f"{number:,}".replace(",", " ")
