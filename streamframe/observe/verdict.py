"""One sentence about all workers together: do they keep up, and if not, what is in the way?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from streamframe.observe.history import POINT_SECONDS, Point

Word = Literal["keeping up", "catching up", "falling behind", "standing still", "not running"]

BEHIND_SECONDS: Final = 10.0
"""Whoever is less behind than this keeps up."""

TREND_POINTS: Final = 6
"""The trend of the lag is that of the last half minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a verdict is made from.

    Attributes:
        state: State of the fleet.
        restored: Changelog offsets restored, and to restore.
        lag_records: Offsets behind.
        lag_seconds: How old the oldest record is that was processed last.
        points: The last minutes.
        phases: Share of the workers' time by phase, lately.
        operators: Share of the workers' time by step, lately.
    """

    state: str
    restored: tuple[int, int]
    lag_records: int
    lag_seconds: float
    points: Sequence[Point]
    phases: Mapping[str, float]
    operators: Mapping[str, float]


def verdict(facts: Facts) -> tuple[Word, str]:
    """Return the word, and a sentence for people."""
    if facts.state != "running":
        return "not running", _not_running(facts)
    idle = facts.phases.get("idle", 0.0)
    if facts.lag_records == 0 or facts.lag_seconds < BEHIND_SECONDS:
        return "keeping up", f"Keeping up; {idle:.0%} of the workers' time is to spare."
    growth = _growth(facts.points)
    behind = f"{facts.lag_records:,} records behind, the oldest of {facts.lag_seconds:,.0f} s ago"
    if growth < 0:
        left = facts.lag_records / -growth
        return "catching up", f"Catching up: {behind}; at this rate about {_span(left)} are left. {_where(facts)}"
    if not any(point.records_in for point in facts.points[-TREND_POINTS:]):
        return "standing still", f"Standing still: {behind}, and nothing was processed lately. {_where(facts)}"
    return "falling behind", f"Falling behind: {behind}, {growth:,.0f} more each second. {_where(facts)}"


def _not_running(facts: Facts) -> str:
    done, total = facts.restored
    if facts.state == "restoring" and total:
        return f"Restoring state: {done:,} of {total:,} changelog records, {done / total:.0%}."
    return f"Not running yet, or not any more: {facts.state}."


def _growth(points: Sequence[Point]) -> float:
    """Return by how much the lag grows each second."""
    known = [(point.at, point.lag) for point in points[-TREND_POINTS - 1 :] if point.lag is not None]
    if len(known) < 2:
        return 0.0
    (begin, first), (end, last) = known[0], known[-1]
    return (last - first) / max(POINT_SECONDS, end - begin)


def _where(facts: Facts) -> str:
    waiting = facts.phases.get("produce", 0.0) + facts.phases.get("commit", 0.0)
    name, share = max(facts.operators.items(), key=lambda item: item[1], default=("", 0.0))
    idle = facts.phases.get("idle", 0.0)
    if idle > 0.5:
        return (
            f"{idle:.0%} of the workers' time goes into waiting for records: the broker delivers slowly, or most "
            "records are in few partitions."
        )
    if waiting > share:
        return f"{waiting:.0%} of the workers' time goes into waiting for the broker to take results."
    if not name:
        return ""
    return f"The busiest step is {name}: {share:.0%} of the workers' time."


def _span(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> _span(42), _span(600), _span(9000)
        ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
