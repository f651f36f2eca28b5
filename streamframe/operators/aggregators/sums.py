"""Counts and sums. Integer sums are exact: a row that would take one out of int64 is found before it is folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from streamframe.core.time import MIN_TIME
from streamframe.operators.aggregators.accumulator import StateColumns, Target
from streamframe.operators.aggregators.values import AnyArray, BoolArray, FoldInput, Int64Array, Slots
from streamframe.state.columns import ColumnKind, ColumnSpec

INT64_MAX: Final = (1 << 63) - 1
INT64_MIN: Final = -(1 << 63)


class Size:
    """Number of rows."""

    name = "size"
    specs: Sequence[ColumnSpec] = (ColumnSpec("size", "int64"),)

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        np.add.at(target.columns[self.name], slots, 1)

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        np.add.at(target.columns[self.name], slots, columns[self.name])


class Newest:
    """Event time of the newest row of a group: the time of what a table emits."""

    name = "newest"
    specs: Sequence[ColumnSpec] = (ColumnSpec("newest", "int64", MIN_TIME),)

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        np.maximum.at(target.columns[self.name], slots, rows.times)

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        np.maximum.at(target.columns[self.name], slots, columns[self.name])


class Count:
    """Number of values that are not null."""

    def __init__(self, column: str) -> None:
        self.name = f"count({column})"
        self.specs: Sequence[ColumnSpec] = (ColumnSpec(self.name, "int64"),)
        self._column = column

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        valid = rows.values(self._column).valid
        np.add.at(target.columns[self.name], slots if valid is None else slots[valid], 1)

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        np.add.at(target.columns[self.name], slots, columns[self.name])


class Sum:
    """Sum of a column, folded in the order of the rows, so that it does not depend on how they were cut."""

    def __init__(self, column: str, kind: ColumnKind) -> None:
        self.name = f"sum({column})"
        self.exact = kind == "int64"
        self.specs: Sequence[ColumnSpec] = (ColumnSpec(self.name, kind),)
        self.column = column

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        chosen, values = rows.values(self.column).chosen(slots)
        np.add.at(target.columns[self.name], chosen, values)

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        np.add.at(target.columns[self.name], slots, columns[self.name])


def may_overflow(held: AnyArray, slots: Slots, values: Int64Array) -> bool:
    """Whether adding ``values`` to ``held[slots]`` could leave int64, by a bound that costs next to nothing."""
    if not len(values):
        return False
    before = held[slots]
    base = max(int(before.max()), -int(before.min()))
    step = max(int(values.max()), -int(values.min()))
    return base + step * len(values) > INT64_MAX


def overflowing(held: Sequence[AnyArray], slots: Slots, added: Sequence[Int64Array]) -> BoolArray:
    """Find the rows that cannot be added, by adding one row after the other with Python's integers.

    Args:
        held: Sum columns.
        slots: Slot of each row.
        added: For each sum column the value of each row (0 where it has none).

    Returns:
        A mask of the rows that would take one of the sums out of int64. The others can be added.
    """
    refused = np.zeros(len(slots), np.bool_)
    totals: dict[int, list[int]] = {}
    steps = list(zip(*[values.tolist() for values in added], strict=True))
    for row, slot in enumerate(slots.tolist()):
        before = totals.get(slot)
        if before is None:
            before = [int(column[slot]) for column in held]
        after = [total + step for total, step in zip(before, steps[row], strict=True)]
        if all(INT64_MIN <= total <= INT64_MAX for total in after):
            totals[slot] = after
        else:
            totals[slot] = before
            refused[row] = True
    return refused
