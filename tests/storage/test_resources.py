"""Memory shared by databases."""

from __future__ import annotations

import os

from streamframe.core.ids import TaskId
from streamframe.state.store import Changes
from streamframe.storage.resources import MEBIBYTE, SharedResources
from streamframe.storage.rocksdb import RocksStore
from streamframe.storage.state_dir import StateDirectory


def test_all_databases_together_stay_within_the_bound_of_write_buffers(tmp_path):
    resources = SharedResources(buffers_bytes=16 * MEBIBYTE)
    stores = [RocksStore.open(tmp_path / str(number), resources) for number in range(8)]
    peak = 0
    for number in range(100):
        stores[number % 8].write(Changes(puts=[(number.to_bytes(4, "big"), os.urandom(MEBIBYTE))]))
        peak = max(peak, resources.buffered_bytes)
    for store in stores:
        store.close()
    assert 4 * MEBIBYTE < peak < 24 * MEBIBYTE


def test_nothing_of_a_closed_database_stays_in_the_cache(tmp_path):
    with StateDirectory(tmp_path, "app") as stores:
        kept = stores.open(TaskId(0, 1))
        kept.write(Changes(puts=[(b"k", b"v")]))
        for _ in range(3):
            store = stores.open(TaskId(0, 0))
            store.write(Changes(puts=[(number.to_bytes(4, "big"), os.urandom(1_000)) for number in range(100)]))
            assert len(list(store.scan(b""))) == 100
            store.close()
            assert stores.resources.cached_bytes < 1_000
        assert kept.get(b"k") == b"v"
