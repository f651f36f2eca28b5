"""The wall clock, guarded against going back."""

from __future__ import annotations

import time


class SystemClock:
    """Wall-clock microseconds since the epoch; never less than what was returned before."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        """Return the present time in microseconds."""
        self._last = max(self._last, time.time_ns() // 1_000)
        return self._last

    @staticmethod
    def worked() -> int:
        """Return the processor time of the calling thread so far, in microseconds."""
        return time.thread_time_ns() // 1_000
