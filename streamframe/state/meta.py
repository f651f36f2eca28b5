"""The meta record: what a store knows about itself and its time, written by every commit.

It lies under ``META_KEY`` in the store and in the changelog, is the last record of its commit, and carries the
sequence number that all blobs of the commit carry.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from streamframe.core.errors import StoreCorrupted, StoreIncompatible
from streamframe.core.time import MIN_TIME

META_KEY: Final = b"m"
SIGNATURE_KEY: Final = b"s"
"""Where a store keeps the text of its signature, written by its first commit."""
META_VERSION: Final = 1
_MAGIC: Final = b"SM"
_HEADER: Final = struct.Struct("<2sBxI")
_FIELDS: Final = struct.Struct("<Qq16sIBxxxI")
_BUCKET: Final = struct.Struct("<qH")
_SOURCE: Final = struct.Struct("<Hiq?")

BucketId: TypeAlias = tuple[int, int]
"""Start in microseconds, and a variant 0..65535. State without windows lives in ``(0, 0)``."""


class SourceTime(NamedTuple):
    """The stream time of one source partition as of a commit, and whether it was idle."""

    topic: str
    partition: int
    stream_time: int
    idle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMeta:
    """The meta record of one named store.

    Attributes:
        version: Format version of the record.
        seq: Number of the commit; the first is 1, 0 means never committed.
        fingerprint: 16 bytes that identify the columns and types (``StoreSpec.fingerprint``).
        closed_until: Windows whose end + grace is at or before this time are closed, in microseconds.
        sources: Stream time per source partition.
        expired_through: The highest bucket that ever expired: it and all before are gone, except ``survivors``.
        survivors: Live buckets below ``expired_through``, sorted.
    """

    version: int = META_VERSION
    seq: int = 0
    fingerprint: bytes
    closed_until: int = MIN_TIME
    sources: tuple[SourceTime, ...] = ()
    expired_through: BucketId | None = None
    survivors: tuple[BucketId, ...] = ()

    def encode(self) -> bytes:
        """Return the stored bytes."""
        assert len(self.fingerprint) == 16
        through = self.expired_through
        body = [
            _FIELDS.pack(
                self.seq,
                self.closed_until,
                self.fingerprint,
                len(self.sources),
                through is not None,
                len(self.survivors),
            ),
            _BUCKET.pack(*(through or (0, 0))),
            *(_BUCKET.pack(*bucket) for bucket in self.survivors),
        ]
        for source in self.sources:
            topic = source.topic.encode()
            body += [_SOURCE.pack(len(topic), source.partition, source.stream_time, source.idle), topic]
        packed = b"".join(body)
        return _HEADER.pack(_MAGIC, self.version, zlib.crc32(packed)) + packed

    @classmethod
    def decode(cls, stored: bytes) -> StateMeta:
        """Read what ``encode`` wrote.

        Raises:
            StoreIncompatible: The bytes are of another format version.
            StoreCorrupted: They are damaged.
        """
        if len(stored) < _HEADER.size or stored[:2] != _MAGIC:
            raise StoreCorrupted("the meta record of a store is damaged", bytes=len(stored))
        _, version, checksum = _HEADER.unpack_from(stored)
        if version != META_VERSION:
            raise StoreIncompatible("state was written in another format", version=version, known=META_VERSION)
        body = stored[_HEADER.size :]
        if zlib.crc32(body) != checksum:
            raise StoreCorrupted("the meta record of a store is damaged", bytes=len(stored))
        return cls._decode_body(body)

    @classmethod
    def _decode_body(cls, body: bytes) -> StateMeta:
        seq, closed_until, fingerprint, source_count, has_through, survivor_count = _FIELDS.unpack_from(body)
        position = _FIELDS.size
        through = _BUCKET.unpack_from(body, position)
        position += _BUCKET.size
        survivors = []
        for _ in range(survivor_count):
            survivors.append(_BUCKET.unpack_from(body, position))
            position += _BUCKET.size
        sources = []
        for _ in range(source_count):
            length, partition, stream_time, idle = _SOURCE.unpack_from(body, position)
            position += _SOURCE.size
            topic = body[position : position + length].decode()
            position += length
            sources.append(SourceTime(topic, partition, stream_time, idle))
        return cls(
            seq=seq,
            fingerprint=fingerprint,
            closed_until=closed_until,
            sources=tuple(sources),
            expired_through=(through[0], through[1]) if has_through else None,
            survivors=tuple((bucket[0], bucket[1]) for bucket in survivors),
        )
