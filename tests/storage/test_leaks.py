"""Native memory over many scans (T-39)."""

from __future__ import annotations

import gc
from itertools import islice
from pathlib import Path

import psutil

from streamframe.state.store import Changes
from streamframe.storage.resources import SharedResources
from streamframe.storage.rocksdb import RocksStore

WARM_UP, SCANS = 2_000, 10_000
GROWTH_MAX = 12 << 20


def test_scans_that_are_left_halfway_keep_no_memory(tmp_path: Path) -> None:
    store = RocksStore.open(tmp_path / "db", SharedResources())
    store.write(Changes(puts=[(b"k%05d" % number, b"v" * 100) for number in range(1_000)]))

    def leave_halfway(times: int) -> int:
        for _ in range(times):
            assert len(list(islice(store.scan(b"k"), 3))) == 3
            store.seek(b"k005")
        gc.collect()
        return int(psutil.Process().memory_info().rss)

    before = leave_halfway(WARM_UP)
    after = leave_halfway(SCANS)

    store.close()
    assert after - before < GROWTH_MAX, f"{(after - before) / SCANS:.0f} bytes stay of each scan"
