"""Types of columns: what users may write for one, and which types may be keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.types as pat

from streamframe.core.errors import ConfigError, PlanError
from streamframe.core.schema import normalise_schema
from streamframe.core.suggest import did_you_mean
from streamframe.core.time import Duration, parse_duration

KEY_TYPES_TEXT: Final = "integer, boolean, string, binary, date and timestamp columns"


def column_type(spec: object, *, column: str, step: str) -> pa.DataType:
    """Return the Arrow type that a user wrote as text, as an Arrow type or as a Python type.

    Raises:
        PlanError: It is no type.
    """
    try:
        return normalise_schema({column: spec}).field(0).type
    except PlanError as error:
        error.facts.setdefault("step", step)
        raise


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text."""
    return bool(pat.is_string(kind) or pat.is_large_string(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Whether a type holds bytes."""
    return bool(pat.is_binary(kind) or pat.is_large_binary(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is an integer or a float; decimals are no numbers in this sense."""
    return bool(pat.is_integer(kind) or pat.is_floating(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether a type holds lists."""
    return bool(pat.is_list(kind) or pat.is_large_list(kind) or pat.is_fixed_size_list(kind))


_KEY_TESTS: Final[tuple[Callable[[pa.DataType], Any], ...]] = (
    pat.is_integer,
    pat.is_boolean,
    is_text,
    is_binary,
    pat.is_date,
    pat.is_timestamp,
)


def is_key_type(kind: pa.DataType) -> bool:
    """Whether values of a type may be keys.

    Floats may not: ``-0.0 == 0.0`` and ``nan != nan`` while their bytes say the opposite, and a sum that is
    rounded differently is another group.
    """
    return any(test(kind) for test in _KEY_TESTS)


def check_columns(names: Iterable[str], schema: pa.Schema, *, step: str) -> None:
    """Check that the columns exist.

    Raises:
        PlanError: One does not; the hint names what was probably meant.
    """
    for name in names:
        if not isinstance(name, str):
            raise PlanError("a column is named by a string", step=step, column=name)
        if name not in schema.names:
            raise unknown_column(name, schema, step=step)


def unknown_column(name: str, schema: pa.Schema, *, step: str) -> PlanError:
    """Return the error that says that a column does not exist."""
    return PlanError(
        "unknown column", hint=did_you_mean(name, schema.names), column=name, step=step, columns=schema.names
    )


def check_keys(keys: Sequence[str], schema: pa.Schema, *, step: str) -> None:
    """Check that columns exist, each once, and may be a key.

    Raises:
        PlanError: They do not or may not.
    """
    check_columns(keys, schema, step=step)
    for key in keys:
        kind = schema.field(key).type
        if keys.count(key) > 1:
            raise PlanError("a key names a column twice", step=step, column=key)
        if not is_key_type(kind):
            hint = f"keys are {KEY_TYPES_TEXT}"
            if pat.is_floating(kind):
                hint += f"; round it into one: .assign({key}=lambda df: df[{key!r}].round().astype('int64'))"
            raise PlanError("a column of this type cannot be a key", hint=hint, step=step, column=key, type=str(kind))


def names_of(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return one name, several or none as a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def micros(value: Duration, *, argument: str, step: str) -> int:
    """Return a length of time in microseconds.

    Raises:
        PlanError: It is none.
    """
    try:
        return parse_duration(value, name=argument)
    except ConfigError as error:
        raise PlanError(error.message, hint=error.hint, step=step, argument=argument, value=value) from None


def some_micros(value: Duration | None, *, argument: str, step: str) -> int | None:
    """Return a positive length of time in microseconds, or ``None`` for none.

    Raises:
        PlanError: It is no length of time, or not positive.
    """
    if value is None:
        return None
    length = micros(value, argument=argument, step=step)
    if length <= 0:
        raise PlanError("a length of time must be positive", step=step, argument=argument, value=value)
    return length
