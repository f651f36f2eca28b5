"""What librdkafka says: log lines without repeats, lost connections, and the last error of a client as a hint.

Rules:
    1. Everything here is called from inside ``poll``, ``flush`` and the like, never from a thread of its own.
    2. Nothing here raises: an exception in a callback of the client would cost the records it had in hand.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Final, Protocol

from confluent_kafka import KafkaError

from streamframe.kafka.codes import ALL_BROKERS_DOWN, RESOLVE, WRONG_CREDENTIALS

REPEAT_SECONDS: Final = 30.0
"""The same line is written once in this time; a broker that is down repeats itself four times a second."""

LINES_MAX: Final = 256
"""Different lines remembered; then the memory starts anew."""

_NUMBER: Final = re.compile(r"\d+")


class ClientLog:
    """Takes librdkafka's log lines (its ``logger`` property) and passes each on once.

    Lines that differ in numbers only (times, counts, ports) are the same line. When a line comes back
    after ``REPEAT_SECONDS``, the number of lines that were left out is appended.

    Args:
        logger: Where the lines go.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._seen: dict[str, tuple[float, int]] = {}

    def log(self, level: int, template: str, *parts: object) -> None:
        """Take one line, as ``logging.Logger.log`` does."""
        line = template % parts if parts else template
        shape = _NUMBER.sub("#", line)
        now = time.monotonic()
        written, left_out = self._seen.get(shape, (-REPEAT_SECONDS, 0))
        if now - written < REPEAT_SECONDS:
            self._seen[shape] = (written, left_out + 1)
            return
        if len(self._seen) >= LINES_MAX:
            self._seen.clear()
        self._seen[shape] = (now, 0)
        if left_out:
            line += f" (and {left_out} more like this)"
        self._logger.log(level, "%s", line)


class Lines(Protocol):
    """What takes log lines; see ``ClientLog``."""

    def log(self, level: int, template: str, *parts: object) -> None:
        """Take one line, as ``logging.Logger.log`` does."""


class ConnectionLog:
    """Counts the connections that a client has lost while they were in use; passes lines on.

    The client repeats a request whose connection was lost, and does not say so. Its debug lines about brokers
    (``DEBUG_CONTEXT``) do, each time, whereas the line of a higher level comes once in half a minute.

    Args:
        lines: Where other lines go.
        debugging: Whether debug lines are passed on too.
    """

    DEBUG_CONTEXT: Final = "broker"

    def __init__(self, lines: Lines, *, debugging: bool) -> None:
        self._lines = lines
        self._level = logging.DEBUG if debugging else logging.INFO
        self.lost = 0

    def log(self, level: int, template: str, *parts: object) -> None:
        """Take one line, as ``logging.Logger.log`` does."""
        line = template % parts if parts else template
        # A connection that does not come up has carried no request, and one to an address of the bootstrap list is
        # given up when the broker behind it is known.
        if line.startswith("FAIL") and "in state UP" in line and "/bootstrap: Decommissioning" not in line:
            self.lost += 1
        if level >= self._level:
            self._lines.log(level, "%s", line)


class ClientErrors:
    """Remembers what the ``error_cb`` of a client was told; ``record`` is that callback."""

    def __init__(self) -> None:
        self.last = ""
        self.unresolved = False
        self.refused = False

    def record(self, error: KafkaError) -> None:
        """Take an error that concerns the client as a whole: connections, names, credentials."""
        try:
            code, text = error.code(), error.str()
        except SystemError:
            # The binding does this while a fatal error is pending; that one is raised by the next call.
            return
        if code == ALL_BROKERS_DOWN and self.last:
            # Says less than the error before it, which named the reason.
            return
        self.last = text
        self.unresolved = code == RESOLVE
        self.refused = self.refused or code in WRONG_CREDENTIALS

    def clear(self) -> None:
        """Forget: the broker answers."""
        self.last = ""
        self.unresolved = self.refused = False
