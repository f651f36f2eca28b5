"""One place for a worker: its process, its socket, its state, its deadline.

The life of a slot::

    PAUSED ──> STARTING ──> RUNNING ──> ENDING ──> DONE
      ^           │            │          │
      │           ├────────────┴──────────┴──> KILLED
      └───────────┴── the process has ended ─────┘      (or DONE, when it is not started again)

A slot decides nothing: `supervisor` moves it, and `restart` says whether it lives again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnProcess
from typing import Final

from streamframe.runtime.message_socket import MessageSocket
from streamframe.runtime.messages import FailureReport, StopOrder
from streamframe.runtime.restart import RestartLedger, RestartPolicy
from streamframe.runtime.worker_process import BLOCKED_AT_START, WorkerChannel, run_worker_process

_STACKS_SECONDS: Final = 0.3
"""Time for a hung worker to write its stacks before it is killed."""

_LAST_WORDS_MAX: Final = 1_000
"""Turns of reading what a dead worker has left: a gigabyte, more than any socket holds."""


class SlotState(Enum):
    """Where a slot is in its life; see the drawing at the top."""

    PAUSED = "paused"
    STARTING = "starting"
    RUNNING = "running"
    ENDING = "ending"
    KILLED = "killed"
    DONE = "done"


_ENDS: Final = frozenset({SlotState.PAUSED, SlotState.DONE})

TRANSITIONS: Final = {
    SlotState.PAUSED: frozenset({SlotState.STARTING, SlotState.DONE}),
    SlotState.STARTING: _ENDS | {SlotState.RUNNING, SlotState.ENDING, SlotState.KILLED},
    SlotState.RUNNING: _ENDS | {SlotState.ENDING, SlotState.KILLED},
    SlotState.ENDING: _ENDS | {SlotState.KILLED},
    SlotState.KILLED: _ENDS,
    SlotState.DONE: frozenset[SlotState](),
}


class Slot:
    """One place for a worker; see the module docstring.

    Args:
        number: From 0.
        policy: How patiently its workers are started again.
    """

    def __init__(self, number: int, policy: RestartPolicy) -> None:
        self.number = number
        self.state = SlotState.PAUSED
        self.ledger = RestartLedger(policy)
        self.starts = 0
        self.pid = 0
        self.started_at = 0.0
        self.heard_at = 0.0
        self.deadline = 0.0
        """When the supervisor must act: silence, a process that does not end, or a pause, has lasted too long."""
        self.report: FailureReport | None = None
        self.farewell: int | None = None
        self._process: SpawnProcess | None = None
        self._messages: MessageSocket | None = None

    def to(self, state: SlotState) -> None:
        """Change the state; the only writer."""
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state

    def start(self, entry: Callable[[WorkerChannel], None], *, orphan_seconds: float) -> None:
        """Start a process.

        Raises:
            OSError: The system has no room for another one.
        """
        self.report = self.farewell = None
        self.starts += 1
        ours, theirs = MessageSocket.pair()
        process = multiprocessing.get_context("spawn").Process(
            target=run_worker_process,
            args=(theirs, self.number, entry, orphan_seconds),
            name=f"streamframe-worker-{self.number}",
        )
        try:
            with _signals_blocked():
                process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._process, self._messages = process, ours
        self.pid = process.pid or 0

    def file_numbers(self) -> list[int]:
        """Return what to wait on: the end of the process, and messages."""
        numbers = [] if self._process is None else [self._process.sentinel]
        if self._messages is not None and not self._messages.closed:
            numbers.append(self._messages.fileno())
        return numbers

    def receive(self) -> list[object]:
        """Return messages that have arrived."""
        return [] if self._messages is None else self._messages.receive()

    def receive_last(self) -> list[object]:
        """Return all that a process said before it ended."""
        messages: list[object] = []
        for _ in range(_LAST_WORDS_MAX):
            received = self.receive()
            messages += received
            if not received:
                break
        return messages

    def order_stop(self) -> None:
        """Ask the process to drain, commit and end."""
        if self._messages is not None:
            self._messages.send(StopOrder())

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process once it has ended; negative: the signal."""
        return None if self._process is None else self._process.exitcode

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def kill_with_stacks(self) -> None:
        """Let the process write its stacks to stderr, then send SIGKILL."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)
            self._process.join(_STACKS_SECONDS)
            self._process.kill()

    def release(self, seconds_max: float = 0.0) -> None:
        """Forget the process, after waiting for its end."""
        if self._process is not None:
            self._process.join(seconds_max)
            if self._process.exitcode is not None:
                self._process.close()
        if self._messages is not None:
            self._messages.close()
        self._process = self._messages = None


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block the signals that a child must not die of before it has prepared for them; it inherits the mask."""
    # The tracker would be started by the first start of a process, and unblock SIGINT and SIGTERM on the way.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED_AT_START)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
