"""What the right answer is: record at a time, in plain Python, straight from the rules of docs on time and windows.

No numpy, pandas or Arrow, nothing shared with the code under test. Event times are microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MIN_TIME = -(1 << 63) + 1
INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True)
class Record:
    """One row of the input of an aggregate."""

    lane: int
    offset: int
    time: int
    columns: Mapping[str, Any]


@dataclass(frozen=True)
class WindowRule:
    size: int
    every: int
    grace: int = 0
    offset: int = 0

    def windows(self, time: int) -> list[int]:
        """Starts of all windows that contain ``time``, ascending."""
        last = time - (time - self.offset) % self.every
        found = []
        start = last
        while start + self.size > time:
            found.append(start)
            start -= self.every
        return found[::-1]


@dataclass
class Answer:
    """What an aggregate must give.

    ``closed``: final results ``{(start, key): {output: value}}`` of the windows closed by the watermark; ``open``:
    of those that are not. ``late``: ``(lane, offset, window start, late_by)`` of every missed window, sorted.
    """

    closed: dict[tuple[int, tuple], dict[str, Any]] = field(default_factory=dict)
    open: dict[tuple[int, tuple], dict[str, Any]] = field(default_factory=dict)
    late: list[tuple[int, int, int, int]] = field(default_factory=list)
    null_keys: int = 0


Aggregations = Mapping[str, tuple[str, str]]
"""Output column -> (input column, function)."""


def windowed(
    records: Iterable[Record], lanes: Sequence[int], keys: Sequence[str], rule: WindowRule, aggregations: Aggregations
) -> Answer:
    """Aggregate records; those of one lane come in the order of their offsets."""
    stream_time = dict.fromkeys(lanes, MIN_TIME)
    groups: dict[tuple[int, tuple], list[Record]] = {}
    answer = Answer()
    for record in records:
        stream_time[record.lane] = observed = max(stream_time[record.lane], record.time)
        key = tuple(record.columns[name] for name in keys)
        if None in key:
            answer.null_keys += 1
            continue
        for start in rule.windows(record.time):
            if start + rule.size + rule.grace <= observed:
                answer.late.append((record.lane, record.offset, start, observed - record.time))
            else:
                groups.setdefault((start, key), []).append(record)
    watermark = min(stream_time.values())
    for (start, key), members in groups.items():
        side = answer.closed if start + rule.size + rule.grace <= watermark else answer.open
        side[start, key] = results(members, aggregations)
    answer.late.sort()
    return answer


def table(records: Iterable[Record], keys: Sequence[str], aggregations: Aggregations) -> dict[tuple, dict[str, Any]]:
    """Aggregate records without windows."""
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        key = tuple(record.columns[name] for name in keys)
        if None not in key:
            groups.setdefault(key, []).append(record)
    return {key: results(members, aggregations) for key, members in groups.items()}


def results(members: Sequence[Record], aggregations: Aggregations) -> dict[str, Any]:
    ordered = sorted(members, key=lambda record: (record.time, record.lane, record.offset))
    return {
        output: len(members)
        if function == "size"
        else FUNCTIONS[function]([r.columns[column] for r in ordered if r.columns[column] is not None])
        for output, (column, function) in aggregations.items()
    }


def _mean(values: list) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _var(values: list) -> float | None:
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _std(values: list) -> float | None:
    variance = _var(values)
    return None if variance is None else math.sqrt(variance)


FUNCTIONS: dict[str, Callable[[list], Any]] = {
    "count": len,
    "sum": lambda values: sum(values) if all(isinstance(v, int) for v in values) else math.fsum(values),
    "mean": _mean,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "var": _var,
    "std": _std,
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "nunique": lambda values: len(set(values)),
    "any": any,
    "all": all,
}


def equal(left: Any, right: Any) -> bool:
    """Equal, floats up to the rounding of sums in another order; integers must be integers."""
    if isinstance(left, float) and isinstance(right, float | int) and not isinstance(right, bool):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    if left == 0 and right == 0:
        return isinstance(left, bool) == isinstance(right, bool)  # the sum of no floats is 0 here
    return type(left) is type(right) and left == right
