"""What an accumulator is, and how its columns become results.

An accumulator owns some columns of a state table. It folds rows into them in place, and merges the same
columns of another table (a pane, or a partial aggregate of another task). Slots may repeat in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.operators.aggregators.values import AnyArray, BoolArray, FoldInput, Slots
from streamframe.state.buckets import FamilySpec
from streamframe.state.columns import ColumnSpec
from streamframe.state.table import Table

StateColumns = Mapping[str, AnyArray]


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows are folded into: a table, and its families by name."""

    table: Table
    families: Mapping[str, Table]

    @property
    def columns(self) -> dict[str, AnyArray]:
        """The accumulator columns; fetch them after new slots were asked for."""
        return self.table.columns


class Accumulator(Protocol):
    """One thing that is remembered per group."""

    @property
    def name(self) -> str:
        """Unique among the accumulators of a step: two functions that need the same thing share it."""
        ...

    @property
    def specs(self) -> Sequence[ColumnSpec]:
        """The state columns that belong to it."""
        ...

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        """Fold rows into the state. ``slots`` has the slot of each row."""
        ...

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        """Merge state columns of the same specification. ``slots`` has the slot of each of their rows."""
        ...


class Distinguishing(Accumulator, Protocol):
    """An accumulator that remembers several values per group, in a table of its own."""

    @property
    def family(self) -> FamilySpec:
        """The table of the values."""
        ...


def touched_groups(slots: Slots, rows: int) -> tuple[Slots, Slots]:
    """Return the slots that are touched, and the position among them of each row's slot.

    Small tables are taken as touched completely: counting is then cheaper than sorting.

    Args:
        slots: Slot of each row.
        rows: Number of slots of the table.
    """
    if rows <= 2 * len(slots):
        return np.arange(rows), slots
    touched, groups = np.unique(slots, return_inverse=True)
    return touched, groups.astype(np.intp, copy=False)


def to_arrow(values: AnyArray, valid: BoolArray | None, dtype: pa.DataType) -> pa.Array:
    """Return state values as an output column.

    Args:
        values: Values of a state column.
        valid: Where they mean something; elsewhere the result is null. ``None``: everywhere.
        dtype: Type of the output column.
    """
    if values.dtype.hasobject:
        return pa.array(values, dtype, from_pandas=True)
    column = pa.array(values, mask=None if valid is None or valid.all() else ~valid)
    if column.type == dtype:
        return column
    if pa.types.is_date32(dtype) or pa.types.is_time32(dtype):
        column = pc.cast(column, pa.int32())
    return pc.cast(column, dtype, safe=False) if pa.types.is_floating(dtype) else pc.cast(column, dtype)
