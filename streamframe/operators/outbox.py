"""Rows for ``for_each_batch``, kept in the step's store until the user's function has taken them.

The rows of a commit are an entry of the store, so they count together with the inputs; the function is called
after the commit. Should the process end before that, the entry is found by the next owner of the task and delivered
again, with the same id and the same rows. It is deleted by the commit after the delivery.

Store keys (``docs/format.md``, *Outbox entries*)::

    'e' seq(8, big-endian) chunk(2, big-endian)    "SO" version u8 | last u8 | Arrow IPC stream of one record batch
    'm'                                            the meta record

What was delivered is gone, whatever the store still holds of it: the meta record names the highest delivered batch
and those before it that still wait (``expired_through`` and ``survivors``, with the number of the batch in the place
of a time). A store that was away for long may have missed the tombstone of an entry.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

import pandas as pd
import pyarrow as pa

from streamframe.core.errors import StoreCorrupted, StoreIncompatible
from streamframe.core.metrics import ROWS_OUT
from streamframe.operators.blocks import fitting
from streamframe.operators.rows import Rows, concat_columns
from streamframe.operators.sealed import Delivery
from streamframe.operators.turn import Turn
from streamframe.plan.nodes import BatchSink
from streamframe.plan.topology import Stage
from streamframe.serde.base import Columns
from streamframe.serde.pandas_frames import to_pandas
from streamframe.state.buckets import Sealed
from streamframe.state.meta import META_KEY, StateMeta
from streamframe.state.store import Changes, StoreReader

_ENTRY: Final = b"e"
_MAGIC: Final = b"SO"
_VERSION: Final = 1
_FINGERPRINT: Final = hashlib.blake2b(b"outbox 1", digest_size=16).digest()


class Outbox:
    """The rows of one ``for_each_batch`` step of one task.

    Args:
        stage: The stage; its node is the sink.
        reader: Its store.
        partition: Partition of the task, part of the batch ids.
    """

    def __init__(self, stage: Stage, reader: StoreReader, partition: int) -> None:
        assert isinstance(stage.node, BatchSink)
        assert stage.store is not None
        self.stage = stage
        self.name = stage.store
        self._node = stage.node
        self._partition = partition
        stored = reader.get(META_KEY)
        self._meta = StateMeta(fingerprint=_FINGERPRINT) if stored is None else StateMeta.decode(stored)
        if self._meta.fingerprint != _FINGERPRINT:
            raise StoreIncompatible(
                "the store does not hold batches for a function",
                hint="give the changed step a new name, or reset the application",
                store=self.name,
            )
        self._rows: list[Columns] = []
        self.nbytes = 0
        self._keys_by_batch: dict[str, list[bytes]] = {}
        self._waiting: list[Delivery] = []
        self._delivered: list[str] = []
        self._forgotten: list[bytes] = []
        self._find(reader)

    @property
    def changed_bytes(self) -> int:
        """Bytes that the next seal will write, about."""
        return self.nbytes

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to commit or to deliver."""
        return bool(self._rows or self._delivered or self._waiting)

    @property
    def has_entries(self) -> bool:
        """Whether the store, with the last seal, holds batches that the function is not known to have taken."""
        return bool(self._keys_by_batch)

    def process(self, rows: Rows, turn: Turn) -> None:
        """Collect rows."""
        columns = {name: rows.columns[name] for name in self._node.input.schema.names}
        self._rows.append(columns)
        self.nbytes += rows.nbytes
        turn.count(ROWS_OUT, self._node.name, len(rows))

    def delivered(self, batch_id: str) -> None:
        """Note that the function took a batch; its entry is deleted by the next seal."""
        if batch_id in self._keys_by_batch:
            self._delivered.append(batch_id)

    def seal(self) -> tuple[Sealed | None, list[Delivery]]:
        """Return the changes since the last call, and what is to be delivered once they count."""
        deliveries, self._waiting = self._waiting, []
        if not self._rows and not self._delivered:
            return None, deliveries
        seq = self._meta.seq + 1
        self._meta = replace(self._meta, seq=seq)
        deletes = self._forgotten + [key for batch in self._delivered for key in self._keys_by_batch.pop(batch)]
        self._note_delivered(deletes)
        self._delivered, self._forgotten = [], []
        puts: list[tuple[bytes, bytes]] = []
        if self._rows:
            columns = concat_columns(self._rows)
            self._rows, self.nbytes = [], 0
            puts = _entries(seq, pa.RecordBatch.from_pydict(columns))
            deliveries.append(
                self._delivery(seq, to_pandas(columns, self._node.input.schema), [key for key, _ in puts])
            )
        puts.append((META_KEY, self._meta.encode()))
        records: list[tuple[bytes, bytes | None]] = [(key, None) for key in deletes]
        records += puts
        return Sealed(seq=seq, changes=Changes(puts=puts, deletes=deletes), records=records), deliveries

    def _note_delivered(self, deletes: list[bytes]) -> None:
        """Say in the meta record which batches are gone for good."""
        through = max([self._delivered_through, *map(_seq_of, deletes)])
        if through:
            waiting = {_seq_of(keys[0]) for keys in self._keys_by_batch.values()}
            survivors = tuple((seq, 0) for seq in sorted(waiting) if seq <= through)
            self._meta = replace(self._meta, expired_through=(through, 0), survivors=survivors)

    @property
    def _delivered_through(self) -> int:
        return 0 if self._meta.expired_through is None else self._meta.expired_through[0]

    def _delivery(self, seq: int, frame: pd.DataFrame, keys: list[bytes]) -> Delivery:
        # The store's name, not the step's: behind a union of topics several tasks have the same partition number.
        batch_id = f"{self.name}-{self._partition}-{seq}"
        self._keys_by_batch[batch_id] = keys
        return Delivery(step=self._node.name, batch_id=batch_id, function=self._node.function, frame=frame)

    def _find(self, reader: StoreReader) -> None:
        """Find the entries that were committed but perhaps never delivered."""
        keys: list[bytes] = []
        parts: list[Columns] = []
        survivors = frozenset(seq for seq, _ in self._meta.survivors)
        for key, value in reader.scan(_ENTRY):
            if _seq_of(key) <= self._delivered_through and _seq_of(key) not in survivors:
                self._forgotten.append(key)
                continue
            if value[:2] != _MAGIC:
                raise StoreCorrupted("an outbox entry is damaged", store=self.name, key=key)
            if value[2] != _VERSION:
                raise StoreIncompatible("an outbox entry is of another format", store=self.name, version=value[2])
            with pa.ipc.open_stream(pa.py_buffer(value[4:])) as stream:
                batch = stream.read_next_batch()
            keys.append(key)
            parts.append(dict(zip(batch.schema.names, batch.columns, strict=True)))
            if value[3]:
                self._waiting.append(
                    self._delivery(_seq_of(key), to_pandas(concat_columns(parts), self._node.input.schema), keys)
                )
                keys, parts = [], []


def _seq_of(key: bytes) -> int:
    """Return the number of the commit that wrote an entry."""
    return int.from_bytes(key[1:9], "big")


def _entries(seq: int, batch: pa.RecordBatch) -> list[tuple[bytes, bytes]]:
    parts = fitting(batch)
    entries = []
    for chunk, part in enumerate(parts):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, part.schema) as writer:
            writer.write_batch(part)
        head = _MAGIC + bytes([_VERSION, chunk == len(parts) - 1])
        entries.append(
            (_ENTRY + seq.to_bytes(8, "big") + chunk.to_bytes(2, "big"), head + sink.getvalue().to_pybytes())
        )
    return entries
