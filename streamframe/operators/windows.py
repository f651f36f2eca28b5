"""Windows as arithmetic: which windows a row belongs to, and for which of them it is late.

Windows are ``[start, start + size)`` with ``start = offset + k * every``. They are cut into *panes*: the
largest equal pieces of which every window is a whole number (width: gcd of ``size`` and ``every``). A row
is folded into its pane once, and a window is combined from its panes when it is emitted::

    windows   |-------- 0 --------|
                   |-------- 1 --------|
                        |-------- 2 --------|
    panes     |    |    |    |    |    |    |

A row may be late for the first windows of its pane and on time for the others. The number of its pane's
windows that are closed for it is its *variant*: rows of variant ``v`` count for the pane's windows ``v``,
``v + 1``, … only, so each variant of a pane has its own bucket.

Rows are folded into each window directly (one bucket per window, variant 0) when the aggregation cannot
be combined from panes, or when windows have so many panes that combining costs more than folding.

All times are int64 microseconds; everything works for negative times.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamframe.core.time import format_duration
from streamframe.plan.nodes import Window

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

PANES_PER_WINDOW_MAX: Final = 64
"""Windows of more panes are folded into directly, unless a row belongs to more than ``FOLDS_PER_ROW_MAX``."""
FOLDS_PER_ROW_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Panes:
    """The panes of a window.

    Attributes:
        size: Length of a window.
        every: Distance between window starts.
        grace: How long after its end a window accepts rows.
        offset: A window starts here.
        width: Length of a pane; for direct folding the length of a window.
        direct: Buckets are whole windows and a row goes into each of its windows.
    """

    size: int
    every: int
    grace: int
    offset: int
    width: int
    direct: bool

    def __str__(self) -> str:
        """Return the layout of the buckets in words: they cannot be read as those of another layout."""
        return f"{'windows' if self.direct else 'panes'} of {format_duration(self.width)}"

    @property
    def single(self) -> bool:
        """Whether a row has at most one window, which is its pane (tumbling windows without gaps)."""
        return self.size == self.every

    def pane_of(self, times: Int64Array) -> Int64Array:
        """Return the start of the pane that each time is in."""
        step = gcd(self.size, self.every)
        return times - (times - self.offset) % step

    def last_window(self, panes: Any) -> Any:
        """Return the start of the last window that begins at or before each pane."""
        return panes - (panes - self.offset) % self.every

    def window_count(self, panes: Any) -> Any:
        """Return the number of windows that contain each pane; 0 in a gap between windows."""
        return (self.last_window(panes) - panes + self.size - 1) // self.every + 1

    def first_window(self, panes: Any) -> Any:
        """Return the start of the first window that contains each pane."""
        return self.last_window(panes) - (self.window_count(panes) - 1) * self.every

    def closed_count(self, panes: Int64Array, observed: Int64Array) -> Int64Array:
        """Return how many windows of each row's pane are closed at the stream time ``observed``."""
        closed = (observed - self.grace - self.size - self.first_window(panes)) // self.every + 1
        return np.clip(closed, 0, self.window_count(panes))

    def closed_until(self, watermark: int) -> int:
        """Return the start of the first window that is *not* closed at ``watermark``."""
        behind = watermark - self.grace - self.size - self.offset
        return (behind // self.every + 1) * self.every + self.offset

    def closing_time(self, start: int) -> int:
        """Return the watermark that closes the window at ``start``."""
        return start + self.size + self.grace


def panes_of(window: Window, *, mergeable: bool, changes: bool = False) -> Panes:
    """Decide how the rows of a window are kept.

    Args:
        window: The window.
        mergeable: Whether aggregates can be combined from panes.
        changes: Results are emitted at every commit. Combining whole windows each time would cost more
            than folding each row into each of its windows.
    """
    width = gcd(window.size, window.every)
    folds = -(-window.size // window.every)
    many = (changes or window.size // width > PANES_PER_WINDOW_MAX) and folds <= FOLDS_PER_ROW_MAX
    direct = window.size != window.every and (not mergeable or many)
    return Panes(
        size=window.size,
        every=window.every,
        grace=window.grace,
        offset=window.offset,
        width=window.size if direct else width,
        direct=direct,
    )


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the rows of a batch go.

    Attributes:
        buckets: ``(start, variant, positions)`` of each bucket, in ascending order; ``positions`` is ``None``
            when all rows go there.
        late: Positions of rows and starts of the windows that they missed, by row, then window.
        late_rows: Number of rows that missed all their windows.
        partly_late: Number of rows that missed some of their windows.
        outside: Number of rows between windows.
    """

    buckets: list[tuple[int, int, Int64Array | None]]
    late: tuple[Int64Array, Int64Array] | None = None
    late_rows: int = 0
    partly_late: int = 0
    outside: int = 0


def place(panes: Panes, times: Int64Array, observed: Int64Array) -> Placement:
    """Decide for each row which buckets it goes into and which windows it has missed.

    Args:
        panes: The windows.
        times: Event times, at least one.
        observed: Stream time of each row's own source partition, up to and including the row.
    """
    if panes.single:
        low = int(times.min())
        first = low - (low - panes.offset) % panes.size
        if int(observed.max()) < panes.closing_time(first):
            # The common case: nothing is late, and most batches are within one window.
            if int(times.max()) < first + panes.size:
                return Placement(buckets=[(first, 0, None)])
            return Placement(buckets=_split(panes.pane_of(times), None, None))
    starts = panes.pane_of(times)
    counts = panes.window_count(starts)
    closed = panes.closed_count(starts, observed)
    kept = np.flatnonzero(closed < counts)
    missed = np.flatnonzero(closed > 0)
    if panes.direct:
        buckets = _windows(panes, starts, counts, closed)
    elif len(kept) == len(times):
        buckets = _split(starts, closed, None)
    else:
        buckets = _split(starts[kept], closed[kept], kept)
    return Placement(
        buckets=buckets,
        late=_missed(panes, starts, closed, missed) if len(missed) else None,
        late_rows=int(np.count_nonzero((closed == counts) & (counts > 0))),
        partly_late=int(np.count_nonzero((closed > 0) & (closed < counts))),
        outside=int(np.count_nonzero(counts == 0)),
    )


def _split(
    starts: Int64Array, variants: Int64Array | None, positions: Int64Array | None
) -> list[tuple[int, int, Int64Array | None]]:
    """Group rows by bucket; rows keep their order."""
    if not len(starts):
        return []
    if variants is not None and not variants.any():
        variants = None
    if variants is None:
        variants = np.zeros(len(starts), np.int64)
        order = np.argsort(starts, kind="stable")
    else:
        order = np.lexsort((variants, starts))
    sorted_starts, sorted_variants = starts[order], variants[order]
    border = (sorted_starts[1:] != sorted_starts[:-1]) | (sorted_variants[1:] != sorted_variants[:-1])
    cuts = [0, *(np.flatnonzero(border) + 1).tolist(), len(starts)]
    if len(cuts) == 2:
        return [(int(starts[0]), int(variants[0]), positions)]
    rows = order if positions is None else positions[order]
    return [(int(sorted_starts[begin]), int(sorted_variants[begin]), rows[begin:end]) for begin, end in pairwise(cuts)]


def _repeat(counts: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the row and the running number within the row, for ``counts`` entries of each row."""
    rows = np.repeat(np.arange(len(counts)), counts)
    begins = np.cumsum(counts) - counts
    return rows, np.arange(len(rows)) - begins[rows]


def _windows(
    panes: Panes, starts: Int64Array, counts: Int64Array, closed: Int64Array
) -> list[tuple[int, int, Int64Array | None]]:
    rows, number = _repeat(counts - closed)
    windows = panes.first_window(starts)[rows] + (closed[rows] + number) * panes.every
    return _split(windows, None, rows)


def _missed(panes: Panes, starts: Int64Array, closed: Int64Array, missed: Int64Array) -> tuple[Int64Array, Int64Array]:
    rows, number = _repeat(closed[missed])
    return missed[rows], panes.first_window(starts[missed])[rows] + number * panes.every
