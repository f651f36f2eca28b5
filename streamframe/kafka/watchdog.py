"""Calls of the client that may never come back are announced before they are made.

``send_offsets_to_transaction`` ignores its timeout when the broker restarts under it, and nothing inside the
process can wake it. Whoever implements ``Watchdog`` ends the process then; the supervisor starts a new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Watchdog(Protocol):
    """Ends the process when an announced call does not return in time."""

    def enter(self, name: str, seconds: float) -> None:
        """Take note: ``name`` is being called and must be back within ``seconds``."""

    def leave(self) -> None:
        """Take note: the call that was announced last is back."""


@contextmanager
def watched(watchdog: Watchdog, name: str, seconds: float) -> Iterator[None]:
    """Announce one blocking call.

    Args:
        watchdog: Who is told.
        name: The call, for the last words of a process that is ended.
        seconds: How long it may take.
    """
    watchdog.enter(name, seconds)
    try:
        yield
    finally:
        watchdog.leave()
