"""One table of state: keys to slots, and one array per accumulator column in slot order.

Operators fold rows in place: ``slots = table.slots(keys)``, then ``np.add.at(table.columns["total"], slots,
values)``, then ``table.touch(slots)``. Only touched slots are saved at the next commit.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from streamframe.state.columns import AnyArray, ColumnSpec
from streamframe.state.key_table import KeyTable
from streamframe.state.key_words import Bools, Rows

_FIRST_ROWS: Final = 32
_SAMPLE_ROWS: Final = 64


class Table:
    """Keys and their accumulators.

    Attributes:
        keys: Keys to slots.
        columns: Name to array. Arrays are longer than ``len(table)``: rows beyond it hold the initial value.
            ``slots`` may replace them by longer ones, so fetch a column after calling it, never before.

    Args:
        key_types: Arrow types of the key columns.
        columns: The accumulator columns.

    Example:
        >>> table = Table([pa.string()], [ColumnSpec("count", "int64")])
        >>> slots = table.slots([pa.array(["a", "b", "a"])])
        >>> np.add.at(table.columns["count"], slots, 1)
        >>> table.touch(slots)
        >>> table.columns["count"][: len(table)], table.dirty_slots()
        (array([2, 1]), array([0, 1]))
    """

    __slots__ = ("_dirty", "_touched", "columns", "detached", "keys", "specs")

    def __init__(self, key_types: Sequence[pa.DataType], columns: Sequence[ColumnSpec]) -> None:
        self.keys = KeyTable(key_types)
        self.specs = tuple(columns)
        assert len({spec.name for spec in self.specs}) == len(self.specs)
        self.columns: dict[str, AnyArray] = {spec.name: spec.blank(_FIRST_ROWS) for spec in self.specs}
        self._dirty: Bools = np.zeros(_FIRST_ROWS, np.bool_)
        self._touched = False
        self.detached = False

    def __len__(self) -> int:
        return len(self.keys)

    def slots(self, key_columns: Sequence[pa.Array]) -> Rows:
        """Return the slot of each row's key; unknown keys get new slots with the initial values."""
        slots = self.keys.find_or_insert(key_columns)
        self.make_room()
        return slots

    def make_room(self) -> None:
        """Grow the columns to the number of keys."""
        rows = len(self.keys)
        if rows <= len(self._dirty):
            return
        capacity = max(rows, 2 * len(self._dirty))
        for spec in self.specs:
            grown = spec.blank(capacity)
            grown[: len(self._dirty)] = self.columns[spec.name]
            self.columns[spec.name] = grown
        dirty = np.zeros(capacity, np.bool_)
        dirty[: len(self._dirty)] = self._dirty
        self._dirty = dirty

    def touch(self, slots: Rows) -> None:
        """Mark ``slots`` as changed since the last commit."""
        assert not self.detached, "the table was evicted or expired: ask for it again in every batch"
        self._dirty[slots] = True
        self._touched = True

    @property
    def is_dirty(self) -> bool:
        """Whether anything was touched since the last commit."""
        return self._touched

    def dirty_slots(self) -> Rows:
        """Return the touched slots, ascending."""
        if not self._touched:
            return np.zeros(0, np.intp)
        return np.flatnonzero(self._dirty[: len(self.keys)])

    def clear_dirty(self) -> None:
        """Forget what was touched: it has been sealed."""
        self._dirty[: len(self.keys)] = False
        self._touched = False

    @property
    def nbytes(self) -> int:
        """Bytes of memory held; for text columns an estimate from a sample."""
        total = self.keys.nbytes + self._dirty.nbytes
        for spec in self.specs:
            column = self.columns[spec.name]
            total += column.nbytes
            rows = len(self.keys)
            if spec.dtype.hasobject and rows:
                sample = column[: rows : max(1, rows // _SAMPLE_ROWS)].tolist()
                total += rows * sum(map(sys.getsizeof, sample)) // len(sample)
        return total
