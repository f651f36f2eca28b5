"""One RocksDB database as a ``Store``.

Rules, each of which avoids a fault of rocksdict or RocksDB (``tests/storage/test_rocksdict_traps.py``):

    1. Opened in raw mode with every option given for every column family: otherwise options, and even the
       unpickling of values, come from files in the directory.
    2. Iterators have no bounds (the lower one sets the upper one, and a bound outlives its memory); keys are
       compared here, and ``status`` is asked after every loop, because iteration over a damaged block just ends.
    3. One column family, no write-ahead log: after a kill the store holds an older state that it really had, whose
       changelog offset lies in the same batch.
    4. No iterator survives ``close``: a live one would keep the database open.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakSet

from rocksdict import (
    BlockBasedOptions,
    DBCompressionType,
    Options,
    Rdict,
    RdictIter,
    WriteBatch,
    WriteOptions,
)

from streamframe.engine.snapshot import DiskSnapshot
from streamframe.state.store import Changes
from streamframe.storage.failures import OWN_HANDLE, classify
from streamframe.storage.resources import MEBIBYTE, SharedResources

WRITE_BUFFER_BYTES: Final = 16 * MEBIBYTE
"""Of one database. Deltas live shortly, and a larger buffer would let more of them die before they reach the disk; but
a worker has several databases, and with 64 MiB each the buffers took more memory than the state in them."""

_LOG_BYTES: Final = 4 * MEBIBYTE
_BACKGROUND_JOBS: Final = 2


def _options(resources: SharedResources, write_buffer_bytes: int) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(write_buffer_bytes)
    options.set_write_buffer_manager(resources.buffers)
    options.set_max_background_jobs(_BACKGROUND_JOBS)
    options.set_compression_type(DBCompressionType.none())
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(_LOG_BYTES)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(resources.cache)
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options.set_block_based_table_factory(blocks)
    return options


class _Scan:
    """An iteration that can be taken back when its store closes, and then says so."""

    __slots__ = ("__weakref__", "_cursor", "_path", "_prefix")

    def __init__(self, cursor: RdictIter, prefix: bytes, path: str) -> None:
        self._cursor: RdictIter | None = cursor
        self._prefix = prefix
        self._path = path
        try:
            cursor.seek(prefix)
        except Exception as error:
            raise classify(error, path) from error

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        cursor = self._cursor
        assert cursor is not None, "the store was closed during a scan"
        try:
            if cursor.valid():
                key: bytes = cursor.key()
                if key.startswith(self._prefix):
                    value: bytes = cursor.value()
                    cursor.next()
                    return key, value
            else:
                cursor.status()
        except Exception as error:
            raise classify(error, self._path) from error
        raise StopIteration

    def release(self) -> None:
        """Let go of the database."""
        self._cursor = None


def _first_from(cursor: RdictIter, key: bytes, path: str) -> bytes | None:
    """Move a cursor to the first key that is ``>= key`` and return that; ``None`` where there is none."""
    try:
        cursor.seek(key)
        if cursor.valid():
            found: bytes = cursor.key()
            return found
        cursor.status()
    except Exception as error:
        raise classify(error, path) from error
    return None


class FrozenReader:
    """A ``StoreReader`` over the moment at which it was made; reading it from another thread disturbs nobody.

    One iterator does it all, because an iterator sees what was there when it was made. (The library's own snapshots
    do not: their iterators see later writes.)
    """

    __slots__ = ("_cursor", "_path")

    def __init__(self, cursor: RdictIter, path: str) -> None:
        self._cursor: RdictIter | None = cursor
        self._path = path

    def get(self, key: bytes) -> bytes | None:
        """See ``StoreReader.get``."""
        found = self.seek(key)
        value: bytes | None = self._opened().value() if found == key else None
        return value

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See ``StoreReader.scan``."""
        return iter(list(_Scan(self._opened(), prefix, self._path)))

    def release(self) -> None:
        """Let go of the database at once, whoever still refers to this reader."""
        self._cursor = None

    def _opened(self) -> RdictIter:
        assert self._cursor is not None, "the reader was released"
        return self._cursor

    def seek(self, key: bytes) -> bytes | None:
        """See ``StoreReader.seek``."""
        return _first_from(self._opened(), key, self._path)


class RocksStore:
    """A ``Store`` in a directory. Make it with ``RocksStore.open``.

    Example::

        store = RocksStore.open(Path("state/0_3"), SharedResources())
        store.write(Changes(puts=[(b"key", b"value")]))
        store.close()
    """

    __slots__ = ("_db", "_on_close", "_path", "_process", "_scans", "_unlogged")

    def __init__(self, db: Rdict, path: str, on_close: Callable[[], None] | None = None) -> None:
        self._db: Rdict | None = db
        self._path = path
        self._on_close = on_close
        self._process = os.getpid()
        self._unlogged = WriteOptions()
        self._unlogged.disable_wal = True  # type: ignore[method-assign, assignment]  # the stub is wrong
        self._scans: WeakSet[_Scan] = WeakSet()

    @classmethod
    def open(
        cls,
        path: Path,
        resources: SharedResources,
        *,
        write_buffer_bytes: int = WRITE_BUFFER_BYTES,
        on_close: Callable[[], None] | None = None,
    ) -> RocksStore:
        """Open or create the database in ``path``.

        Args:
            path: Its directory; the parent must exist.
            resources: The memory shared by all databases of the process.
            write_buffer_bytes: Changes kept in memory before they are flushed.
            on_close: Called once when the store has been closed.

        Raises:
            StoreCorrupted: The directory is damaged or was not made by us.
            StoreUnavailable: It is in use, or the disk is full.
        """
        name = str(path)
        options = _options(resources, write_buffer_bytes)
        try:
            db = Rdict(name, options, column_families={"default": options})
        except Exception as error:
            if OWN_HANDLE not in str(error):
                raise classify(error, name) from error
            # An iterator in a reference cycle may hold a closed database open until it is collected.
            gc.collect()
            try:
                db = Rdict(name, options, column_families={"default": options})
            except Exception as again:
                raise classify(again, name) from again
        return cls(db, name, on_close)

    @property
    def path(self) -> str:
        """The directory of the database."""
        return self._path

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._db is None

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or ``None``.

        Raises:
            StoreCorrupted: The stored bytes are damaged.
        """
        db = self._opened()
        try:
            value: bytes | None = db.get(key)
        except Exception as error:
            raise classify(error, self._path) from error
        return value

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with ``prefix`` and their values, in key order, as of the call.

        Raises:
            StoreCorrupted: The stored bytes are damaged.
        """
        rows = _Scan(self._cursor(), prefix, self._path)
        self._scans.add(rows)
        return rows

    def seek(self, key: bytes) -> bytes | None:
        """Return the first key that is ``>= key``, or ``None``.

        Raises:
            StoreCorrupted: The stored bytes are damaged.
        """
        return _first_from(self._cursor(), key, self._path)

    def frozen(self) -> FrozenReader | None:
        """Return the store as it is now, for another thread; ``None`` when it is closed.

        Until it is released the database stays open, so release it soon.
        """
        db = self._db
        return None if db is None else FrozenReader(db.iter(), self._path)

    def sizes(self) -> DiskSnapshot:
        """Return what RocksDB says of itself; entries and pending bytes are estimates."""
        db = self._opened()

        def value(name: str) -> int:
            return db.property_int_value(f"rocksdb.{name}") or 0

        memtables = value("cur-size-all-mem-tables")
        return DiskSnapshot(
            size=value("total-sst-files-size") + memtables,
            entries=value("estimate-num-keys"),
            memtables=memtables,
            pending=value("estimate-pending-compaction-bytes"),
            errors=value("background-errors"),
        )

    def write(self, changes: Changes) -> None:
        """Apply one batch atomically, without a write-ahead log.

        Raises:
            StoreUnavailable: The batch could not be written.
        """
        db = self._opened()
        batch = WriteBatch(raw_mode=True)
        for begin, end in changes.ranges:
            batch.delete_range(begin, end)
        for key in changes.deletes:
            batch.delete(key)
        for key, value in changes.puts:
            batch.put(key, value)
        try:
            db.write(batch, self._unlogged)
        except Exception as error:
            raise classify(error, self._path) from error

    def flush(self) -> None:
        """Write everything to disk.

        Raises:
            StoreUnavailable: It could not be written, and the store needs to be reopened.
        """
        db = self._opened()
        try:
            db.flush()
        except Exception as error:
            raise classify(error, self._path) from error

    def close(self) -> None:
        """Flush and release everything; closing twice is allowed.

        Never raises: what could not be flushed is in the changelog.
        """
        if self._db is None:
            return
        self._check_process()
        db, self._db = self._db, None
        for rows in list(self._scans):
            rows.release()
        with suppress(Exception):
            db.close()
        del db
        if self._on_close is not None:
            self._on_close()

    def _opened(self) -> Rdict:
        assert self._db is not None, "the store is closed"
        self._check_process()
        return self._db

    def _check_process(self) -> None:
        assert os.getpid() == self._process, "a store does not survive a fork: spawn worker processes"

    def _cursor(self) -> RdictIter:
        db = self._opened()
        try:
            return db.iter()
        except Exception as error:
            raise classify(error, self._path) from error
