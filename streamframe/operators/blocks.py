"""Blocks: what tasks send each other through repartition topics (``docs/format.md``, *Repartition blocks*).

One record is one block. It begins with a header of 36 bytes, little-endian::

    magic "SFRB" | version u8 | kind u8 | flags u8 | 0 u8
    sub-topology u32 | partition u32 | watermark i64 | rows u32 | crc u32

``kind``: 1 partial aggregates, 2 rows. ``flags``: bit 0: the sender has flushed, everything up to here closes.
``crc``: CRC-32 of what follows. A block with rows continues with an Arrow IPC stream of one record batch:

    partials   ``pane`` int64, ``variant`` int32, the keys as ``key:<name>``, the state columns as ``state:<name>``
    rows       ``time``, ``observed``, ``lane``, ``offset`` int64, the columns as ``column:<name>``

Only the last block that a sender writes to a partition in one commit carries the new watermark; those before it
carry the one of the commit before, because a reader may commit between two of them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import pyarrow as pa

from streamframe.core.errors import TopologyMismatch

BLOCK_VERSION: Final = 1
BLOCK_BYTES_MAX: Final = 900_000
"""Blocks are split below this size: brokers refuse records above 1 MB by default."""

_MAGIC: Final = b"SFRB"
_HEADER: Final = struct.Struct("<4sBBBxIIqII")
_FLUSHED: Final = 1


class BlockKind(IntEnum):
    """What the rows of a block are."""

    PARTIALS = 1
    ROWS = 2


@dataclass(frozen=True, slots=True, order=True)
class Sender:
    """The task that wrote a block."""

    sub_topology: int
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block.

    Attributes:
        kind: What the rows are.
        sender: Who wrote it.
        watermark: Watermark of the sender once this block has been read.
        flushed: The sender has nothing open any more.
        batch: The rows, or ``None``.
    """

    kind: BlockKind
    sender: Sender
    watermark: int
    flushed: bool = False
    batch: pa.RecordBatch | None = None

    def encode(self) -> bytes:
        """Return the bytes of the record value."""
        body = b""
        if self.batch is not None and self.batch.num_rows:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, self.batch.schema) as writer:
                writer.write_batch(self.batch)
            body = sink.getvalue().to_pybytes()
        header = _HEADER.pack(
            _MAGIC,
            BLOCK_VERSION,
            self.kind,
            _FLUSHED if self.flushed else 0,
            self.sender.sub_topology,
            self.sender.partition,
            self.watermark,
            self.batch.num_rows if body and self.batch is not None else 0,
            zlib.crc32(body),
        )
        return header + body

    @classmethod
    def decode(cls, value: bytes) -> Block:
        """Read what ``encode`` wrote.

        Raises:
            TopologyMismatch: The bytes are no block, are damaged, or are of another format version.
        """
        if len(value) < _HEADER.size or value[:4] != _MAGIC:
            raise TopologyMismatch("a record of a repartition topic is no block", bytes=len(value))
        _, version, kind, flags, sub_topology, partition, watermark, rows, checksum = _HEADER.unpack_from(value)
        if version != BLOCK_VERSION:
            raise TopologyMismatch(
                "a repartition topic holds blocks of another format",
                hint="let the old version drain it before changing versions",
                version=version,
                known=BLOCK_VERSION,
            )
        body = memoryview(value)[_HEADER.size :]
        if zlib.crc32(body) != checksum:
            raise TopologyMismatch("a block of a repartition topic is damaged", bytes=len(value))
        batch = None
        if rows:
            with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
                batch = reader.read_next_batch()
            assert batch.num_rows == rows
        return cls(
            kind=BlockKind(kind),
            sender=Sender(sub_topology, partition),
            watermark=watermark,
            flushed=bool(flags & _FLUSHED),
            batch=batch,
        )


def blocks_of(last: Block, batch: pa.RecordBatch | None, watermark_before: int) -> Sequence[Block]:
    """Cut rows into blocks below the size limit.

    Args:
        last: The last block, still without rows.
        batch: All rows, or ``None``.
        watermark_before: What the blocks before the last one carry.
    """
    if batch is None or not batch.num_rows:
        return [last]
    size = batch.nbytes
    rows = max(1, min(batch.num_rows, batch.num_rows * BLOCK_BYTES_MAX // (size + size // 8 + 8_192)))
    parts = [part for begin in range(0, batch.num_rows, rows) for part in fitting(batch.slice(begin, rows))]
    early = [Block(kind=last.kind, sender=last.sender, watermark=watermark_before, batch=part) for part in parts[:-1]]
    final = Block(kind=last.kind, sender=last.sender, watermark=last.watermark, flushed=last.flushed, batch=parts[-1])
    return [*early, final]


def fitting(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Halve a batch until each part fits into a record, or has one row."""
    if batch.num_rows == 1 or batch.nbytes <= BLOCK_BYTES_MAX - 8_192:
        return [batch]
    middle = batch.num_rows // 2
    return [*fitting(batch.slice(0, middle)), *fitting(batch.slice(middle))]
