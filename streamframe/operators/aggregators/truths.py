"""Whether any, or all, of the values of a column are true. Numbers are true unless zero, text unless empty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamframe.operators.aggregators.accumulator import StateColumns, Target
from streamframe.operators.aggregators.values import FoldInput, Slots
from streamframe.state.columns import ColumnSpec


class Truth:
    """``any`` or ``all`` of a column; of nothing, ``any`` is false and ``all`` is true."""

    def __init__(self, column: str, function: str) -> None:
        self.name = f"{function}({column})"
        self.specs: Sequence[ColumnSpec] = (ColumnSpec(self.name, "bool", function == "all"),)
        self._column = column
        self._ufunc = np.logical_and if function == "all" else np.logical_or

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        chosen, values = rows.values(self._column).chosen(slots)
        self._ufunc.at(target.columns[self.name], chosen, values.astype(np.bool_))

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        self._ufunc.at(target.columns[self.name], slots, columns[self.name])
