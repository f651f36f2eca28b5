"""Columns as accumulators see them: numpy arrays, and a mask of the values that count.

Nulls are skipped as in pandas (``skipna``); NaN in a float column is a null. Integers, booleans, times and
durations are int64, floats are float64, text is an object array.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.operators.rows import Marks
from streamframe.state.columns import ColumnKind

AnyArray = npt.NDArray[Any]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.intp]


def kind_of(dtype: pa.DataType) -> ColumnKind:
    """Return the kind of state column that holds values of an Arrow type.

    Example:
        >>> kind_of(pa.int8()), kind_of(pa.timestamp("ms")), kind_of(pa.large_string())
        ('int64', 'int64', 'string')
    """
    if pa.types.is_floating(dtype):
        return "float64"
    if pa.types.is_large_string(dtype) or pa.types.is_string(dtype):
        return "string"
    if pa.types.is_large_binary(dtype) or pa.types.is_binary(dtype):
        return "binary"
    return "int64"


class Values:
    """One column of a batch, and which of its values count.

    Args:
        arrow: The column.
        valid: Which values count, or ``None`` when all do.
        array: The values; ``None``: text, of which Python objects are made only when somebody asks.
    """

    __slots__ = ("_array", "_arrow", "valid")

    def __init__(self, arrow: pa.Array, valid: BoolArray | None, array: AnyArray | None) -> None:
        self._arrow = arrow
        self.valid = valid
        self._array = array

    @property
    def array(self) -> AnyArray:
        """The values; what stands where ``valid`` is false means nothing."""
        if self._array is None:
            self._array = self._arrow.to_numpy(zero_copy_only=False)
        return self._array

    def take(self, positions: Int64Array) -> Values:
        """Return the values at ``positions``."""
        valid = None if self.valid is None else self.valid[positions]
        if valid is not None and valid.all():
            valid = None
        if self._array is None:
            return Values(self._arrow.take(pa.array(positions)), valid, None)
        return Values(self._arrow, valid, self._array[positions])

    def chosen(self, slots: Slots) -> tuple[Slots, AnyArray]:
        """Return the slots and the values of the rows that count."""
        return (slots, self.array) if self.valid is None else (slots[self.valid], self.array[self.valid])


def values_of(column: pa.Array) -> Values:
    """Return a column as numpy values."""
    kind = kind_of(column.type)
    valid = None if column.null_count == 0 else np.asarray(pc.is_valid(column))
    if kind in ("string", "binary"):
        return Values(column, valid, None)
    if kind == "float64":
        floats = _numbers(column, pa.float64(), np.nan)
        numeric = ~np.isnan(floats)
        return Values(column, None if numeric.all() else numeric, floats)
    return Values(column, valid, _integers(column))


def _numbers(column: pa.Array, target: pa.DataType, blank: float) -> AnyArray:
    if column.null_count:
        column = pc.fill_null(column, blank)
    return (column if column.type == target else pc.cast(column, target)).to_numpy(zero_copy_only=False)


def _integers(column: pa.Array) -> Int64Array:
    dtype = column.type
    if pa.types.is_null(dtype):
        return np.zeros(len(column), np.int64)
    if pa.types.is_boolean(dtype):
        column = pc.cast(column, pa.int8())
    elif pa.types.is_temporal(dtype) and dtype.bit_width == 64:
        column = column.view(pa.int64())
    elif pa.types.is_date32(dtype) or pa.types.is_time32(dtype):
        column = column.view(pa.int32())
    return _numbers(column, pa.int64(), 0)


class FoldInput:
    """The rows of one bucket, ready to be folded.

    Values of a column are made once for a whole batch and cut for each bucket.

    Args:
        columns: Arrow columns of the batch.
        marks: Times and origin of the rows of the batch.
        positions: The rows meant; ``None``: all.
        made: Values made already, by column.
    """

    __slots__ = ("_columns", "_cut", "_made", "_marks", "positions")

    def __init__(
        self,
        columns: Mapping[str, pa.Array],
        marks: Marks,
        positions: Int64Array | None = None,
        made: dict[str, Values] | None = None,
    ) -> None:
        self._columns = columns
        self._marks = marks
        self.positions = positions
        self._made: dict[str, Values] = {} if made is None else made
        self._cut: dict[str, Values] = self._made if positions is None else {}

    def __len__(self) -> int:
        return len(self._marks.times) if self.positions is None else len(self.positions)

    def at(self, positions: Int64Array) -> FoldInput:
        """Return some of the rows; ``positions`` count in these rows."""
        inner = positions if self.positions is None else self.positions[positions]
        return FoldInput(self._columns, self._marks, inner, self._made)

    def values(self, name: str) -> Values:
        """Return a column as numpy values."""
        found = self._cut.get(name)
        if found is None:
            whole = self._made.get(name)
            if whole is None:
                whole = self._made[name] = values_of(self._columns[name])
            found = whole if self.positions is None else whole.take(self.positions)
            self._cut[name] = found
        return found

    def arrow(self, name: str) -> pa.Array:
        """Return a column as Arrow values."""
        column = self._columns[name]
        return column if self.positions is None else column.take(pa.array(self.positions))

    @property
    def made(self) -> dict[str, Values]:
        """Values of whole columns made so far, to be shared with the other buckets of the batch."""
        return self._made

    @property
    def marks(self) -> Marks:
        """Times and origin of the rows."""
        return self._marks if self.positions is None else self._marks.take(self.positions)

    @property
    def times(self) -> Int64Array:
        """Event times of the rows."""
        times = self._marks.times
        return times if self.positions is None else times[self.positions]
