"""Columns as bytes and back: the sections of a blob.

Everything is little-endian and fixed by ``docs/format.md``:

* numbers: the values, one after another; booleans one byte each;
* a fixed-width key column: a byte "has nulls"; if so a bitmap of the valid rows; the values;
* text and bytes: the width of a length in bytes (1, 2 or 4); the lengths, all ones for null; the bytes.
"""

from __future__ import annotations

import sys
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streamframe.core.errors import StoreCorrupted
from streamframe.state.columns import AnyArray, ColumnSpec
from streamframe.state.key_words import Bools, Int64s
from streamframe.state.word_rows import text_array

# Arrow buffers and numpy arrays are written as they lie in memory.
assert sys.byteorder == "little", "state is written on little-endian machines only"

Part: TypeAlias = bytes | memoryview


class Cursor:
    """Reads the sections of one blob in order.

    Raises:
        StoreCorrupted: From every method, when the blob ends too early.
    """

    __slots__ = ("_blob", "_position")

    def __init__(self, blob: bytes, position: int) -> None:
        self._blob = blob
        self._position = position

    def array(self, dtype: npt.DTypeLike, count: int) -> AnyArray:
        """Return the next ``count`` values; read-only."""
        kind = np.dtype(dtype)
        end = self._position + count * kind.itemsize
        if end > len(self._blob):
            raise StoreCorrupted("a blob ends too early", wanted_bytes=end, bytes=len(self._blob))
        values = np.frombuffer(self._blob, kind, count, self._position)
        self._position = end
        return values

    def finish(self) -> None:
        """Check that nothing is left."""
        if self._position != len(self._blob):
            raise StoreCorrupted("a blob is too long", wanted_bytes=self._position, bytes=len(self._blob))


def is_variable(kind: pa.DataType) -> bool:
    """Whether values of a remembered key type differ in length."""
    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def fixed_width(kind: pa.DataType) -> int:
    """Return the bytes of one value of a remembered key type that ``is_variable`` denies."""
    return 1 if pa.types.is_boolean(kind) else kind.bit_width // 8


def text_column(spec: ColumnSpec, values: AnyArray) -> pa.Array:
    """Turn an object array of a text or bytes accumulator into an Arrow column."""
    return pa.array(values.tolist(), pa.large_string() if spec.kind == "string" else pa.large_binary())


def text_lengths(column: pa.Array) -> Int64s:
    """Return the length in bytes of each row, 0 for nulls."""
    if not len(column):
        return np.zeros(0, np.int64)
    offsets = np.frombuffer(column.buffers()[1], np.int64, len(column) + 1, column.offset * 8)
    return np.diff(offsets)


def encode_text(column: pa.Array) -> list[Part]:
    """Return the section of a ``large_string`` or ``large_binary`` column."""
    lengths = text_lengths(column)
    longest = int(lengths.max(initial=0))
    width = 1 if longest < 0xFF else 2 if longest < 0xFFFF else 4
    stored = lengths.astype(f"<u{width}")
    if column.null_count:
        stored[_nulls(column)] = (1 << 8 * width) - 1
    parts: list[Part] = [bytes([width]), stored.data]
    if longest:
        buffers = column.buffers()
        start = int(np.frombuffer(buffers[1], np.int64, 1, column.offset * 8)[0])
        parts.append(memoryview(buffers[2])[start : start + int(lengths.sum())])
    return parts


def decode_text(cursor: Cursor, kind: pa.DataType, count: int) -> pa.Array:
    """Read the section that ``encode_text`` wrote."""
    width = int(cursor.array(np.uint8, 1)[0])
    if width not in (1, 2, 4):
        raise StoreCorrupted("a blob has lengths of a strange width", width=width)
    stored = cursor.array(f"<u{width}", count)
    nulls: Bools = stored == (1 << 8 * width) - 1
    lengths = np.where(nulls, 0, stored).astype(np.int64)
    content = cursor.array(np.uint8, int(lengths.sum()))
    return text_array(kind, content, lengths, nulls)


def encode_key(column: pa.Array) -> list[Part]:
    """Return the section of a key column of any remembered type."""
    kind = column.type
    if is_variable(kind):
        return encode_text(column)
    parts: list[Part] = [b"\0"]
    if column.null_count:
        parts = [b"\1", np.packbits(~_nulls(column), bitorder="little").data]
    if pa.types.is_boolean(kind):
        values = np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), np.uint8)
        return [*parts, values.data]
    width = fixed_width(kind)
    start = column.offset * width
    return [*parts, memoryview(column.buffers()[1])[start : start + len(column) * width]]


def decode_key(cursor: Cursor, kind: pa.DataType, count: int) -> pa.Array:
    """Read the section that ``encode_key`` wrote."""
    if is_variable(kind):
        return decode_text(cursor, kind, count)
    validity = None
    if cursor.array(np.uint8, 1)[0]:
        validity = pa.py_buffer(cursor.array(np.uint8, (count + 7) // 8).tobytes())
    values = cursor.array(np.uint8, count * fixed_width(kind))
    if pa.types.is_boolean(kind):
        values = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(kind, count, [validity, pa.py_buffer(values)])


def decode_values(cursor: Cursor, spec: ColumnSpec, count: int) -> AnyArray:
    """Read the section of an accumulator column as a numpy array of its dtype."""
    if not spec.dtype.hasobject:
        return cursor.array(spec.dtype, count)
    kind = pa.large_string() if spec.kind == "string" else pa.large_binary()
    values: npt.NDArray[Any] = decode_text(cursor, kind, count).to_numpy(zero_copy_only=False)
    return values


def _nulls(column: pa.Array) -> Bools:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), np.bool_)


CHUNK_BYTES: Final = 700_000
"""Largest body of a blob: with its key and the envelope well below Kafka's default limit of 1 MB."""
