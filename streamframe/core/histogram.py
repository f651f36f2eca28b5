"""A histogram that takes a whole array at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamframe.core.metric_values import HistogramSnapshot


class BatchHistogram:
    """Counts observations per bucket, a whole array at a time; a value on an edge belongs to the bucket below it.

    Args:
        edges: Upper bounds, ascending.

    Example:
        >>> histogram = BatchHistogram((1.0, 10.0))
        >>> histogram.observe([0.5, 1.0, 7.0, 70.0])
        >>> histogram.snapshot()
        HistogramSnapshot(counts=(2, 1, 1), total=78.5)
    """

    __slots__ = ("_counts", "_edges", "_total")

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = list(edges)
        self._counts = [0] * (len(edges) + 1)
        self._total = 0.0

    def count(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._edges, value)] += 1
        self._total += value

    def observe(
        self, values: Sequence[float] | npt.NDArray[np.float64], weights: npt.NDArray[np.int64] | None = None
    ) -> None:
        """Count values, each as often as its weight says."""
        array = np.asarray(values, np.float64)
        each = np.ones(len(array), np.int64) if weights is None else np.asarray(weights, np.int64)
        added = np.zeros(len(self._counts), np.int64)
        np.add.at(added, np.searchsorted(self._edges, array, side="left"), each)
        self._counts = [count + more for count, more in zip(self._counts, added.tolist(), strict=True)]
        self._total += float((array * each).sum())

    def snapshot(self) -> HistogramSnapshot:
        """Return the counts so far."""
        return HistogramSnapshot(counts=tuple(self._counts), total=self._total)
