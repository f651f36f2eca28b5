"""One field of a JSON record: the type msgspec checks, and how a list of its values becomes an array.

msgspec decides most verdicts while it parses. What it cannot decide (ranges, ISO text, decimals) is decided
here, value by value in effect: a whole column is converted at once, and only when that fails are the values
looked at one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, NotRequired, TypedDict

import msgspec
import numpy as np
import pyarrow as pa

from streamframe.core.errors import PlanError
from streamframe.serde.times import parse_times, time_max

Verdict = tuple[int, str, str]
"""Row, kind and message of a value that is refused."""

Built = tuple[pa.Array, list[Verdict]]
"""A column and what was refused; a refused value is null in the column."""

_CONVERSION_ERRORS: Final = (ValueError, TypeError, OverflowError)
_INT64_MAX: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class JsonColumn:
    """One field.

    Attributes:
        annotation: The type that msgspec decodes the value as.
        build: Turns the values of a batch into an array of the field's type.
    """

    annotation: Any
    build: Callable[[list[Any]], Built]


def json_column(field: pa.Field) -> JsonColumn:
    """Return how a field is read.

    Raises:
        PlanError: JSON has no representation for the type.
    """
    kind, path = field.type, f"$.{field.name}"
    annotation: Any = _annotation(field)
    build: Callable[[list[Any]], Built]
    if pa.types.is_boolean(kind) or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        build = _Plain(kind)
    elif pa.types.is_integer(kind):
        build = _Integers(kind, *_bounds(kind), path)
    elif pa.types.is_floating(kind):
        build = _Plain(kind) if kind.bit_width == 64 else _NarrowFloats(kind, path)
    elif pa.types.is_timestamp(kind):
        annotation = int | str
        build = _Times(kind, path)
    elif pa.types.is_date32(kind):
        build = _Checked(kind, path)
    elif pa.types.is_duration(kind):
        build = _Integers(kind, -_INT64_MAX, _INT64_MAX, path)
    else:
        build = _Checked(kind, path)
    return JsonColumn(annotation if not field.nullable else annotation | None, build)


def json_member_names(fields: Sequence[str]) -> dict[str, str]:
    """Return the name in JSON of each member ``f0``, ``f1`` … of a generated Struct: any field name will do.

    Raises:
        PlanError: JSON would have to escape a name, which msgspec does not look through.
    """
    for name in fields:
        if any(char in '"\\' or char < " " for char in name):
            raise PlanError("a field name is not possible in JSON", hint="leave out quotes and backslashes", field=name)
    return {f"f{position}": name for position, name in enumerate(fields)}


def _bounds(kind: pa.DataType) -> tuple[int, int]:
    if pa.types.is_unsigned_integer(kind):
        return 0, (1 << kind.bit_width) - 1
    return -(1 << (kind.bit_width - 1)), (1 << (kind.bit_width - 1)) - 1


def _annotation(field: pa.Field) -> Any:
    """The msgspec type of a field that is neither null nor absent."""
    kind = field.type
    if pa.types.is_boolean(kind):
        return bool
    if pa.types.is_integer(kind) or pa.types.is_duration(kind) or pa.types.is_timestamp(kind):
        return int
    if pa.types.is_floating(kind):
        return float
    if pa.types.is_large_string(kind):
        return str
    if pa.types.is_large_binary(kind):
        return bytes
    if pa.types.is_date32(kind):
        return date
    if pa.types.is_decimal(kind):
        return Decimal
    return _nested_annotation(field)


def _nested_annotation(field: pa.Field) -> Any:
    kind = field.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return list[_item_annotation(kind.value_field)]  # type: ignore[misc]
    if pa.types.is_map(kind) and pa.types.is_large_string(kind.key_type):
        return dict[str, _item_annotation(kind.item_field)]  # type: ignore[misc]
    if pa.types.is_struct(kind):
        members = {
            member.name: NotRequired[_item_annotation(member)] if member.nullable else _item_annotation(member)
            for member in kind
        }
        return TypedDict(field.name, members)  # type: ignore[operator]
    raise PlanError(
        "JSON has no representation for this type",
        hint="use a string, number, boolean, time, list or struct",
        field=field.name,
        type=str(kind),
    )


def _item_annotation(field: pa.Field) -> Any:
    """The type of a value inside a list, map or struct; here integers and times carry their bounds."""
    kind = field.type
    annotation = _annotation(field)
    if pa.types.is_timestamp(kind):
        limit = time_max(kind.unit)
        annotation = Annotated[int, msgspec.Meta(ge=-limit, le=limit)]
    elif annotation is int:
        low, high = (-_INT64_MAX, _INT64_MAX) if pa.types.is_duration(kind) else _bounds(kind)
        # A bound of msgspec is an int64; Arrow refuses what is too large for a uint64.
        annotation = Annotated[int, msgspec.Meta(ge=low, le=high if high <= _INT64_MAX else None)]
    return annotation | None if field.nullable else annotation


class _Plain:
    """Values that msgspec has decided completely."""

    __slots__ = ("_type",)

    def __init__(self, kind: pa.DataType) -> None:
        self._type = kind

    def __call__(self, values: list[Any]) -> Built:
        return pa.array(values, self._type), []


class _Integers:
    """Integers within bounds."""

    __slots__ = ("_high", "_low", "_path", "_storage", "_type")

    def __init__(self, kind: pa.DataType, low: int, high: int, path: str) -> None:
        self._type, self._low, self._high, self._path = kind, low, high, path
        self._storage = kind if pa.types.is_integer(kind) else pa.int64()

    def __call__(self, values: list[Any]) -> Built:
        bad: list[Verdict] = []
        try:
            array = pa.array(values, self._storage)
        except _CONVERSION_ERRORS:
            kept, bad = _within(values, self._low, self._high, self._path)
            array = pa.array(kept, self._storage)
        return (array if array.type == self._type else array.view(self._type)), bad


class _NarrowFloats:
    """Floats of less than 64 bits: what would become infinite is out of range."""

    __slots__ = ("_path", "_type")

    def __init__(self, kind: pa.DataType, path: str) -> None:
        self._type, self._path = kind, path

    def __call__(self, values: list[Any]) -> Built:
        limit = float(np.finfo(self._type.to_pandas_dtype()).max)
        kept, bad = _within(values, -limit, limit, self._path)
        return pa.array(kept, pa.float64()).cast(self._type), bad


class _Times:
    """Timestamps: integers of the unit, or ISO 8601 text, also mixed."""

    __slots__ = ("_limit", "_path", "_type")

    def __init__(self, kind: pa.DataType, path: str) -> None:
        self._type, self._path = kind, path
        self._limit = time_max(kind.unit)

    def __call__(self, values: list[Any]) -> Built:
        try:
            array = pa.array(values, pa.int64())
        except _CONVERSION_ERRORS:
            return self._mixed(values)
        whole = array.to_numpy(zero_copy_only=False) if array.null_count == 0 else array.drop_null().to_numpy()
        # A null or an empty column has no extremes; integers out of range are rare enough to look one by one.
        if len(whole) and not (-self._limit <= whole.min() and whole.max() <= self._limit):
            kept, bad = _within(values, -self._limit, self._limit, self._path)
            return pa.array(kept, pa.int64()).view(self._type), bad
        return array.view(self._type), []

    def _mixed(self, values: list[Any]) -> Built:
        at = [row for row, value in enumerate(values) if type(value) is str]
        text = pa.array([values[row] for row in at], pa.large_string())
        times, failed = parse_times(text, self._type.unit)
        rest = [None if type(value) is str else value for value in values]
        kept, bad = _within(rest, -self._limit, self._limit, self._path)
        for row, time in zip(at, times.tolist(), strict=True):
            kept[row] = time
        for position in failed:
            row = at[position]
            kept[row] = None
            bad.append((row, "time", f"expected an ISO 8601 time, got {_shown(values[row])} - at `{self._path}`"))
        return pa.array(kept, pa.int64()).view(self._type), bad


class _Checked:
    """Dates, decimals, lists, maps and structs: Arrow converts them, and says no to what does not fit."""

    __slots__ = ("_path", "_type")

    def __init__(self, kind: pa.DataType, path: str) -> None:
        self._type, self._path = kind, path

    def __call__(self, values: list[Any]) -> Built:
        try:
            return pa.array(values, self._type), []
        except _CONVERSION_ERRORS:
            return self._one_by_one(values)

    def _one_by_one(self, values: list[Any]) -> Built:
        kept, bad = list(values), []
        for row, value in enumerate(values):
            try:
                pa.array([value], self._type)
            except _CONVERSION_ERRORS as error:
                kept[row] = None
                bad.append((row, "range", f"{_first_line(error)} - at `{self._path}`"))
        return pa.array(kept, self._type), bad


def _within(values: Sequence[Any], low: float, high: float, path: str) -> tuple[list[Any], list[Verdict]]:
    kept: list[Any] = list(values)
    bad: list[Verdict] = []
    for row, value in enumerate(values):
        if value is not None and not low <= value <= high:
            kept[row] = None
            bad.append((row, "range", f"{_shown(value)} is out of range - at `{path}`"))
    return kept, bad


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
