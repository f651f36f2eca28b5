"""A store as it was: for a thread that only looks."""

import threading
import time
from pathlib import Path

from streamframe.core.errors import StoreUnavailable
from streamframe.core.ids import TaskId
from streamframe.engine.snapshot import DiskSnapshot
from streamframe.state.store import Changes
from streamframe.storage.rocksdb import RocksStore
from streamframe.storage.state_dir import StateDirectory

TASK = TaskId(0, 1)


def test_a_frozen_store_does_not_see_what_is_written_later(tmp_path: Path) -> None:
    with StateDirectory(tmp_path, "app") as stores:
        store = stores.open(TASK)
        store.write(Changes(puts=[(b"a", b"1"), (b"ab", b"2"), (b"b", b"3")]))
        with stores.frozen() as readers:
            frozen = readers[TASK]
            store.write(Changes(puts=[(b"a", b"9"), (b"c", b"4")], deletes=[b"b"]))

            assert frozen.get(b"a") == b"1"
            assert frozen.get(b"c") is None
            assert list(frozen.scan(b"a")) == [(b"a", b"1"), (b"ab", b"2")]
            assert frozen.seek(b"ac") == b"b"
            assert frozen.seek(b"bb") is None
            assert store.get(b"a") == b"9"


def test_a_closed_store_is_not_frozen_and_a_frozen_one_can_be_closed_and_opened_again(tmp_path: Path) -> None:
    with StateDirectory(tmp_path, "app") as stores:
        store = stores.open(TASK)
        store.write(Changes(puts=[(b"a", b"1")]))
        with stores.frozen() as readers:
            store.close()
            assert readers[TASK].get(b"a") == b"1"
            with stores.frozen() as none_open:
                assert none_open == {}

        # ``readers`` lives on; what it refers to was released.
        assert stores.open(TASK).get(b"a") == b"1"


def test_sizes_grow_with_what_is_written(tmp_path: Path) -> None:
    with StateDirectory(tmp_path, "app") as stores:
        assert stores.sizes() == DiskSnapshot()
        store = stores.open(TASK)
        store.write(Changes(puts=[(b"%d" % number, bytes(1_000)) for number in range(100)]))
        found = stores.sizes()
        size, entries = found.size, found.entries
        assert size > 100_000
        assert entries == 100


def test_a_thread_that_looks_sees_whole_batches_and_disturbs_neither_writing_nor_closing(tmp_path: Path) -> None:
    seen: list[set[bytes | None]] = []
    done = threading.Event()

    def look(stores: StateDirectory) -> None:
        while not done.is_set():
            with stores.frozen() as readers:
                for reader in readers.values():
                    seen.append({reader.get(b"%d" % number) for number in range(5)})

    with StateDirectory(tmp_path, "app") as stores:
        thread = threading.Thread(target=look, args=(stores,))
        thread.start()
        try:
            for _ in range(5):
                store = open_soon(stores)
                for round_number in range(100):
                    store.write(Changes(puts=[(b"%d" % number, b"%d" % round_number) for number in range(5)]))
                store.flush()
                store.close()
        finally:
            done.set()
            thread.join(10)

    assert len(seen) > 20
    assert all(len(values) == 1 for values in seen)


def open_soon(stores: StateDirectory) -> RocksStore:
    """Open a store that somebody may be looking into still, as the engine does: by asking again."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return stores.open(TASK)
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.01)
