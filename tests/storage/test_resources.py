"""Memory shared by databases."""

from __future__ import annotations

import os

from streamframe.state.store import Changes
from streamframe.storage.resources import MEBIBYTE, SharedResources
from streamframe.storage.rocksdb import RocksStore


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
