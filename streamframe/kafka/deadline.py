"""How much time is left of one limit that several calls share."""

from __future__ import annotations

import time


class Deadline:
    """A limit that starts to run when it is made.

    Args:
        seconds: The limit.

    Example:
        >>> Deadline(10.0).remaining() <= 10.0
        True
    """

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left; 0.0 once the limit is reached, never less."""
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the limit is reached."""
        return self.remaining() == 0.0

    def pause(self, seconds: float) -> None:
        """Wait before the next attempt, but never beyond the limit."""
        time.sleep(min(seconds, self.remaining()))
