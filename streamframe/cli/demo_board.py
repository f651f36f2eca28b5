"""What the demo knows at the moment: windows, counters, workers, and what happened lately.

Pure: events and records in, numbers and sentences out. `demo_screen` draws it.
"""

from __future__ import annotations

import json
import signal
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streamframe.engine.snapshot import Snapshot
from streamframe.runtime.messages import (
    NoticeReceived,
    SnapshotReceived,
    Stopping,
    SupervisorEvent,
    WorkerEnded,
    WorkerHung,
    WorkerStarted,
)

WINDOWS_SHOWN: Final = 6
EVENTS_SHOWN: Final = 5
_CLIENT_LINE: Final = "[thrd:"


@dataclass(slots=True, kw_only=True)
class WindowLine:
    """A window that has closed, over all users.

    Attributes:
        start: Milliseconds since the epoch.
        partitions: Partitions whose results have arrived.
        users: Users with a result.
        clicks: Clicks in the results.
        euro: Sum of the results.
        top_user: The user with most clicks, and ``top_clicks`` of them.
    """

    start: int
    partitions: set[int] = field(default_factory=set)
    users: int = 0
    clicks: int = 0
    euro: float = 0.0
    top_user: str = ""
    top_clicks: int = 0


@dataclass(slots=True, kw_only=True)
class WorkerLine:
    """A worker process.

    Attributes:
        slot: Its slot.
        pid: Its process id, 0 between two processes.
        state: One word.
        partitions: Partitions of the input that it processes, with what is being restored.
        restarts: Processes before this one in the slot.
    """

    slot: int
    pid: int = 0
    state: str = "starting"
    partitions: tuple[int, ...] = ()
    restarts: int = 0
    commits: int = 0
    rollbacks: int = 0


class Board:
    """Collects what the screen shows.

    Args:
        workers: Number of workers.
    """

    def __init__(self, workers: int) -> None:
        self.workers = [WorkerLine(slot=slot) for slot in range(workers)]
        self.sent = 0
        self.results = 0
        self.late = 0
        self.dead_letters = 0
        self.lag: int | None = None
        self.phase = "starting"
        self.events: deque[tuple[float, str]] = deque(maxlen=EVENTS_SHOWN)
        self._windows: dict[int, WindowLine] = {}
        self._commits_before = 0
        self._rollbacks_before = 0
        self._orphans: set[int] = set()

    @property
    def commits(self) -> int:
        """Commits of all workers, those of ended processes included."""
        return self._commits_before + sum(worker.commits for worker in self.workers)

    @property
    def rollbacks(self) -> int:
        """Transactions that were aborted or lost; that of a killed worker is not counted by anybody."""
        return self._rollbacks_before + sum(worker.rollbacks for worker in self.workers)

    @property
    def restarts(self) -> int:
        """Processes that were started again."""
        return sum(worker.restarts for worker in self.workers)

    @property
    def windows(self) -> list[WindowLine]:
        """The newest windows, oldest first."""
        return [self._windows[start] for start in sorted(self._windows)[-WINDOWS_SHOWN:]]

    # -- records ---------------------------------------------------------------------------------------

    def result(self, partition: int, value: bytes) -> None:
        """Take a record of the result topic."""
        row = json.loads(value)
        line = self._windows.setdefault(row["window_start"], WindowLine(start=row["window_start"]))
        line.partitions.add(partition)
        line.users += 1
        line.clicks += row["n"]
        line.euro += row["total"]
        if row["n"] > line.top_clicks:
            line.top_user, line.top_clicks = row["user"], row["n"]
        self.results += 1

    # -- events ----------------------------------------------------------------------------------------

    def event(self, event: SupervisorEvent, now: float) -> None:
        """Take what the supervisor tells.

        Args:
            event: What happened.
            now: Seconds since the epoch.
        """
        match event:
            case WorkerStarted():
                worker = self.workers[event.slot]
                worker.pid, worker.state, worker.restarts = event.pid, "starting", event.restarts
                again = "started again" if event.restarts else "started"
                self.say(now, f"worker {event.slot} {again}, pid {event.pid}")
            case SnapshotReceived():
                self._snapshot(self.workers[event.slot], event.snapshot, now)
            case WorkerEnded():
                self._ended(event, now)
            case WorkerHung():
                self.say(now, f"worker {event.slot} was silent for {event.silent_seconds:.0f} s and is killed")
            case NoticeReceived():
                # Lines of the client library are in the log; here they would explain nothing.
                if event.level in ("warning", "error") and _CLIENT_LINE not in event.text:
                    self.say(now, f"worker {event.slot}: {event.text}")
            case Stopping():
                pass

    def say(self, now: float, text: str) -> None:
        """Add a sentence to what happened lately."""
        self.events.append((now, text))

    def _snapshot(self, worker: WorkerLine, snapshot: Snapshot, now: float) -> None:
        worker.commits, worker.rollbacks = snapshot.commits, snapshot.rollbacks
        states = {int(task.task.partition("_")[2]): task.state for task in snapshot.tasks if task.state != "closed"}
        running = tuple(sorted(number for number, state in states.items() if state == "running"))
        taken_over = sorted(self._orphans & {*running})
        if taken_over:
            self._orphans -= {*taken_over}
            self.say(now, f"worker {worker.slot} has taken over {_partitions(taken_over)}")
        worker.partitions = running
        worker.state = _state(states)

    def _ended(self, event: WorkerEnded, now: float) -> None:
        worker = self.workers[event.slot]
        self._commits_before += worker.commits
        self._rollbacks_before += worker.rollbacks
        if event.exit_code != 0:
            self._orphans |= {*worker.partitions}
            how = signal.Signals(-event.exit_code).name if event.exit_code < 0 else f"exit code {event.exit_code}"
            behind = f", {_partitions(worker.partitions)} without a worker" if worker.partitions else ""
            self.say(now, f"worker {event.slot}, pid {event.pid}, ended by {how}{behind}")
            if event.report is not None:
                self.say(now, f"worker {event.slot}: {event.report.error.message}")
        worker.pid, worker.partitions, worker.commits, worker.rollbacks = 0, (), 0, 0
        worker.state = "starting again"
        if event.restart_seconds is None:
            worker.state = "stopped" if event.exit_code == 0 else "ended"


def _state(states: Mapping[int, str]) -> str:
    if not states:
        return "waiting for partitions"
    busy = sorted({state for state in states.values() if state != "running"})
    return busy[0] if busy else "running"


def _partitions(numbers: tuple[int, ...] | list[int]) -> str:
    return f"partition{'s' if len(numbers) > 1 else ''} {' '.join(map(str, numbers))}"
