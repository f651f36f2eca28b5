"""User functions are tried when a step is declared: on an empty frame of the right types.

That finds misspelt columns before anything runs, and tells the columns of the result. Without rows some mistakes
do not show (``df["name"] > 3``), nor do some types (``df["name"].map(len)``): the functions of ``filter`` and
``assign`` are tried on two sample rows as well. What pandas says there about types counts; what the function
itself thinks of the values does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.types as pat

from streamframe.api.column_types import unknown_column
from streamframe.core.errors import PlanError
from streamframe.core.schema import inner_type
from streamframe.core.suggest import did_you_mean
from streamframe.serde.pandas_frames import empty_frame, schema_of, to_pandas

_QUOTED: Final = re.compile(r"'([^']*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a user function made of a frame that has no rows, or sample rows.

    Attributes:
        schema: Columns of the frame.
        rows: Rows of the frame; 0 unless the function needs some.
        result: What it returned.
    """

    schema: pa.Schema
    rows: int
    result: Any

    def frame(self) -> pd.DataFrame:
        """Return the frame of the trial once more; the function may have changed the first."""
        sample = sample_frame(self.schema) if self.rows else None
        return empty_frame(self.schema) if sample is None else sample


def tried(function: Callable[..., Any], schema: pa.Schema, *, step: str) -> Trial:
    """Return what a user function makes of an empty frame; of sample rows, when it fails without rows.

    Some correct functions do: without rows pandas gives ``df["name"].map({"a": 1.0})`` the type of ``name``.

    Raises:
        PlanError: The function raised; the cause is chained.
    """
    try:
        return Trial(schema=schema, rows=0, result=function(empty_frame(schema)))
    except PlanError:
        raise
    except Exception as error:
        missing = _missing_column(error, schema)
        if missing is not None:
            raise unknown_column(missing, schema, step=step) from error
        sample = sample_frame(schema)
        if sample is not None:
            # What fails here as well is reported as it failed first.
            with suppress(Exception):
                return Trial(schema=schema, rows=len(sample), result=function(sample))
        raise PlanError(
            "a function failed on an empty frame",
            hint="it is tried on an empty frame, and on sample rows, when it is declared; make it work for one of them",
            step=step,
            function=getattr(function, "__name__", repr(function)),
            error=f"{type(error).__name__}: {error}",
        ) from error


def check_on_samples(function: Callable[..., Any], sample: pd.DataFrame | None, *, step: str) -> Any:
    """Return what a function makes of sample rows, or ``None`` when it refuses them.

    Comparing text with a number, say, raises nothing without rows. What pandas itself says about types is true
    of all rows; what the function says about the values is not.

    Raises:
        PlanError: pandas, numpy or Arrow does not take the types.
    """
    if sample is None:
        return None
    try:
        return function(sample.copy())
    except Exception as error:
        if not _is_about_types(error):
            return None
        raise PlanError(
            "a function failed on sample rows",
            hint="check the types of the columns: frame.schema; astype({...}) changes them",
            step=step,
            function=getattr(function, "__name__", repr(function)),
            error=f"{type(error).__name__}: {error}",
        ) from error


def _is_about_types(error: Exception) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return isinstance(error, TypeError) and module.partition(".")[0] in ("pandas", "numpy", "pyarrow")


def _missing_column(error: Exception, schema: pa.Schema) -> str | None:
    """Return the column that a function asked for in vain, if that is what the error says."""
    if isinstance(error, KeyError) and error.args:
        name = error.args[0]
        candidates = [name, *_QUOTED.findall(name)] if isinstance(name, str) else []
        if isinstance(name, str) and "not in index" not in name and "None of" not in name:
            candidates = [name]
        elif candidates:
            candidates = candidates[1:]
        return next((candidate for candidate in candidates if candidate not in schema.names), None)
    if isinstance(error, AttributeError) and isinstance(error.obj, pd.DataFrame) and isinstance(error.name, str):
        return error.name if did_you_mean(error.name, schema.names) else None
    return None


def boolean_result(trial: Trial, *, step: str) -> None:
    """Check what a predicate returned.

    Raises:
        PlanError: It is not a boolean Series of the same length.
    """
    values = _column_of(trial.result)
    if values is None or len(values) != trial.rows or not pd.api.types.is_bool_dtype(values.dtype):
        kind = str(values.dtype) if values is not None else type(trial.result).__name__
        raise PlanError(
            "a predicate must return a boolean Series with one value for each row",
            hint="compare columns, and combine comparisons with & and |: (df['a'] > 0) & (df['b'] < 1)",
            step=step,
            returned=kind,
        )


def column_result(trial: Trial, *, step: str, column: str) -> pd.Series[Any]:
    """Return what a function of ``assign`` returned, as a Series.

    Raises:
        PlanError: It is not a column of the same length.
    """
    values = _column_of(trial.result)
    if values is None:
        raise PlanError(
            "a function of assign must return a Series with one value for each row",
            hint=f"a constant needs no function: assign({column}=...)" if np.isscalar(trial.result) else None,
            step=step,
            column=column,
            returned=type(trial.result).__name__,
        )
    if len(values) != trial.rows:
        raise PlanError(
            "a function of assign returned another number of rows than it got",
            hint="use map_batches for functions that add or drop rows, groupby(...).agg(...) for totals",
            step=step,
            column=column,
            rows=len(values),
            expected=trial.rows,
        )
    return values


def _column_of(result: object) -> pd.Series[Any] | None:
    if isinstance(result, pd.Series):
        return result
    if isinstance(result, np.ndarray) and result.ndim == 1:
        return pd.Series(result)
    if isinstance(result, pd.Index | pd.api.extensions.ExtensionArray | list):
        return pd.Series(result)
    return None


def type_of_column(function: Callable[..., Any], trial: Trial, *, step: str, column: str) -> pa.DataType:
    """Return the type of the column that a function of ``assign`` makes.

    Args:
        function: The function.
        trial: What it returned when it was tried.
        step: Name of the step, for errors.
        column: Name of the column, for errors.

    Raises:
        PlanError: The function does not return a column, or its type cannot be told.
    """
    returned = column_result(trial, step=step, column=column)
    found = None
    if not trial.rows:
        sample = sample_frame(trial.schema)
        values = _column_of(check_on_samples(function, sample, step=step))
        if values is not None and sample is not None and len(values) == len(sample):
            found = _type_of_series(values)
            if returned.dtype == object and values.dtype == float and values.isna().all():
                # Missing values are numbers for pandas when it knows nothing else; here they may be text as well.
                found = None
    if found is None:
        found = _type_of_series(returned)
    if found is None:
        raise PlanError(
            "the type of a column cannot be told",
            hint="let the function return a typed Series (.astype('int64')), or use map_batches(..., schema=...)",
            step=step,
            column=column,
            dtype=str(returned.dtype),
        )
    return found


def _type_of_series(values: pd.Series[Any]) -> pa.DataType | None:
    if values.dtype != object:
        return schema_of(values.to_frame(name="value")).field(0).type
    if not len(values):
        return None
    return None if values.isna().all() else inner_type(pa.array(values.tolist()).type)


def schema_of_result(result: object, *, step: str) -> pa.Schema:
    """Return the schema of what a function of ``map_batches`` returned for an empty frame.

    Raises:
        PlanError: It is not a frame, or the type of a column cannot be told.
    """
    if not isinstance(result, pd.DataFrame):
        raise PlanError("a function of map_batches must return a DataFrame", step=step, returned=type(result).__name__)
    for name in result.columns:
        if not isinstance(name, str):
            raise PlanError("a column is named by a string", step=step, column=name)
        if list(result.columns).count(name) > 1:
            raise PlanError("a function returned two columns of one name", step=step, column=name)
        if result[name].dtype == object:
            raise PlanError(
                "the type of a column cannot be told",
                hint="declare the columns of the result: map_batches(fn, schema={...})",
                step=step,
                column=name,
                dtype="object",
            )
    return schema_of(result)


def check_result_columns(result: object, schema: pa.Schema, *, step: str) -> None:
    """Check that a function of ``map_batches`` returns the declared columns.

    Raises:
        PlanError: It is not a frame, or a declared column is missing.
    """
    if not isinstance(result, pd.DataFrame):
        raise PlanError("a function of map_batches must return a DataFrame", step=step, returned=type(result).__name__)
    for name in schema.names:
        if name not in result.columns:
            returned = [str(column) for column in result.columns]
            raise PlanError(
                "a function does not return a declared column",
                hint=did_you_mean(name, returned),
                step=step,
                column=name,
                returned=returned,
            )


# --- sample rows ----------------------------------------------------------------------------------

_SAMPLES: Final[tuple[tuple[Callable[[pa.DataType], Any], tuple[object, object]], ...]] = (
    (pat.is_boolean, (True, False)),
    (pat.is_integer, (1, 2)),
    (pat.is_floating, (1.5, 2.5)),
    (pat.is_decimal, (Decimal(1), Decimal(2))),
    # Functions take text apart: whatever they split it by, there are two parts.
    (pat.is_large_string, ("/a/b c-d_e.f,g:h;i|j=k&l?m#n@o", "/p/q r-s_t.u,v:w;x|y=z&a?b#c@d")),
    (pat.is_large_binary, (b"a", b"b")),
    (pat.is_date, (date(2020, 1, 1), date(2020, 1, 2))),
    (pat.is_duration, (timedelta(seconds=1), timedelta(seconds=2))),
)


def sample_frame(schema: pa.Schema, *, repeat: int = 1) -> pd.DataFrame | None:
    """Return a frame of sample rows without nulls, or ``None`` when a type has no samples.

    Args:
        schema: Its columns.
        repeat: How many times the two sample rows are repeated.
    """
    arrays = []
    for field in schema:
        values = _sample_values(field.type)
        if values is None:
            return None
        arrays.append(pa.array([*values] * repeat, type=field.type))
    if not arrays:
        return None
    return to_pandas(pa.Table.from_arrays(arrays, schema=schema))


def _sample_values(kind: pa.DataType) -> tuple[object, object] | None:
    if pat.is_timestamp(kind):
        zone = None if kind.tz is None else UTC
        return datetime(2020, 1, 1, tzinfo=zone), datetime(2020, 1, 2, tzinfo=zone)
    if pat.is_list(kind) or pat.is_large_list(kind):
        inner = _sample_values(kind.value_type)
        return None if inner is None else ([inner[0]], [inner[1], inner[0]])
    if pat.is_struct(kind):
        members = {member.name: _sample_values(member.type) for member in kind}
        first = {name: values[0] for name, values in members.items() if values is not None}
        second = {name: values[1] for name, values in members.items() if values is not None}
        return (first, second) if len(first) == len(members) else None
    return next((values for test, values in _SAMPLES if test(kind)), None)
