"""Blobs: rows of one table as one value of the store and one record of the changelog.

A *page* holds the rows ``[first, first + rows)`` in slot order, keys and accumulators. It belongs to the page
number ``first // page_rows``; a page whose rows are wide consists of several parts, which are written together.
A *delta* holds the rows that one commit changed, and the keys of those that were new.

Rules:
    1. A blob knows the key it is stored under (by its checksum), so a misplaced blob is a damaged one.
    2. ``born`` is the sequence number of the commit that created the table: blobs of an earlier table of the
       same name, whose tombstones were never seen, are recognised by it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
import pyarrow as pa

from streamframe.core.errors import StateError, StoreCorrupted, StoreIncompatible
from streamframe.state.column_bytes import (
    Cursor,
    Part,
    decode_key,
    decode_values,
    encode_key,
    encode_text,
    fixed_width,
    is_variable,
    text_column,
    text_lengths,
)
from streamframe.state.columns import AnyArray, ColumnSpec
from streamframe.state.key_words import Rows
from streamframe.state.table import Table

BLOB_VERSION: Final = 1
_MAGIC: Final = b"SF"
_HEADER: Final = struct.Struct("<2sBBIIIHHQQ")
_CRC: Final = struct.Struct("<I")
_BODY: Final = _HEADER.size + _CRC.size
_TEXT_OVERHEAD: Final = 4


class BlobKind(IntEnum):
    """What a blob holds."""

    PAGE = 0
    DELTA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobHead:
    """The header of a blob.

    Attributes:
        kind: Page or delta.
        rows: Number of accumulator rows.
        first: Slot of the first key.
        keys: Number of keys: of a page all rows, of a delta the new ones.
        part: Number of this part of the page or delta.
        parts: How many parts the page or delta has.
        born: Sequence number of the commit that created the table.
        seq: Sequence number of the commit that wrote the blob.
    """

    kind: BlobKind
    rows: int
    first: int
    keys: int
    part: int = 0
    parts: int = 1
    born: int
    seq: int

    def pack(self) -> bytes:
        """Return the bytes of the header, without the checksum."""
        return _HEADER.pack(
            _MAGIC,
            BLOB_VERSION,
            self.kind,
            self.rows,
            self.first,
            self.keys,
            self.part,
            self.parts,
            self.born,
            self.seq,
        )


def seal_blob(key: bytes, head: BlobHead, parts: Sequence[Part]) -> bytes:
    """Return header, checksum and body as one value."""
    header = head.pack()
    checksum = zlib.crc32(header, zlib.crc32(key))
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return b"".join([header, _CRC.pack(checksum), *parts])


def open_blob(key: bytes, blob: bytes) -> BlobHead:
    """Check a blob and return its header.

    Raises:
        StoreIncompatible: The blob has another format version.
        StoreCorrupted: It is damaged, or does not belong under ``key``.
    """
    if len(blob) < _BODY or blob[:2] != _MAGIC:
        raise StoreCorrupted("a value of the state store is not a blob", key=key, bytes=len(blob))
    if blob[2] != BLOB_VERSION:
        raise StoreIncompatible("state was written in another format", version=blob[2], known=BLOB_VERSION)
    (checksum,) = _CRC.unpack_from(blob, _HEADER.size)
    view = memoryview(blob)
    if zlib.crc32(view[_BODY:], zlib.crc32(view[: _HEADER.size], zlib.crc32(key))) != checksum:
        raise StoreCorrupted("a blob of the state store is damaged", key=key)
    _, _, kind, rows, first, keys, part, parts, born, seq = _HEADER.unpack_from(blob)
    if kind not in (BlobKind.PAGE, BlobKind.DELTA):
        raise StoreCorrupted("a blob of the state store is of no known kind", key=key, kind=kind)
    return BlobHead(kind=BlobKind(kind), rows=rows, first=first, keys=keys, part=part, parts=parts, born=born, seq=seq)


@dataclass(frozen=True, slots=True)
class BlobBody:
    """The content of a blob. ``slots`` is ``None`` for a page."""

    slots: Rows | None
    keys: list[pa.Array]
    values: list[AnyArray]


def read_body(blob: bytes, head: BlobHead, types: Sequence[pa.DataType], specs: Sequence[ColumnSpec]) -> BlobBody:
    """Return the content of a blob that ``open_blob`` has checked.

    Raises:
        StoreCorrupted: The content does not fit the columns.
    """
    cursor = Cursor(blob, _BODY)
    slots = None if head.kind is BlobKind.PAGE else cursor.array("<u4", head.rows).astype(np.intp)
    keys = [decode_key(cursor, kind, head.keys) for kind in types] if head.keys else []
    values = [decode_values(cursor, spec, head.rows) for spec in specs]
    cursor.finish()
    return BlobBody(slots=slots, keys=keys, values=values)


@dataclass(slots=True)
class Selection:
    """Rows of a table taken out to be written, cut into chunks of bounded size.

    Attributes:
        slots: The rows, ascending.
        new: How many of them, at the end, are written with their keys.
        keys: Key columns of those.
        table: Where they were taken from.
        values: Accumulators of all rows; text as Arrow columns.
    """

    slots: Rows
    new: int
    keys: list[pa.Array]
    table: Table
    values: list[AnyArray | pa.Array] = field(default_factory=list)

    @classmethod
    def take(cls, table: Table, slots: Rows, *, new: int) -> Selection:
        """Copy rows of ``table``; the last ``new`` with their keys."""
        keys = table.keys.keys(slots[len(slots) - new :]) if new else []
        selection = cls(slots=slots, new=new, keys=keys, table=table)
        for spec in table.specs:
            values = table.columns[spec.name].take(slots)
            selection.values.append(text_column(spec, values) if spec.dtype.hasobject else values)
        return selection

    def chunks(self, limit: int) -> list[tuple[int, int]]:
        """Cut the rows into half-open runs of at most ``limit`` bytes.

        Raises:
            StateError: One row alone is larger.
        """
        ends = np.cumsum(self._sizes())
        runs, begin, before = [], 0, 0
        while begin < len(ends):
            end = int(np.searchsorted(ends, before + limit, side="right"))
            if end == begin:
                raise self._too_large(begin, int(ends[begin]) - before, limit)
            runs.append((begin, end))
            begin, before = end, int(ends[end - 1])
        return runs

    def parts(self, begin: int, end: int, *, with_slots: bool) -> list[Part]:
        """Return the sections of the rows ``[begin, end)``."""
        parts: list[Part] = []
        if with_slots:
            parts.append(self.slots[begin:end].astype("<u4").data)
        old = len(self.slots) - self.new
        low, high = max(begin - old, 0), max(end - old, 0)
        for key in self.keys if high > low else ():
            parts += encode_key(key.slice(low, high - low))
        for values in self.values:
            if isinstance(values, np.ndarray):
                parts.append(values[begin:end].data)
            else:
                parts += encode_text(values.slice(begin, end - begin))
        return parts

    def new_keys(self, begin: int, end: int) -> tuple[int, int]:
        """Return slot of the first key and number of keys written with the rows ``[begin, end)``."""
        first = max(begin, len(self.slots) - self.new)
        return (int(self.slots[first]), end - first) if first < end else (0, 0)

    def _sizes(self) -> AnyArray:
        sizes = np.full(len(self.slots), 4, np.int64)
        old = len(self.slots) - self.new
        for key in self.keys:
            if is_variable(key.type):
                sizes[old:] += text_lengths(key) + _TEXT_OVERHEAD
            else:
                sizes[old:] += fixed_width(key.type) + 1
        for values in self.values:
            if isinstance(values, np.ndarray):
                sizes += values.itemsize
            else:
                sizes += text_lengths(values) + _TEXT_OVERHEAD
        return sizes

    def _too_large(self, row: int, size: int, limit: int) -> StateError:
        key = [column[0].as_py() for column in self.table.keys.keys(self.slots[row : row + 1])]
        return StateError(
            "the state of one key is larger than a changelog record may be",
            hint="bound what is remembered per key, for example with collect(max=…)",
            key=str(key)[:200],
            bytes=size,
            limit=limit,
        )
