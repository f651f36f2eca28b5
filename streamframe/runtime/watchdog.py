"""A call that does not return ends the process: nothing else helps.

Some calls of the Kafka client ignore their own timeout and block for ever after a broker restart (librdkafka
5456: ``send_offsets_to_transaction``). No other thread can wake them, and while they block the worker holds
its partitions. So they are announced here, and when one does not return in time the process ends with exit
code 70, without any clean-up; the supervisor starts a new worker, and the broker aborts what was open.

Only calls that release the interpreter lock can be watched, as those of the client do.
"""

from __future__ import annotations

import faulthandler
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

WATCHDOG_EXIT_CODE: Final = 70
"""Exit code of a process whose announced call did not return."""


def _end_process(line: str) -> None:
    # A blocked or closed stderr must not keep the process alive: written without Python's locks, errors ignored.
    with suppress(OSError, ValueError):
        os.write(sys.stderr.fileno() if sys.stderr is not None else 2, line.encode())
    with suppress(OSError, ValueError, AttributeError, RuntimeError):
        faulthandler.dump_traceback(all_threads=True)
    os._exit(WATCHDOG_EXIT_CODE)


class Watchdog:
    """Ends the process when an announced call does not return in time.

    One thread announces (the worker's); calls do not nest. The watching thread starts with the first
    announcement.

    Args:
        end: What happens then, given the line to write; for tests.

    Example:
        >>> watchdog = Watchdog()
        >>> with watchdog.watching("commit_transaction", seconds=90):
        ...     committed = True
        >>> watchdog.close()
    """

    def __init__(self, end: Callable[[str], None] = _end_process) -> None:
        self._end = end
        self._condition = threading.Condition()
        self._call: tuple[str, float, float] | None = None
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf
        self._closed = False

    def enter(self, name: str, seconds: float) -> None:
        """Announce that a call begins, and how long it may take at most."""
        with self._condition:
            assert not self._closed
            assert self._call is None, f"{name} inside {self._call}"
            deadline = time.monotonic() + seconds
            self._call = (name, seconds, deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()
            # Calls come many times a second: the watcher sleeps through them unless it would wake too late.
            if deadline < self._wakes_at:
                self._condition.notify()

    def leave(self) -> None:
        """Announce that the call has returned."""
        with self._condition:
            self._call = None

    @contextmanager
    def watching(self, name: str, seconds: float) -> Iterator[None]:
        """Announce a call for the length of a ``with`` block."""
        self.enter(name, seconds)
        try:
            yield
        finally:
            self.leave()

    def close(self) -> None:
        """Stop watching."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        with self._condition:
            while not self._closed:
                if self._call is None:
                    self._wakes_at = math.inf
                    self._condition.wait()
                    continue
                name, seconds, deadline = self._call
                remaining = deadline - time.monotonic()
                if remaining > 0:
                    self._wakes_at = deadline
                    self._condition.wait(remaining)
                    continue
                self._call = None
                self._end(f"watchdog: {name} did not return within {seconds:g} s, the worker ends\n")
