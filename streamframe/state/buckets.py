"""All tables of one named store of one task, by bucket, and the records of each commit.

A bucket is the unit of expiry: the keys of a pane, or everything in a step without windows. A bucket has one main
table and one more table per *family* (the distinct values of ``nunique``, for example). Store keys::

    'b' start(8, sign bit flipped) variant(2) family(1)  then as in table_log.py
    'm'                                                  the meta record
    's'                                                  the text of the signature

Rules:
    1. ``seal`` is the only way out: what it returns is written to the changelog, and after the transaction has
       committed, applied to the local store. If the transaction aborts, this object is thrown away.
    2. A bucket that expired is gone for good, whatever the store still holds of it: the meta record says so.
    3. Tables are complete in the store after their commit was applied, so clean ones may be evicted.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import Final

import pyarrow as pa

from streamframe.core.errors import StoreIncompatible
from streamframe.state.columns import ColumnSpec
from streamframe.state.key_words import key_type
from streamframe.state.meta import META_KEY, SIGNATURE_KEY, BucketId, SourceTime, StateMeta
from streamframe.state.store import Changes, StoreReader, prefix_end
from streamframe.state.table import Table
from streamframe.state.table_log import DEFAULT_LAYOUT, Layout, TableLog

_SIGN: Final = 1 << 63
_BUCKET_KEY: Final = b"b"
_BUCKET_KEY_BYTES: Final = 11
_REMEMBERED_EXPIRED: Final = 1024


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """One more table of every bucket.

    Attributes:
        name: Its name, unique in the store.
        key_types: Arrow types of its key columns.
        columns: Its accumulator columns.
    """

    name: str
    key_types: tuple[pa.DataType, ...]
    columns: tuple[ColumnSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """What a named store remembers.

    Attributes:
        name: The name of the store.
        key_types: Arrow types of the key columns of the main table (family 0).
        columns: Its accumulator columns.
        families: More tables: family 1, 2, …
        signature: What the values mean beyond their types (windows, functions), as lines of text. It is part
            of the fingerprint, and stored so that a mismatch can be shown line by line.
    """

    name: str
    key_types: tuple[pa.DataType, ...]
    columns: tuple[ColumnSpec, ...]
    families: tuple[FamilySpec, ...] = ()
    signature: str = ""

    def tables(self) -> tuple[FamilySpec, ...]:
        """Return the specification of every family, the main table first."""
        return (FamilySpec(self.name, self.key_types, self.columns), *self.families)

    def fingerprint(self) -> bytes:
        """Return 16 bytes that change when a name, a type, a kind or an initial value does."""
        described = [
            (
                table.name,
                [str(key_type(kind)) for kind in table.key_types],
                [(column.name, column.kind, repr(column.start)) for column in table.columns],
            )
            for table in self.tables()
        ]
        meaning = repr((described, self.signature)) if self.signature else repr(described)
        return hashlib.blake2b(meaning.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Sealed:
    """The changes of one commit.

    Attributes:
        seq: Number of the commit.
        changes: For the local store, once the transaction has committed.
        records: For the changelog, in order: deletions, new values, and the meta record last.
    """

    seq: int
    changes: Changes
    records: list[tuple[bytes, bytes | None]]


@dataclass(slots=True)
class _Resident:
    table: Table
    log: TableLog
    touched: int
    sealed_seq: int


def read_meta(reader: StoreReader, spec: StoreSpec) -> StateMeta:
    """Return the meta record of a store, or that of a new one.

    Raises:
        StoreCorrupted: The record is damaged.
        StoreIncompatible: It was written in another format or for other columns.
    """
    stored = reader.get(META_KEY)
    meta = StateMeta(fingerprint=spec.fingerprint()) if stored is None else StateMeta.decode(stored)
    if meta.fingerprint != spec.fingerprint():
        raise StoreIncompatible(
            "the stored state is of another program",
            hint="give the changed step a new name, or reset the application" + _difference(reader, spec),
            store=spec.name,
        )
    return meta


def _difference(reader: StoreReader, spec: StoreSpec) -> str:
    """Return what the stored signature has (-) and the program wants (+), as lines to append to a hint."""
    stored = reader.get(SIGNATURE_KEY)
    before = stored.decode(errors="replace").splitlines() if stored is not None else []
    lines = list(unified_diff(before, spec.signature.splitlines(), lineterm="", n=0))[2:]
    return "".join(f"\n  {line}" for line in lines if not line.startswith("@@"))


def bucket_key(bucket: BucketId) -> bytes:
    """Return the store key prefix of a bucket; the order of buckets is the order of their keys.

    Example:
        >>> bucket_key((-1, 2)).hex(), bucket_key((0, 0)).hex()
        ('627fffffffffffffff0002', '6280000000000000000000')
    """
    start, variant = bucket
    return _BUCKET_KEY + (start + _SIGN).to_bytes(8, "big") + variant.to_bytes(2, "big")


def bucket_of(key: bytes) -> BucketId:
    """Return the bucket that a store key belongs to."""
    return int.from_bytes(key[1:9], "big") - _SIGN, int.from_bytes(key[9:11], "big")


class BucketState:
    """The tables of one named store of one task.

    Args:
        spec: What is remembered.
        reader: The committed state. Its content must be that of ``meta``.
        meta: The meta record (``read_meta``).
        layout: Sizes, for tests.

    Raises:
        StoreIncompatible: The state was written for other columns.
    """

    def __init__(
        self, spec: StoreSpec, reader: StoreReader, meta: StateMeta, *, layout: Layout = DEFAULT_LAYOUT
    ) -> None:
        _check_fingerprint(meta, spec)
        self.spec = spec
        self.meta = meta
        self._reader = reader
        self._layout = layout
        self._tables = spec.tables()
        self._resident: dict[tuple[BucketId, int], _Resident] = {}
        self._clock = 0
        # Keys and ranges of expired buckets, to be deleted by the next commit.
        self._expired_keys: list[bytes] = []
        self._expired_ranges: list[tuple[bytes, bytes]] = []
        # The latest expired buckets, to catch a step that revives one.
        self._expired_lately: dict[BucketId, None] = {}
        self._expired_through = meta.expired_through
        self._ids: list[BucketId] = []
        self._stored: set[BucketId] = set()
        self._find_buckets()

    @property
    def seq(self) -> int:
        """Number of the last sealed commit."""
        return self.meta.seq

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in memory, about."""
        return sum(entry.table.nbytes for entry in self._resident.values())

    @property
    def rows(self) -> int:
        """Rows of the tables in memory, all families."""
        return sum(len(entry.table) for entry in self._resident.values())

    @property
    def is_dirty(self) -> bool:
        """Whether something changed since the last ``seal``."""
        return bool(self._expired_ranges) or any(entry.log.is_dirty(entry.table) for entry in self._resident.values())

    def ids(self) -> list[BucketId]:
        """Return all live buckets, sorted, whether in memory or in the store only."""
        return list(self._ids)

    def rows_of(self, bucket: BucketId) -> int:
        """Return the rows of a main table without loading it: one that is not in memory counts as a page."""
        entry = self._resident.get((bucket, 0))
        return self._layout.page_rows if entry is None else len(entry.table)

    def table(self, bucket: BucketId, family: int = 0) -> Table:
        """Return a table to read and to fold into: from memory, else from the store, else a new one.

        Ask in every batch: a table may be evicted between batches, and expires with its bucket.

        Raises:
            StoreCorrupted: What the store holds of it is damaged.
        """
        found = self.peek(bucket, family)
        if found is not None:
            return found
        assert bucket not in self._expired_lately, f"bucket {bucket} has expired"
        assert 0 <= bucket[1] < 1 << 16
        spec = self._tables[family]
        table = Table(spec.key_types, spec.columns)
        log = TableLog(self._prefix(bucket, family), born=self.meta.seq + 1, layout=self._layout)
        self._keep(bucket, family, table, log)
        position = bisect_left(self._ids, bucket)
        if self._ids[position : position + 1] != [bucket]:
            insort(self._ids, bucket)
        return table

    def peek(self, bucket: BucketId, family: int = 0) -> Table | None:
        """Return a table, loading it from the store if need be, or ``None`` if there is none.

        Raises:
            StoreCorrupted: What the store holds of it is damaged.
        """
        self._clock += 1
        entry = self._resident.get((bucket, family))
        if entry is not None:
            entry.touched = self._clock
            return entry.table
        if bucket not in self._stored:
            return None
        prefix = self._prefix(bucket, family)
        items = list(self._reader.scan(prefix))
        if not items:
            return None
        spec = self._tables[family]
        table, log = TableLog.load(prefix, items, spec.key_types, spec.columns, self._layout)
        self._keep(bucket, family, table, log)
        return table

    def expire(self, bucket: BucketId) -> None:
        """Drop a bucket for ever; its keys are deleted by the next ``seal``."""
        for family in range(len(self._tables)):
            entry = self._resident.pop((bucket, family), None)
            if entry is not None:
                entry.table.detached = True
                self._expired_keys += entry.log.live_keys()
            elif bucket in self._stored:
                self._expired_keys += self._keys_below(self._prefix(bucket, family))
        self._forget(bucket)
        self._stored.discard(bucket)
        position = bisect_left(self._ids, bucket)
        if self._ids[position : position + 1] == [bucket]:
            del self._ids[position]
        self._expired_lately[bucket] = None
        if len(self._expired_lately) > _REMEMBERED_EXPIRED:
            del self._expired_lately[next(iter(self._expired_lately))]
        if self._expired_through is None or bucket > self._expired_through:
            self._expired_through = bucket

    def seal(self, *, closed_until: int, sources: Sequence[SourceTime] = ()) -> Sealed:
        """Take out everything that changed since the last call, as one commit.

        Args:
            closed_until: See ``StateMeta``.
            sources: See ``StateMeta``.

        Raises:
            StateError: The state of one key is too large for a record.
        """
        seq = self.meta.seq + 1
        puts: list[tuple[bytes, bytes]] = []
        deletes: list[bytes] = []
        for bucket, family in sorted(self._dirty()):
            entry = self._resident[bucket, family]
            written = entry.log.seal(entry.table, seq)
            puts += written.puts
            deletes += written.deletes
            entry.sealed_seq = seq
            self._stored.add(bucket)
        through = self._expired_through
        survivors = () if through is None else tuple(self._ids[: bisect_right(self._ids, through)])
        self.meta = replace(
            self.meta,
            seq=seq,
            closed_until=closed_until,
            sources=tuple(SourceTime(*source) for source in sources),
            expired_through=through,
            survivors=survivors,
        )
        if seq == 1 and self.spec.signature:
            puts.append((SIGNATURE_KEY, self.spec.signature.encode()))
        puts.append((META_KEY, self.meta.encode()))
        records: list[tuple[bytes, bytes | None]] = [(key, None) for key in (*self._expired_keys, *deletes)]
        records += puts
        changes = Changes(puts=puts, deletes=deletes, ranges=self._expired_ranges)
        self._expired_keys, self._expired_ranges = [], []
        return Sealed(seq=seq, changes=changes, records=records)

    def evict(self, budget_bytes: int) -> int:
        """Drop clean tables from memory, the least recently used first, until ``budget_bytes`` is kept.

        Only tables are dropped whose last changes the store already holds, so this may be called at any time
        between batches; nothing but memory changes.

        Returns:
            The number of bytes freed, about.
        """
        sizes = {key: entry.table.nbytes for key, entry in self._resident.items()}
        excess = sum(sizes.values()) - budget_bytes
        if excess <= 0:
            return 0
        stored = self._reader.get(META_KEY)
        applied = 0 if stored is None else StateMeta.decode(stored).seq
        freed = 0
        for key, entry in sorted(self._resident.items(), key=lambda item: item[1].touched):
            if freed >= excess:
                break
            if entry.sealed_seq <= applied and not entry.log.is_dirty(entry.table):
                entry.table.detached = True
                del self._resident[key]
                freed += sizes[key]
        return freed

    def _dirty(self) -> list[tuple[BucketId, int]]:
        return [key for key, entry in self._resident.items() if entry.log.is_dirty(entry.table)]

    def _prefix(self, bucket: BucketId, family: int) -> bytes:
        return bucket_key(bucket) + bytes([family])

    def _keep(self, bucket: BucketId, family: int, table: Table, log: TableLog) -> None:
        self._resident[bucket, family] = _Resident(table, log, self._clock, 0)

    def _forget(self, bucket: BucketId) -> None:
        prefix = bucket_key(bucket)
        self._expired_ranges.append((prefix, prefix_end(prefix)))

    def _keys_below(self, prefix: bytes) -> Iterator[bytes]:
        key = self._reader.seek(prefix)
        while key is not None and key.startswith(prefix):
            yield key
            key = self._reader.seek(key + b"\0")

    def _find_buckets(self) -> None:
        """Find the buckets in the store by seeking from each to the next."""
        survivors = frozenset(self.meta.survivors)
        through = self.meta.expired_through
        key = self._reader.seek(_BUCKET_KEY)
        while key is not None and key.startswith(_BUCKET_KEY) and len(key) >= _BUCKET_KEY_BYTES:
            bucket = bucket_of(key)
            if through is not None and bucket <= through and bucket not in survivors:
                # Its deletion was never seen here, because the changelog no longer holds it. Repeat it.
                self._expired_keys += self._keys_below(bucket_key(bucket))
                self._forget(bucket)
            else:
                self._ids.append(bucket)
                self._stored.add(bucket)
            key = self._reader.seek(prefix_end(bucket_key(bucket)))


def _check_fingerprint(meta: StateMeta, spec: StoreSpec) -> None:
    if meta.fingerprint != spec.fingerprint():
        raise StoreIncompatible(
            "the stored state has other keys or columns than the program",
            hint="give the changed step a new name, or reset the application",
            store=spec.name,
            stored=meta.fingerprint.hex(),
            program=spec.fingerprint().hex(),
        )
