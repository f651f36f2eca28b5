"""One column of a user's frame as an array of the engine, and its fit to the declared type.

Which dtypes are understood: numpy numbers, booleans and times, ``str`` and the nullable dtypes of pandas, categories
(as their values), Arrow dtypes, and ``object`` when all values are of one type. Everything is copied: the user may
keep the frame and write to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.errors import PlanError
from streamframe.core.schema import inner_type
from streamframe.serde.times import time_units_per_second


def inner_column(series: pd.Series[Any], wanted: pa.DataType | None = None) -> pa.Array:
    """Return a column of a frame as an array with a type of the engine.

    Args:
        series: The column.
        wanted: The declared type, for ``object`` values that do not show theirs: no rows, only nulls, mappings.

    Raises:
        PlanError: The dtype has no column type, or ``object`` values are of several types.
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(series)
    if isinstance(dtype, np.dtype) and dtype.kind in "iufbMm":
        array = pa.array(np.array(series.to_numpy(), copy=True), from_pandas=True)
    elif dtype == np.object_:
        array = _objects(series, wanted)
    elif isinstance(dtype, np.dtype | pd.PeriodDtype | pd.IntervalDtype | pd.SparseDtype):
        raise PlanError(
            "a column has a dtype that streams cannot carry",
            hint="convert it in the function, for example to text or to a time",
            column=series.name,
            dtype=str(dtype),
        )
    else:
        array = pa.array(series.array.copy(), from_pandas=True)
    return _inner(array)


def _inner(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind = inner_type(array.type)
    return array if array.type == kind else array.cast(kind)


def _categories(series: pd.Series[Any]) -> pa.Array:
    categories = inner_column(series.cat.categories.to_series())
    codes = series.cat.codes.to_numpy()
    return categories.take(pa.array(codes, mask=codes < 0))


def _objects(series: pd.Series[Any], wanted: pa.DataType | None) -> pa.Array:
    values = series.tolist()
    try:
        # Only the type can tell a map from a struct: both are dictionaries.
        if wanted is not None and (pa.types.is_map(wanted) or _is_null(values)):
            return pa.array(values, wanted, from_pandas=True)
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, TypeError, OverflowError) as error:
        found = sorted({type(value).__name__ for value in values if value is not None})
        raise PlanError(
            "an object column holds values of several types, or of one that streams cannot carry",
            hint="make them one type: df[column].astype('str'), pd.to_numeric, pd.to_datetime",
            column=series.name,
            types=", ".join(found[:5]),
        ) from error


def _is_null(values: list[Any]) -> bool:
    return all(value is None for value in values)


def fitted(array: pa.Array, field: pa.Field) -> pa.Array:
    """Return an array as the declared type, where no value changes by it.

    Whole floats become integers, integers floats, times are rounded down to the unit. Nothing becomes text, and text
    becomes nothing else.

    Raises:
        PlanError: The type or a value does not fit, or a required column has nulls.
    """
    found, wanted = array.type, field.type
    if found != wanted:
        if not _convertible(found, wanted) and array.null_count < len(array):
            raise PlanError(
                "a column has another type than declared",
                hint=f"convert it in the function, or declare {str(found)!r}",
                column=field.name,
                declared=str(wanted),
                found=str(found),
            )
        try:
            array = _converted(array, wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise PlanError(
                "a column has values that do not fit its declared type",
                column=field.name,
                declared=str(wanted),
                found=str(found),
                error=str(error).partition("\n")[0],
            ) from error
    if not field.nullable and array.null_count:
        raise PlanError(
            "a required column has nulls",
            hint="fill them with fillna(), or declare the column without 'not null'",
            column=field.name,
            nulls=array.null_count,
        )
    return array


def _convertible(found: pa.DataType, wanted: pa.DataType) -> bool:
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    times = (pa.types.is_timestamp, pa.types.is_date)
    families = (numbers, times, (pa.types.is_duration,), (pa.types.is_nested,))
    return any(any(test(found) for test in family) and any(test(wanted) for test in family) for family in families)


def _converted(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    found = array.type
    if array.null_count == len(array):
        return pa.nulls(len(array), wanted)
    if pa.types.is_timestamp(found) and pa.types.is_timestamp(wanted):
        return _stamps(array.view(pa.int64()), found.unit, wanted.unit).view(wanted)
    if pa.types.is_duration(found) and pa.types.is_duration(wanted):
        return _stamps(array.view(pa.int64()), found.unit, wanted.unit).view(wanted)
    if pa.types.is_integer(found) and pa.types.is_floating(wanted):
        return array.cast(wanted, safe=False)
    return array.cast(wanted)


def _stamps(stamps: pa.Array, found: str, wanted: str) -> pa.Array:
    """Integers of one unit as integers of another, rounded down."""
    factor, rest = divmod(time_units_per_second(wanted), time_units_per_second(found))
    if factor and not rest:
        return pc.multiply_checked(stamps, factor)
    divisor = time_units_per_second(found) // time_units_per_second(wanted)
    quotient = pc.divide(stamps, divisor)
    # Arrow rounds towards zero.
    below = pc.less(stamps, pc.multiply(quotient, divisor))
    return pc.subtract(quotient, pc.cast(below, pa.int64()))
