"""N worker processes, kept alive: start, watch, restart, stop. Knows nothing of topologies.

* A worker is alive while it sends heartbeats. One that is silent for ``hang_seconds`` (``start_seconds`` before
  its first heartbeat) is killed; its stacks go to stderr first.
* ``restart`` decides what the end of a worker means. A final error stops all workers and is the result.
* The first SIGTERM, SIGINT or SIGHUP asks all workers to stop; the second one, or ``stop_seconds``, kills them.
  Handlers only set flags. Nothing is lost by a kill: what was not committed is aborted and read again.
* When this process is killed, the workers see the closed socket and stop by themselves.

This process stays small: it must import neither pandas nor pyarrow, here or through what it is given.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Final

from streamframe.core.errors import StreamFrameError
from streamframe.runtime.messages import (
    FailureReport,
    Farewell,
    Heartbeat,
    NoticeReceived,
    NoticeSent,
    SnapshotReceived,
    Stopping,
    SupervisorEvent,
    WorkerEnded,
    WorkerHung,
    WorkerStarted,
)
from streamframe.runtime.restart import RestartPolicy, Verdict, judge
from streamframe.runtime.slot import Slot, SlotState
from streamframe.runtime.worker_process import WorkerChannel

TURN_SECONDS_MAX: Final = 1.0
"""Longest sleep of the loop: how late a deadline may be noticed."""

FORGIVEN_SECONDS: Final = 5.0
"""A sleep that lasted so much longer than planned: this process was stopped, and could not hear the workers."""

KILLED_SECONDS_MAX: Final = 10.0
"""Time for the system to end a killed process; one that hangs in the kernel is left behind after it."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSpec:
    """How workers are kept; all durations in seconds.

    Attributes:
        workers: Number of processes.
        hang_seconds: Silence after which a worker counts as hung. Longer than the watchdog of the worker, which
            can say which call did not return.
        start_seconds: The same before the first heartbeat: importing the program may load a large model.
        stop_seconds: From the request to stop until workers are killed.
        exit_seconds: From a worker's last word until its process is killed.
        restart: How patiently workers are started again.
    """

    workers: int = 1
    hang_seconds: float = 120.0
    start_seconds: float = 300.0
    stop_seconds: float = 60.0
    exit_seconds: float = 10.0
    restart: RestartPolicy = field(default_factory=RestartPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorResult:
    """How it all ended.

    Attributes:
        exit_code: 0, or the exit code of the worker that ended the run (1 when a signal ended it).
        report: The error that ended the run.
        restarts: Workers that were started again.
    """

    exit_code: int
    report: FailureReport | None = None
    restarts: int = 0


class Supervisor:
    """Runs worker processes until all are done, one fails for good, or it is asked to stop.

    Args:
        spec: How.
        start: What runs in each process, with its channel; picklable. `EntryPoint` names a function without
            importing it here.
        events: Told what happens, in this process and thread. When it raises, everything is stopped and the
            exception leaves ``run``.

    Example:
        >>> from streamframe.runtime.worker_process import EntryPoint
        >>> supervisor = Supervisor(SupervisorSpec(workers=2), EntryPoint("fraud.worker:run"), print)
        >>> supervisor.request_stop()
    """

    def __init__(
        self,
        spec: SupervisorSpec,
        start: Callable[[WorkerChannel], None],
        events: Callable[[SupervisorEvent], None],
    ) -> None:
        assert spec.workers >= 1
        self._spec = spec
        self._entry = start
        self._events = events
        self._slots = [Slot(number, spec.restart) for number in range(spec.workers)]
        self._heard_any = False
        self._outcome: FailureReport | None = None
        self._exit_code = 0
        self._raised: BaseException | None = None
        self._stop_requests = 0
        self._stop_reason = ""
        self._stop_deadline = math.inf
        self._stopping = False
        self._killing = False
        self._wakeup_read, self._wakeup_write = os.pipe()
        os.set_blocking(self._wakeup_read, False)
        os.set_blocking(self._wakeup_write, False)

    def request_stop(self, reason: str = "stop was asked for") -> None:
        """Ask for a graceful stop; a second call kills. May be called from another thread."""
        self._stop_requests += 1
        self._stop_reason = self._stop_reason or reason
        with suppress(OSError):  # Full: it is awake already. Closed: it has ended.
            os.write(self._wakeup_write, b"\0")

    def run(self) -> SupervisorResult:
        """Start the workers and return when none is left."""
        with self._signals_handled():
            try:
                for slot in self._slots:
                    self._start(slot, time.monotonic())
                while any(slot.state is not SlotState.DONE for slot in self._slots):
                    self._turn()
            finally:
                self._leave_nothing_behind()
        self._close_wakeup()
        if self._raised is not None:
            raise self._raised
        restarts = sum(max(0, slot.starts - 1) for slot in self._slots)
        return SupervisorResult(exit_code=self._exit_code, report=self._outcome, restarts=restarts)

    # -- one turn --------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._sleep()
        now = time.monotonic()
        for slot in self._slots:
            for message in slot.receive():
                self._message(slot, message, now)
        for slot in self._slots:
            if slot.exit_code is not None:
                self._ended(slot, slot.exit_code, now)
        if self._stop_requests:
            self._stop(self._stop_reason, now)
        if self._stop_requests > 1 or now >= self._stop_deadline:
            self._kill_all(now)
        for slot in self._slots:
            if now >= slot.deadline:
                self._deadline_passed(slot, now)

    def _sleep(self) -> None:
        """Wait until something happens or must be done."""
        begin = time.monotonic()
        deadlines = [slot.deadline for slot in self._slots]
        if not self._killing:
            deadlines.append(self._stop_deadline)
        planned = min(TURN_SECONDS_MAX, max(0.0, min(deadlines) - begin))
        wait([number for slot in self._slots for number in slot.file_numbers()] + [self._wakeup_read], planned)
        with suppress(BlockingIOError):
            os.read(self._wakeup_read, 4096)
        overslept = time.monotonic() - begin - planned
        if overslept > FORGIVEN_SECONDS:
            for slot in self._slots:
                slot.deadline += overslept

    def _message(self, slot: Slot, message: object, now: float) -> None:
        match message:
            case Heartbeat():
                if slot.state is SlotState.STARTING:
                    slot.to(SlotState.RUNNING)
                if slot.state is SlotState.RUNNING and not self._stopping:
                    slot.deadline = now + self._spec.hang_seconds
                slot.heard_at = now
                self._heard_any = True
                self._emit(SnapshotReceived(slot=slot.number, snapshot=message.snapshot))
            case NoticeSent():
                self._emit(
                    NoticeReceived(slot=slot.number, level=message.level, text=message.text, facts=message.facts)
                )
            case FailureReport():
                slot.report = message
            case Farewell():
                slot.farewell = message.exit_code
                if slot.state is not SlotState.KILLED:
                    slot.to(SlotState.ENDING)
                    slot.deadline = now + self._spec.exit_seconds
            case _:
                raise AssertionError(f"a worker sent {type(message).__name__}")

    # -- life and death --------------------------------------------------------------------------------

    def _start(self, slot: Slot, now: float) -> None:
        slot.to(SlotState.STARTING)
        slot.started_at = slot.heard_at = now
        slot.deadline = now + self._spec.start_seconds
        try:
            slot.start(self._entry, orphan_seconds=self._spec.stop_seconds)
        except OSError as error:
            slot.report = FailureReport(error=StreamFrameError("cannot start a worker process", reason=str(error)))
            self._ended(slot, 1, now)
            return
        self._emit(WorkerStarted(slot=slot.number, pid=slot.pid, restarts=slot.starts - 1))

    def _ended(self, slot: Slot, exit_code: int, now: float) -> None:
        """Decide what the end of a process means: a pause before the next one, or the end of the slot."""
        for message in slot.receive_last():
            self._message(slot, message, now)
        slot.release()
        exit_code = exit_code if slot.farewell is None else slot.farewell
        report = slot.report
        verdict = judge(exit_code, report.error if report else None, heard_any=self._heard_any)
        stopping = self._stopping or self._stop_requests > 0
        pause = None
        if verdict is Verdict.RESTART and not stopping:
            pause = slot.ledger.pause(ran_seconds=slot.heard_at - slot.started_at, now=now)
        slot.to(SlotState.DONE if pause is None else SlotState.PAUSED)
        slot.deadline = math.inf if pause is None else now + pause
        self._emit(
            WorkerEnded(slot=slot.number, pid=slot.pid, exit_code=exit_code, report=report, restart_seconds=pause)
        )
        if verdict is not Verdict.DONE and pause is None:
            gave_up = verdict is Verdict.RESTART and not stopping
            self._fail(exit_code, report or _silent_end(exit_code, slot.starts if gave_up else 1))
            self._stop(f"worker {slot.number} failed", now)

    def _deadline_passed(self, slot: Slot, now: float) -> None:
        match slot.state:
            case SlotState.PAUSED:
                self._start(slot, now)
            case SlotState.STARTING | SlotState.RUNNING:
                silent = now - slot.heard_at
                self._emit(WorkerHung(slot=slot.number, pid=slot.pid, silent_seconds=silent))
                error = StreamFrameError(
                    "a worker gave no sign of life and was killed",
                    hint="its stacks are on stderr: a function of the program that takes so long holds everything up",
                    silent_seconds=round(silent, 1),
                )
                slot.report = FailureReport(error=error)
                slot.kill_with_stacks()
                self._killed(slot, now)
            case SlotState.ENDING:
                slot.kill()
                self._killed(slot, now)
            case SlotState.KILLED:
                self._ended(slot, -signal.SIGKILL, now)
            case SlotState.DONE:
                pass

    def _killed(self, slot: Slot, now: float) -> None:
        slot.to(SlotState.KILLED)
        slot.deadline = now + KILLED_SECONDS_MAX

    def _fail(self, exit_code: int, report: FailureReport) -> None:
        """Remember the first failure: it is the result of the run."""
        if self._outcome is None:
            self._outcome = report
            self._exit_code = exit_code if exit_code > 0 else report.error.exit_code

    # -- stopping --------------------------------------------------------------------------------------

    def _stop(self, reason: str, now: float) -> None:
        """Ask all workers to stop; slots without a process are done."""
        if self._stopping:
            return
        self._stopping = True
        self._stop_deadline = now + self._spec.stop_seconds
        self._emit(Stopping(reason=reason))
        for slot in self._slots:
            match slot.state:
                case SlotState.PAUSED:
                    slot.to(SlotState.DONE)
                    slot.deadline = math.inf
                case SlotState.STARTING | SlotState.RUNNING:
                    slot.order_stop()
                    slot.deadline = math.inf  # The deadline of the stop replaces it.
                case _:
                    pass

    def _kill_all(self, now: float) -> None:
        if self._killing:
            return
        self._killing = True
        running = [slot for slot in self._slots if slot.state in (SlotState.STARTING, SlotState.RUNNING)]
        if running:
            error = StreamFrameError(
                "workers did not stop in time and were killed",
                hint="nothing is lost: what was not committed is read again at the next start",
                workers=[slot.number for slot in running],
            )
            self._fail(error.exit_code, FailureReport(error=error))
        for slot in self._slots:
            if slot.state in (SlotState.STARTING, SlotState.RUNNING, SlotState.ENDING):
                slot.kill()
                self._killed(slot, now)

    def _leave_nothing_behind(self) -> None:
        """Kill what still runs when the loop ended by an exception, and release everything."""
        for slot in self._slots:
            slot.kill()
        for slot in self._slots:
            slot.release(KILLED_SECONDS_MAX)

    def _close_wakeup(self) -> None:
        read, write = self._wakeup_read, self._wakeup_write
        self._wakeup_read = self._wakeup_write = -1
        os.close(read)
        os.close(write)

    # -- outside ---------------------------------------------------------------------------------------

    def _emit(self, event: SupervisorEvent) -> None:
        if self._raised is not None:
            return
        try:
            self._events(event)
        except BaseException as error:
            self._raised = error
            # Not one more request: Ctrl-C may end the reader of our output too, and that must not kill anybody.
            self._stop_requests = max(1, self._stop_requests)
            self._stop_reason = self._stop_reason or f"{type(error).__name__} while reporting"

    @contextmanager
    def _signals_handled(self) -> Iterator[None]:
        """Turn signals into stop requests, where this is possible: in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {}
        for number in _SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: a closed terminal is no reason to stop.
            before[number] = signal.signal(number, self._on_signal)
        wakeup_before = signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup_before)
            for number, previous in before.items():
                signal.signal(number, previous)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._stop_requests += 1
        self._stop_reason = self._stop_reason or signal.Signals(number).name


def _silent_end(exit_code: int, starts: int) -> FailureReport:
    """Put into words the end of a worker that said nothing."""
    facts: dict[str, object] = {"exit_code": exit_code}
    hint = "its last lines on stderr say more"
    if exit_code < 0:
        facts = {"signal": signal.Signals(-exit_code).name}
        if exit_code == -signal.SIGKILL:
            hint = "was it out of memory? see the kernel's log, and lower --state-memory or the number of workers"
    if starts > 1:
        facts["starts"] = starts
    text = "a worker ended again and again" if starts > 1 else "a worker ended without a word"
    return FailureReport(error=StreamFrameError(text, hint=hint, **facts))
