"""Letting records gather: how long to rest before the next poll.

A batch has a fixed cost, a third of a millisecond. Records that trickle in would be taken a few at a time, and
20 000 a second in small pieces cost twenty times as much as in large ones. Results become visible at commits, so
a short rest delays nothing, as long as it ends before the commit: what has come by then is read and counts with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamframe.core.time import MICROS_PER_MS

REST_MAX: Final = 20 * MICROS_PER_MS
"""Longest rest: how late a record may be seen by a step that shows it before the commit."""

COMMIT_PARTS: Final = 10
"""A rest is at most this part of the commit interval."""

FEW_RECORDS: Final = 1_000
"""A poll that brought as many was worth its cost, and there is probably more."""


@dataclass(slots=True, kw_only=True)
class Pace:
    """What was gathered last, and when. One gathering may be handed out by several polls.

    Attributes:
        interval: Microseconds between commits.
        polled_at: When the last poll ended.
        records: Records of the last gathering, as far as they were handed out.
        more: Some of it was not handed out yet.
    """

    interval: int
    polled_at: int = 0
    records: int = 0
    more: bool = False

    def polled(self, now: int, records: int, *, more: bool) -> None:
        """Note what a poll brought, and whether there is more of the same gathering."""
        self.records = records + self.records if self.more else records
        self.polled_at, self.more = now, more

    def rest(self, now: int, until_commit: int) -> int:
        """Return for how many microseconds to rest before the next poll.

        A gathering of nothing has waited by itself; one of many is to be followed at once; one that was not handed out
        completely comes first.

        Args:
            now: Wall clock, microseconds.
            until_commit: Microseconds until the next commit is due.

        Example:
            >>> pace = Pace(interval=100_000)
            >>> pace.polled(now=0, records=30, more=False)
            >>> pace.rest(now=2_000, until_commit=50_000)
            8000
        """
        if self.more or not 0 < self.records < FEW_RECORDS:
            return 0
        longest = min(REST_MAX, self.interval // COMMIT_PARTS)
        return max(0, min(self.polled_at + longest - now, until_commit - MICROS_PER_MS, longest))
