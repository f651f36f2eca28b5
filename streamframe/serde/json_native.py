"""JSON by the native path: records that are good beyond doubt are read there, all others by the pure decoder.

The native reader accepts a record only if the pure decoder would, with the same values, and says which ones it leaves.
So kinds, paths and reasons of errors have one source, ``serde.json_decode``, and cannot differ between the paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.acceleration import native
from streamframe.serde.base import NO_ROWS, Columns, Decoded, Decoder, Encoder, RowError, positions_of_good_rows
from streamframe.serde.json_decode import JsonDecoder
from streamframe.serde.json_encode import JsonEncoder
from streamframe.serde.times import time_max, time_units_per_second

_INT64_MAX = (1 << 63) - 1


def json_decoder(schema: pa.Schema, fields: Sequence[str]) -> Decoder:
    """Return the fastest decoder there is for these fields.

    Args:
        schema: The normalised schema of the topic.
        fields: The fields in use; the columns come in this order.

    Raises:
        PlanError: A field in use has a type that JSON cannot represent.
    """
    pure = JsonDecoder(schema, fields)
    if native is None:
        return pure
    used = [field for field in schema if field.name in set(fields)]
    shapes = [_shape(field) for field in used]
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return pure
    return NativeJsonDecoder(pure, native.JsonReader(known), used, fields)


def json_encoder(schema: pa.Schema, *, iso: bool = False) -> Encoder:
    """Return the fastest encoder there is for these columns.

    Args:
        schema: Columns of the rows; members are written in this order.
        iso: Write timestamps as ISO 8601 text.

    Raises:
        PlanError: A column has a type that JSON cannot represent.
    """
    pure = JsonEncoder(schema, iso=iso)
    if native is None or not all(_is_writable(field.type, iso=iso) for field in schema):
        return pure
    return NativeJsonEncoder(schema)


def _shape(field: pa.Field) -> tuple[str, str, int, int, bool] | None:
    """Return how the native reader is told of a field; ``None``: it does not know the type."""
    kind = field.type
    name, nullable = field.name, field.nullable
    if pa.types.is_boolean(kind):
        return (name, "bool", 0, 0, nullable)
    if pa.types.is_large_string(kind):
        return (name, "text", 0, 0, nullable)
    if pa.types.is_float64(kind) or pa.types.is_float32(kind):
        return (name, f"float{kind.bit_width}", 0, 0, nullable)
    if pa.types.is_signed_integer(kind):
        return (name, str(kind), -(1 << (kind.bit_width - 1)), (1 << (kind.bit_width - 1)) - 1, nullable)
    if pa.types.is_unsigned_integer(kind):
        return (name, str(kind), 0, min((1 << kind.bit_width) - 1, _INT64_MAX), nullable)
    if pa.types.is_duration(kind):
        return (name, "int64", -_INT64_MAX, _INT64_MAX, nullable)
    if pa.types.is_timestamp(kind):
        return (name, "time", time_max(kind.unit), time_units_per_second(kind.unit), nullable)
    return None


class NativeJsonDecoder:
    """Decodes JSON objects; the same rows and errors as ``JsonDecoder``.

    Args:
        pure: Decides what the native reader leaves.
        reader: The native reader.
        used: The fields in use, in the order of the reader.
        fields: Their names, in the order of the columns.
    """

    __slots__ = ("_fields", "_pure", "_reader", "_types")

    def __init__(self, pure: JsonDecoder, reader: Any, used: Sequence[pa.Field], fields: Sequence[str]) -> None:
        self._pure = pure
        self._reader = reader
        self._fields = tuple(fields)
        self._types = {field.name: field.type for field in used}

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Return the good rows as columns; see ``Decoder``."""
        buffers, unsure, nulls = self._reader.read(values)
        rows = len(values) - len(unsure) - len(nulls)
        read = {
            name: pa.Array.from_buffers(kind, rows, [each if each is None else pa.py_buffer(each) for each in parts])
            for (name, kind), parts in zip(self._types.items(), map(_present, buffers), strict=True)
        }
        columns = {name: read[name] for name in self._fields}
        null_rows = np.array(nulls, np.int64) if nulls else NO_ROWS
        errors: list[RowError] = []
        if unsure:
            columns, errors = self._with_unsure(columns, values, np.array(unsure, np.int64), null_rows)
        return Decoded(
            columns=columns,
            rows=positions_of_good_rows(len(values), errors, null_rows),
            errors=errors,
            null_rows=null_rows,
        )

    def _with_unsure(
        self, columns: Columns, values: Sequence[bytes | None], unsure: Any, null_rows: Any
    ) -> tuple[Columns, list[RowError]]:
        """Let the pure decoder judge the records that the native one left, and put its rows in their places."""
        at = unsure.tolist()
        judged = self._pure.decode([values[row] for row in at])
        errors = [RowError(at[error.row], error.kind, error.message) for error in judged.errors]
        accepted = unsure if judged.rows is None else unsure[judged.rows]
        if not len(accepted):
            return columns, errors
        sure = np.ones(len(values), np.bool_)
        sure[unsure] = False
        sure[null_rows] = False
        order = pa.array(np.argsort(np.concatenate([np.flatnonzero(sure), accepted]), kind="stable"))
        joined = {name: pa.concat_arrays([columns[name], judged.columns[name]]).take(order) for name in self._fields}
        return joined, errors


def _present(buffers: tuple[Any, Any, Any]) -> list[Any]:
    valid, offsets, content = buffers
    return [valid, content] if offsets is None else [valid, offsets, content]


class NativeJsonEncoder:
    """Encodes rows as JSON objects; the same bytes as ``JsonEncoder``, without a Python object for each value.

    Args:
        schema: Columns of the rows, of types that ``json_encoder`` has found writable.
    """

    __slots__ = ("_names", "_writer")

    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._writer = native.JsonWriter(schema.names)

    def encode(self, columns: Mapping[str, pa.Array]) -> Sequence[bytes | None]:
        """Return one payload for each row; see ``Encoder``."""
        chosen = [columns[name] for name in self._names]
        rows = len(chosen[0]) if chosen else 0
        return self._writer.write([_written(column) for column in chosen], rows)


def _is_writable(kind: pa.DataType, *, iso: bool) -> bool:
    if pa.types.is_timestamp(kind):
        return not iso
    return bool(
        pa.types.is_boolean(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_float64(kind)
        or pa.types.is_duration(kind)
    )


def _written(column: pa.Array) -> tuple[Any, Any]:
    """Return a column as the native writer takes it: the values, and a byte a row that is 0 for null."""
    kind = column.type
    valid = None
    if column.null_count:
        valid = np.asarray(pc.is_valid(column)).view(np.uint8)
    if pa.types.is_large_string(kind):
        return text_buffers(column), valid
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        column = column.view(pa.int64())
    if valid is not None:
        column = pc.fill_null(column, False if pa.types.is_boolean(kind) else 0)
    values = column.to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(kind):
        return values.view(np.uint8), valid
    if pa.types.is_floating(kind):
        return values, valid
    wide = np.uint64 if pa.types.is_unsigned_integer(kind) else np.int64
    return values.astype(wide, copy=False), valid


def native_payloads(column: pa.Array) -> Any:
    """Return a column of ``large_binary`` as a native sequence of payloads."""
    valid = np.asarray(pc.is_valid(column)).view(np.uint8) if column.null_count else None
    return native.Payloads.from_buffers(*text_buffers(column), valid)


def text_buffers(column: pa.Array) -> tuple[Any, Any]:
    """Return the bounds and the bytes of a column of ``large_string`` or ``large_binary``, without those of others."""
    _, offsets, content = column.buffers()
    if not len(column) or offsets is None:
        return np.zeros(len(column) + 1, np.int64), np.zeros(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
    first, last = int(bounds[0]), int(bounds[-1])
    if content is None or first == last:
        return np.zeros(len(column) + 1, np.int64), np.zeros(0, np.uint8)
    return bounds - first if first else bounds, np.frombuffer(content, np.uint8, last - first, first)
