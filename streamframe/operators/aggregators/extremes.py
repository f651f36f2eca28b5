"""Smallest and greatest value: numbers and times by numpy, text by its rank within the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.operators.aggregators.accumulator import StateColumns, Target
from streamframe.operators.aggregators.sums import INT64_MAX, INT64_MIN
from streamframe.operators.aggregators.values import AnyArray, FoldInput, Slots
from streamframe.state.columns import ColumnKind, ColumnSpec


class Extreme:
    """Minimum or maximum of a column of numbers, times or booleans.

    Args:
        column: The column.
        function: ``"min"`` or ``"max"``.
        kind: Kind of the state column.
    """

    def __init__(self, column: str, function: str, kind: ColumnKind) -> None:
        least = function == "min"
        if kind == "float64":
            initial: float | int = float("inf") if least else float("-inf")
        else:
            initial = INT64_MAX if least else INT64_MIN
        self.name = f"{function}({column})"
        self.specs: Sequence[ColumnSpec] = (ColumnSpec(self.name, kind, initial),)
        self._column = column
        self._ufunc = np.minimum if least else np.maximum

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        chosen, values = rows.values(self._column).chosen(slots)
        self._ufunc.at(target.columns[self.name], chosen, values)

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        self._ufunc.at(target.columns[self.name], slots, columns[self.name])


class TextExtreme:
    """Minimum or maximum of a column of text or bytes, by code points or bytes."""

    def __init__(self, column: str, function: str, kind: ColumnKind) -> None:
        self.name = f"{function}({column})"
        self.specs: Sequence[ColumnSpec] = (ColumnSpec(self.name, kind),)
        self._column = column
        self._least = function == "min"
        self._type = pa.large_string() if kind == "string" else pa.large_binary()

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        self._offer(target.columns[self.name], *rows.values(self._column).chosen(slots))

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        known = pd.notna(columns[self.name])
        self._offer(target.columns[self.name], slots[known], columns[self.name][known])

    def _offer(self, held: AnyArray, slots: Slots, values: AnyArray) -> None:
        if not len(slots):
            return
        ranks = np.asarray(pc.rank(pa.array(values, self._type), sort_keys="ascending", tiebreaker="dense"))
        order = np.lexsort((ranks.astype(np.int64) if self._least else -ranks.astype(np.int64), slots))
        first = np.ones(len(order), np.bool_)
        first[1:] = slots[order][1:] != slots[order][:-1]
        best = order[first]
        target, offered = slots[best], values[best]
        before = held[target]
        blank = pd.isna(before)
        before[blank] = offered[blank]
        better = (np.less if self._least else np.greater)(offered, before).astype(np.bool_) | blank
        held[target[better]] = offered[better]
