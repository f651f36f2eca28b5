"""Number of distinct values: each (group, value) pair is kept once, in a family of the bucket's table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from streamframe.operators.aggregators.accumulator import StateColumns, Target
from streamframe.operators.aggregators.values import FoldInput, Slots, Values, kind_of
from streamframe.state.buckets import FamilySpec
from streamframe.state.columns import ColumnSpec


class Distinct:
    """Number of distinct values of a column; nulls are not counted.

    A group is known to the family by its slot, which never changes. The values of floats are compared by
    their bits, with one zero.
    """

    def __init__(self, column: str, dtype: pa.DataType) -> None:
        self.name = f"nunique({column})"
        self.specs: Sequence[ColumnSpec] = (ColumnSpec(self.name, "int64"),)
        self._kind = kind_of(dtype)
        text = {"string": pa.large_string(), "binary": pa.large_binary()}
        self.family = FamilySpec(self.name, (pa.int64(), text.get(self._kind, pa.int64())), ())
        self._column = column

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        values = rows.values(self._column)
        chosen = slots if values.valid is None else slots[values.valid]
        if not len(chosen):
            return
        family = target.families[self.name]
        known = len(family)
        pairs = family.slots([pa.array(chosen.astype(np.int64)), self._known(values, rows)])
        fresh = np.flatnonzero(pairs >= known)
        if len(fresh):
            new, first = np.unique(pairs[fresh], return_index=True)
            family.touch(new)
            np.add.at(target.columns[self.name], chosen[fresh[first]], 1)

    def _known(self, values: Values, rows: FoldInput) -> pa.Array:
        """Return the values that count as keys of the family."""
        if self._kind in ("string", "binary"):
            column = rows.arrow(self._column)
            return column if values.valid is None else column.filter(pa.array(values.valid))
        array = values.array if values.valid is None else values.array[values.valid]
        return pa.array((array + 0.0).view(np.int64) if self._kind == "float64" else array)

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        raise AssertionError("numbers of distinct values cannot be merged; the plan never asks for it")
