"""Raw records as columns: what the log hands to the engine, and what the engine hands to the log.

``RecordBatch`` is the currency between a log adapter and the decoders: consecutive records of one
partition in offset order. Columns are produced on demand, so a topology that never looks at record
timestamps or headers never pays for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamframe.core.acceleration import native
from streamframe.core.ids import Offset, TopicPartition

Int64Array = npt.NDArray[np.int64]
Headers = Sequence[tuple[str, bytes | None]]


class RecordBatch(ABC):
    """Consecutive records of one partition. All columns have ``len(batch)`` entries in offset order."""

    __slots__ = ()

    @property
    @abstractmethod
    def source(self) -> TopicPartition:
        """The partition that the records were read from."""

    @property
    @abstractmethod
    def next_offset(self) -> Offset:
        """The offset to commit once every record of the batch has been processed."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of records."""

    @abstractmethod
    def values(self) -> Sequence[bytes | None]:
        """Record values; ``None`` is a null value (a tombstone)."""

    @abstractmethod
    def keys(self) -> Sequence[bytes | None]:
        """Record keys; ``None`` is a null key."""

    def key(self, row: int) -> bytes | None:
        """Return the key of one record: cheaper than all of them, to look at one."""
        return self.keys()[row]

    @abstractmethod
    def offsets(self) -> Int64Array:
        """Offsets, ascending, possibly with gaps."""

    @abstractmethod
    def timestamps(self) -> Int64Array:
        """Record timestamps in milliseconds since the epoch; -1 where the record has none."""

    def timestamps_at(self, rows: Sequence[int]) -> Int64Array:
        """Return the timestamps of some records: cheaper than all of them, for a sample."""
        return self.timestamps()[np.asarray(rows, np.int64)]

    def value_bytes_at(self, rows: Sequence[int]) -> Int64Array:
        """Return the lengths of some values, 0 for a null: cheaper than all of them, for a sample."""
        values = self.values()
        return np.array([len(values[row] or b"") for row in rows], np.int64)

    @abstractmethod
    def headers(self, row: int) -> Headers:
        """Headers of one record; asked for only when a record is set aside."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes of keys and values, or an estimate."""


class ListBatch(RecordBatch):
    """A ``RecordBatch`` over plain lists: for tests, the in-memory log and restored records."""

    __slots__ = ("_headers", "_keys", "_offsets", "_source", "_timestamps", "_values")

    def __init__(
        self,
        source: TopicPartition,
        *,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None = None,
        offsets: Sequence[int] | Int64Array | None = None,
        timestamps: Sequence[int] | Int64Array | None = None,
        headers: Sequence[Headers] | None = None,
    ) -> None:
        count = len(values)
        self._source = source
        self._values = values
        self._keys = [None] * count if keys is None else keys
        self._offsets = np.arange(count) if offsets is None else np.asarray(offsets, np.int64)
        self._timestamps = np.full(count, -1) if timestamps is None else np.asarray(timestamps, np.int64)
        self._headers = headers
        assert len(self._keys) == len(self._offsets) == len(self._timestamps) == count

    @property
    def source(self) -> TopicPartition:
        return self._source

    @property
    def next_offset(self) -> Offset:
        return Offset(int(self._offsets[-1]) + 1)

    def __len__(self) -> int:
        return len(self._values)

    def values(self) -> Sequence[bytes | None]:
        return self._values

    def keys(self) -> Sequence[bytes | None]:
        return self._keys

    def offsets(self) -> Int64Array:
        return self._offsets

    def timestamps(self) -> Int64Array:
        return self._timestamps

    def headers(self, row: int) -> Headers:
        return () if self._headers is None else self._headers[row]

    @property
    def size_bytes(self) -> int:
        return sum(len(value or b"") for value in self._values) + sum(len(key or b"") for key in self._keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputBatch:
    """Records to be written to one topic, in order.

    Attributes:
        topic: Where they go.
        values: Record values; ``None`` writes a tombstone.
        keys: Record keys, or ``None`` when no record has one.
        partitions: Target partition of each record, one number for all of them, or ``None``: the
            producer's partitioner (murmur2 of the key, as Kafka's own clients) decides.
        timestamps: Record timestamps in milliseconds, or ``None`` for the time of writing.
        headers: Headers of each record, or ``None``.
        step: The step that wrote them, for metrics and errors.
    """

    topic: str
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None] | None = None
    partitions: Sequence[int] | int | None = None
    timestamps: Sequence[int] | Int64Array | None = None
    headers: Sequence[Headers] | None = None
    step: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def size_bytes(self) -> int:
        """Bytes of the values."""
        if native is not None and isinstance(self.values, native.Payloads):
            return self.values.nbytes
        return sum(len(value) for value in self.values if value is not None)
