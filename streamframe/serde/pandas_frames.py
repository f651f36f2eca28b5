"""Columns to the DataFrames that user functions get, and what they return to columns.

A frame is plain: RangeIndex, the dtypes of pandas 3, writable, and it shares no memory with the columns. The dtype
of a column follows from the schema, never from the values of a batch (``docs/decisions/0003``):

==========================  =====================================  ==============================
type                        may be null                            required
==========================  =====================================  ==============================
string                      ``str`` (NaN)                          ``str``
float32, float64            itself (NaN)                           itself
int8 … uint64               ``Int8`` … ``UInt64`` (``pd.NA``)      ``int8`` … ``uint64``
bool                        ``boolean`` (``pd.NA``)                ``bool``
timestamp, duration         ``datetime64``, ``timedelta64`` (NaT)  the same
date                        ``datetime64[s]`` (NaT)                the same
binary, decimal, nested     ``object`` (None)                      ``object``
==========================  =====================================  ==============================

The way back takes NaN, NaT, None and ``pd.NA`` for null, ignores the index, and copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.arrays import ArrowStringArray, BooleanArray, IntegerArray

from streamframe.core.errors import PlanError
from streamframe.core.suggest import did_you_mean
from streamframe.serde.base import Columns
from streamframe.serde.frame_columns import fitted, inner_column

_STR: Final = pd.StringDtype("pyarrow", na_value=np.nan)
_NAT: Final = np.iinfo(np.int64).min


def to_pandas(columns: Mapping[str, pa.Array] | pa.Table, schema: pa.Schema | None = None) -> pd.DataFrame:
    """Return columns as a plain, writable frame that shares no memory with them.

    Args:
        columns: Arrays of one length, or a table.
        schema: Tells which columns are required, for their dtype; without one (and without a table's own), all may
            be null. Further fields do not matter.

    Example:
        >>> to_pandas({"n": pa.array([1, None])}).dtypes.to_dict()
        {'n': Int64Dtype()}
    """
    if isinstance(columns, pa.Table):
        schema = columns.schema if schema is None else schema
        columns = {name: _whole(columns.column(name)) for name in columns.column_names}
    required = frozenset() if schema is None else {field.name for field in schema if not field.nullable}
    arrays = [_pandas_array(column, required=name in required) for name, column in columns.items()]
    frame = pd.DataFrame(dict(enumerate(arrays)), copy=True)
    if arrays:
        # A view has a name of its own and shares the rest.
        frame.columns = _labels(tuple(columns)).view()
    return frame


@lru_cache(maxsize=1024)
def _labels(names: tuple[str, ...]) -> pd.Index:
    """Return the labels of columns, once for each list of names.

    They cost more than a small batch: making them, and the table in which the first ``frame[name]`` looks.
    """
    return pd.Index(names)


def empty_frame(schema: pa.Schema) -> pd.DataFrame:
    """Return a frame without rows whose dtypes are those of every batch of ``schema``."""
    return to_pandas({field.name: pa.array([], field.type) for field in schema}, schema)


def from_pandas(frame: pd.DataFrame, schema: pa.Schema | None = None) -> Columns:
    """Return the columns of a frame; they share no memory with it.

    Args:
        frame: What a user function returned. Its index is ignored.
        schema: The columns it must have, in the order of the result. Values are converted where nothing is lost:
            ``3.0`` becomes 3, a time is rounded down to the unit. Without a schema every column keeps its type.

    Raises:
        PlanError: A column is missing, unexpected or of a type that does not fit, a required column has nulls, or
            names are not distinct texts.

    Example:
        >>> from_pandas(pd.DataFrame({"n": [1.0, 2.0]}), pa.schema([("n", pa.int64())]))["n"].to_pylist()
        [1, 2]
    """
    _check_names(frame)
    if schema is None:
        return {name: inner_column(series) for name, series in frame.items()}  # type: ignore[misc]
    _check_columns(frame, schema)
    return {field.name: column_of(frame[field.name], field) for field in schema}


def chosen_columns(frame: pd.DataFrame, schema: pa.Schema) -> Columns:
    """Return some columns of a frame as ``from_pandas`` does; it may have others, and must have these.

    Raises:
        PlanError: A column is of a type that does not fit, a required column has nulls, or one occurs twice.
    """
    columns: Columns = {}
    for field in schema:
        series = frame[field.name]
        if isinstance(series, pd.DataFrame):
            raise PlanError("a column occurs twice", column=field.name)
        columns[field.name] = column_of(series, field)
    return columns


def column_of(series: pd.Series, field: pa.Field) -> pa.Array:
    """Return a series as a column of the given type and name; see ``from_pandas``.

    Raises:
        PlanError: It is of a type that does not fit, or the column is required and has nulls.
    """
    return fitted(inner_column(series, field.type), field)


def schema_of(frame: pd.DataFrame) -> pa.Schema:
    """Return the schema of a frame, all columns nullable: that a batch has no null says nothing about the next.

    Raises:
        PlanError: A column has a dtype without a column type, or names are not distinct texts.

    Example:
        >>> schema_of(pd.DataFrame({"n": [1], "s": ["a"]})).types
        [DataType(int64), DataType(large_string)]
    """
    _check_names(frame)
    return pa.schema([(name, inner_column(series).type) for name, series in frame.items()])


def _check_names(frame: pd.DataFrame) -> None:
    seen = set()
    for name in frame.columns:
        if not isinstance(name, str):
            raise PlanError(
                "a column name must be text", hint="flatten a MultiIndex, or rename the column", column=name
            )
        if name in seen:
            raise PlanError("a column occurs twice", column=name)
        seen.add(name)


def _check_columns(frame: pd.DataFrame, schema: pa.Schema) -> None:
    for name in schema.names:
        if name not in frame.columns:
            in_index = name in frame.index.names
            hint = "it is in the index: call reset_index()" if in_index else did_you_mean(name, list(frame.columns))
            raise PlanError("the frame lacks a column", hint=hint, column=name)
    extra = [name for name in frame.columns if name not in schema.names]
    if extra:
        raise PlanError("the frame has a column that is not declared", hint="declare or drop it", column=extra[0])


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


# --- one column -----------------------------------------------------------------------------------


def _pandas_array(column: pa.Array, *, required: bool) -> Any:
    """The values as an array that pandas keeps the dtype of; the caller copies it into the frame."""
    kind = column.type
    assert not (required and column.null_count), "a required column has nulls"
    if required and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return column.to_numpy(zero_copy_only=False)
    for test, convert in _CONVERSIONS:
        if test(kind):
            return convert(column)
    objects: list[Any] = column.to_pylist(maps_as_pydicts="lossy") if pa.types.is_nested(kind) else column.to_pylist()
    # np.array would make two dimensions of lists that happen to have one length.
    return np.fromiter(objects, np.object_, len(objects))


def _strings(column: pa.Array) -> Any:
    return ArrowStringArray(column.cast(pa.large_string()), dtype=_STR)  # type: ignore[call-arg]


def _floats(column: pa.Array) -> Any:
    return column.to_numpy(zero_copy_only=False)


def _integers(column: pa.Array) -> Any:
    values, nulls = _values_and_nulls(column, 0)
    return IntegerArray(values, nulls)


def _booleans(column: pa.Array) -> Any:
    values, nulls = _values_and_nulls(column, False)
    return BooleanArray(values, nulls)


def _values_and_nulls(column: pa.Array, filler: object) -> tuple[Any, Any]:
    if not column.null_count:
        return column.to_numpy(zero_copy_only=False), np.zeros(len(column), np.bool_)
    nulls = column.is_null().to_numpy(zero_copy_only=False)
    return column.fill_null(filler).to_numpy(zero_copy_only=False), nulls


def _times(column: pa.Array) -> Any:
    kind = column.type
    stamps = pc.fill_null(column.view(pa.int64()), _NAT).to_numpy()
    if pa.types.is_duration(kind):
        return stamps.view(f"m8[{kind.unit}]")
    naive = stamps.view(f"M8[{kind.unit}]")
    if kind.tz is None:
        return naive
    zoned = pd.DatetimeIndex(naive, tz="UTC")
    return zoned.array if kind.tz == "UTC" else zoned.tz_convert(pa.lib.string_to_tzinfo(kind.tz)).array


def _dates(column: pa.Array) -> Any:
    return _times(column.cast(pa.timestamp("s")))


_CONVERSIONS: Final[tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Any]], ...]] = (
    (pa.types.is_large_string, _strings),
    (pa.types.is_string, _strings),
    (pa.types.is_floating, _floats),
    (pa.types.is_integer, _integers),
    (pa.types.is_boolean, _booleans),
    (pa.types.is_timestamp, _times),
    (pa.types.is_duration, _times),
    (pa.types.is_date, _dates),
)
