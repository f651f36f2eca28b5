"""Snapshots and notices as log lines, for runs without a supervisor and for what a supervisor reports."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from streamframe.engine.snapshot import Snapshot
from streamframe.runtime.messages import NoticeReceived, SupervisorEvent, WorkerEnded, WorkerHung, WorkerStarted

LOGGER: Final = logging.getLogger("streamframe")
SUMMARY_MICROS: Final = 30_000_000
"""A line with the counters this often."""


class LoggedTelemetry:
    """The engine's ``Telemetry`` port: notices at once, a summary of the counters every 30 s."""

    def __init__(self) -> None:
        self._summary_at = 0

    def publish(self, snapshot: Snapshot) -> None:
        """See ``Telemetry.publish``."""
        if snapshot.now - self._summary_at >= SUMMARY_MICROS or snapshot.finished:
            self._summary_at = snapshot.now
            LOGGER.info("%s", summary(snapshot))

    def notice(self, level: str, text: str, facts: Mapping[str, object]) -> None:
        """See ``Telemetry.notice``."""
        details = " ".join(f"{key}={value}" for key, value in facts.items())
        LOGGER.log(logging.getLevelName(level.upper()), "%s %s", text, details)


def summary(snapshot: Snapshot) -> str:
    """Return one line about a worker."""
    totals: dict[str, int] = {}
    for name, count in snapshot.counts.items():
        kind = name.partition(":")[0]
        totals[kind] = totals.get(kind, 0) + count
    restoring = sum(task.state != "running" for task in snapshot.tasks)
    return (
        f"{snapshot.worker}: tasks={len(snapshot.tasks)} restoring={restoring} in={totals.get('rows_in', 0)} "
        f"out={totals.get('rows_out', 0)} late={totals.get('rows_late', 0)} "
        f"dead_letters={totals.get('rows_dead_letter', 0)} lag={sum(snapshot.lag.values())} "
        f"commits={snapshot.commits} rollbacks={snapshot.rollbacks}"
    )


def log_event(event: SupervisorEvent) -> None:
    """Write what a supervisor reports to the log."""
    match event:
        case NoticeReceived():
            LoggedTelemetry().notice(event.level, event.text, event.facts)
        case WorkerStarted() | WorkerEnded() | WorkerHung():
            LOGGER.info("%s", event)
        case _:
            pass
