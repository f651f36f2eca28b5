"""The last minutes as a row of points: how fast records came and went, how far behind, how long they took.

Counters of a worker only rise while it lives, so a point is the sum of what each worker's counters rose by. A worker
that was started again begins at zero and its first snapshot is all new.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final

from streamframe.core.metric_catalogue import LATENCY_EDGES
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.engine.snapshot import Snapshot

POINT_SECONDS: Final = 5
"""One point stands for so long."""

POINTS_KEPT: Final = 120
"""Ten minutes."""

_LEAST_RANK: Final = 1e-9
"""The quantile of the share 0 lies in the first bucket that holds something."""

_LATENCY: Final = "end_to_end_latency_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A few seconds of all workers together.

    Attributes:
        at: When they began, seconds since the epoch; a multiple of ``POINT_SECONDS``.
        records_in: Records processed.
        records_out: Records written, dead letters included, changelogs not.
        lag: Offsets behind, the last that was known; ``None``: nobody knew.
        latency: End-to-end latencies per bucket of the catalogue; empty: none were counted.
    """

    at: int
    records_in: int = 0
    records_out: int = 0
    lag: int | None = None
    latency: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """Counters of a worker at its last snapshot."""

    records_in: int = 0
    records_out: int = 0
    latency: tuple[int, ...] = ()


@dataclass(slots=True)
class History:
    """Collects points; written by one thread at a time."""

    _points: deque[Point] = field(default_factory=lambda: deque(maxlen=POINTS_KEPT))
    _seen: dict[int, _Seen] = field(default_factory=dict)
    _lag: dict[int, int] = field(default_factory=dict)

    def take(self, slot: int, snapshot: Snapshot) -> None:
        """Add what a worker did since its last snapshot."""
        seen, before = _seen(snapshot), self._seen.get(slot, _Seen())
        self._seen[slot] = seen
        self._lag[slot] = sum(snapshot.lag.values())
        at = snapshot.now // MICROS_PER_SECOND // POINT_SECONDS * POINT_SECONDS
        if not self._points or self._points[-1].at < at:
            self._points.append(Point(at=at))
        # A worker whose clock is behind adds to the last point: its work is not lost.
        last = self._points[-1]
        self._points[-1] = replace(
            last,
            records_in=last.records_in + seen.records_in - before.records_in,
            records_out=last.records_out + seen.records_out - before.records_out,
            lag=sum(self._lag.values()),
            latency=_added(last.latency, seen.latency, before.latency),
        )

    def forget(self, slot: int) -> None:
        """A worker has ended; another one in its slot counts from zero."""
        self._seen.pop(slot, None)
        self._lag.pop(slot, None)

    def points(self) -> tuple[Point, ...]:
        """Return the points, the oldest first."""
        return tuple(self._points)


def quantile(counts: Sequence[int], share: float, edges: Sequence[float] = LATENCY_EDGES) -> float | None:
    """Return the value below which a share of the observations lies, as Prometheus' ``histogram_quantile`` does.

    Example:
        >>> quantile([0, 10, 0], 0.5, edges=[1.0, 2.0]), quantile([], 0.5)
        (1.5, None)
    """
    sums = list(accumulate(counts))
    if not sums or not sums[-1]:
        return None
    rank = max(share * sums[-1], _LEAST_RANK)
    bucket = bisect_left(sums, rank)
    if bucket >= len(edges):
        return edges[-1]
    low = edges[bucket - 1] if bucket else 0.0
    return low + (edges[bucket] - low) * (rank - (sums[bucket] - counts[bucket])) / counts[bucket]


def _seen(snapshot: Snapshot) -> _Seen:
    measured = snapshot.measured
    latency: tuple[int, ...] = ()
    for name, histogram in measured.histograms.items():
        if name.partition(":")[0] == _LATENCY:
            latency = _added(latency, histogram.counts, ())
    return _Seen(_records(measured.consumed), _records(measured.produced), latency)


def _records(traffic: Mapping[str, tuple[int, int]]) -> int:
    return sum(records for records, _ in traffic.values())


def _added(total: Sequence[int], more: Sequence[int], less: Sequence[int]) -> tuple[int, ...]:
    size = max(len(total), len(more), len(less))
    columns = [[*each, *([0] * (size - len(each)))] for each in (total, more, less)]
    return tuple(a + b - c for a, b, c in zip(*columns, strict=True))
