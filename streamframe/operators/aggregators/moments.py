"""Mean and squared deviations, in a form that is stable and can be merged (Chan, Golub, LeVeque 1979).

The textbook form, the sum of squares less the square of the sum, loses all digits when the values are far
from zero; this one does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamframe.operators.aggregators.accumulator import StateColumns, Target, touched_groups
from streamframe.operators.aggregators.values import AnyArray, FoldInput, Slots
from streamframe.state.columns import ColumnSpec


class Moments:
    """Mean and sum of squared deviations of a column.

    It reads the number of values that ``Count`` of the same column keeps, so it must be folded before it.
    """

    def __init__(self, column: str) -> None:
        self.name = f"moments({column})"
        self.mean = f"mean({column})"
        self.deviations = f"m2({column})"
        self.count = f"count({column})"
        self.specs: Sequence[ColumnSpec] = (
            ColumnSpec(self.mean, "float64"),
            ColumnSpec(self.deviations, "float64"),
        )
        self._column = column

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        chosen, values = rows.values(self._column).chosen(slots)
        if not len(chosen):
            return
        values = values.astype(np.float64, copy=False)
        touched, groups = touched_groups(chosen, len(target.table))
        counts = np.bincount(groups, minlength=len(touched))
        means = np.bincount(groups, values, len(touched)) / np.maximum(counts, 1)
        deviations = np.bincount(groups, np.square(values - means[groups]), len(touched))
        self._join(target, touched, counts, means, deviations)

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        touched, groups = touched_groups(slots, len(target.table))
        weights, each = columns[self.count], columns[self.mean]
        counts = np.bincount(groups, weights, len(touched))
        means = np.bincount(groups, weights * each, len(touched)) / np.maximum(counts, 1)
        spread = columns[self.deviations] + weights * np.square(each - means[groups])
        self._join(target, touched, counts, means, np.bincount(groups, spread, len(touched)))

    def _join(self, target: Target, touched: Slots, counts: AnyArray, means: AnyArray, deviations: AnyArray) -> None:
        mean, m2 = target.columns[self.mean], target.columns[self.deviations]
        held = target.columns[self.count][touched]
        total = np.maximum(held + counts, 1)
        distance = means - mean[touched]
        mean[touched] += distance * counts / total
        m2[touched] += deviations + np.square(distance) * held * counts / total


def variance(deviations: AnyArray, counts: AnyArray) -> AnyArray:
    """Return the sample variance (``ddof=1``); meaningless where there are fewer than two values."""
    return deviations / np.maximum(counts - 1, 1)
