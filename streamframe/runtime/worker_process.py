"""The worker's side of supervision: the channel to the supervisor, and what runs first in a new process.

* A worker ignores SIGINT and SIGHUP: Ctrl-C and a closed terminal reach the whole process group, and it is the
  supervisor who decides. SIGTERM asks for the same graceful stop as the supervisor does.
* When the supervisor is gone, however it went, the worker stops gracefully by itself, and is ended when that
  takes too long.
* SIGUSR1 writes the stacks of all threads to stderr; the supervisor sends it before it kills a hung worker.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from streamframe.core.errors import StreamFrameError
from streamframe.engine.snapshot import Snapshot
from streamframe.runtime.message_socket import MessageSocket
from streamframe.runtime.messages import Farewell, Heartbeat, NoticeSent, StopOrder, plain_facts, report_failure

ORPHAN_EXIT_CODE: Final = 71
"""Exit code of a worker that lost its supervisor and could not stop in time."""

UNSENT_BYTES_MAX: Final = 1 << 20
"""Notices beyond this are dropped while the supervisor does not read."""

_REPORT_SECONDS_MAX: Final = 5.0
_LISTEN_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A function by name, with arguments: the supervisor can hand it to a worker without importing it.

    Attributes:
        target: ``package.module:function``; it is called with the channel and the arguments.
        arguments: Further arguments, plain values.

    Example:
        >>> EntryPoint("builtins:repr").resolve()(1)
        '1'
    """

    target: str
    arguments: tuple[object, ...] = ()

    def resolve(self) -> Callable[..., object]:
        """Import the module and return the function."""
        module, _, name = self.target.partition(":")
        function: Callable[..., object] = getattr(importlib.import_module(module), name)
        return function

    def __call__(self, channel: WorkerChannel) -> None:
        self.resolve()(channel, *self.arguments)


class WorkerChannel:
    """What a worker has of its supervisor. Its ``publish`` and ``notice`` are the engine's telemetry port.

    Nothing here waits: while the supervisor does not read, snapshots are left out, then notices.

    Args:
        messages: The worker's end of the socket pair.
        slot: Number of the slot, from 0.
        orphan_seconds: Time to stop in when the supervisor is gone.
    """

    def __init__(self, messages: MessageSocket, *, slot: int, orphan_seconds: float) -> None:
        self.slot = slot
        self._messages = messages
        self._orphan_seconds = orphan_seconds
        self._stop = False
        self._callbacks: list[Callable[[], None]] = []
        self._sending = threading.Lock()
        self._listener = threading.Thread(target=self._listen, name="supervisor-listener", daemon=True)
        self._listener.start()

    @property
    def stop_requested(self) -> bool:
        """Somebody wants this worker to drain, commit and end."""
        return self._stop

    def request_stop(self) -> None:
        """Ask this worker to stop; may be called from a signal handler: it only sets flags."""
        self._stop = True
        for callback in self._callbacks:
            callback()

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when a stop is asked for, at once if it was already.

        It runs in a signal handler or another thread and may be called more than once: it must only set a flag.
        """
        self._callbacks.append(callback)
        if self._stop:
            callback()

    def publish(self, snapshot: Snapshot) -> None:
        """Send a snapshot: the heartbeat."""
        with self._sending:
            if self._messages.unsent_bytes == 0 or self._messages.flush(0.0):
                self._messages.send(Heartbeat(snapshot=snapshot))

    def notice(self, level: str, text: str, facts: Mapping[str, object]) -> None:
        """Send a line for the log; any thread may."""
        with self._sending:
            if self._messages.unsent_bytes < UNSENT_BYTES_MAX:
                self._messages.send(NoticeSent(level=level, text=text, facts=plain_facts(facts)))

    def fail(self, error: BaseException) -> bool:
        """Send why this worker ends; return whether the supervisor has it."""
        with self._sending:
            self._messages.send(report_failure(error))
            return self._messages.flush(_REPORT_SECONDS_MAX)

    def farewell(self, exit_code: int) -> None:
        """Send that the work is over; the supervisor waits for the process to end."""
        with self._sending:
            self._messages.send(Farewell(exit_code=exit_code))
            self._messages.flush(_REPORT_SECONDS_MAX)

    def _listen(self) -> None:
        while not self._messages.closed:
            select.select([self._messages], [], [], _LISTEN_SECONDS)
            if any(isinstance(message, StopOrder) for message in self._messages.receive()):
                self.request_stop()
        self.request_stop()
        time.sleep(self._orphan_seconds)
        with contextlib.suppress(OSError):
            os.write(2, b"the supervisor is gone and the worker did not stop in time, it ends\n")
        os._exit(ORPHAN_EXIT_CODE)


class ChannelHandler(logging.Handler):
    """Sends what is logged below ``streamframe`` to the supervisor, who decides what is shown and how."""

    def __init__(self, channel: WorkerChannel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record as a notice."""
        self._channel.notice(record.levelname.lower(), record.getMessage(), {})


def run_worker_process(
    messages: MessageSocket, slot: int, start: Callable[[WorkerChannel], None], orphan_seconds: float
) -> None:
    """Run in a new process: prepare signals, call ``start``, report how it ended, exit.

    The supervisor has blocked the signals, so that none ends the process before they are prepared.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    channel = WorkerChannel(messages, slot=slot, orphan_seconds=orphan_seconds)
    signal.signal(signal.SIGTERM, lambda _number, _frame: channel.request_stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_AT_START)
    if sys.stderr is not None:
        faulthandler.enable()
        faulthandler.register(signal.SIGUSR1)
    logger = logging.getLogger("streamframe")
    logger.addHandler(ChannelHandler(channel))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    exit_code = _exit_code_of(start, channel)
    channel.farewell(exit_code)
    sys.exit(exit_code)


BLOCKED_AT_START: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""Signals that a starting worker must not die of."""


def _exit_code_of(start: Callable[[WorkerChannel], None], channel: WorkerChannel) -> int:
    try:
        start(channel)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:
        if not channel.fail(error):
            sys.excepthook(type(error), error, error.__traceback__)
        return error.exit_code if isinstance(error, StreamFrameError) else 1
    return 0
