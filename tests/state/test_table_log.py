"""How one table is saved: bounded records, bounded number of deltas, every byte as documented."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from streamframe.core.errors import StoreCorrupted
from streamframe.state.buckets import BucketState, FamilySpec, StoreSpec, read_meta
from streamframe.state.columns import ColumnSpec
from streamframe.state.memory import MemoryStore
from streamframe.state.meta import SourceTime
from streamframe.state.table import Table
from streamframe.state.table_log import Layout, TableLog

SPECS = (ColumnSpec("count", "int64"),)
GOLDEN = Path(__file__).parent / "golden" / "store-v1.json"


def touch(table, keys):
    slots = table.slots([pa.array(keys)])
    np.add.at(table.columns["count"], slots, 1)
    table.touch(slots)


class Saved:
    """A table, its log, and the records that exist."""

    def __init__(self, layout):
        self.layout, self.table = layout, Table([pa.int64()], SPECS)
        self.log, self.records, self.seq = TableLog(b"t", born=1, layout=layout), {}, 0

    def commit(self):
        self.seq += 1
        written = self.log.seal(self.table, self.seq)
        for key in written.deletes:
            del self.records[key]
        self.records.update(written.puts)
        assert sorted(self.log.live_keys()) == sorted(self.records)
        return written

    def load(self):
        return TableLog.load(b"t", sorted(self.records.items()), self.table.keys.types, SPECS, self.layout)


def test_every_record_that_exists_is_known_and_loads_again():
    saved = Saved(Layout(page_rows=16, chunk_bytes=200, rotate_rows=2))
    random = np.random.default_rng(5)
    for _ in range(100):
        touch(saved.table, random.integers(0, 600, 20))
        saved.commit()
        table, log = saved.load()
        assert table.keys.keys()[0].equals(saved.table.keys.keys()[0])
        assert table.columns["count"][: len(table)].tolist() == saved.table.columns["count"][: len(table)].tolist()
        assert sorted(log.live_keys()) == sorted(saved.records)


def test_the_number_of_deltas_is_bounded():
    saved = Saved(Layout(page_rows=64, rotate_rows=8))
    touch(saved.table, np.arange(1000))
    saved.commit()
    deltas = []
    for number in range(600):
        touch(saved.table, [number % 1000])
        saved.commit()
        deltas.append(sum(key[1:2] == b"d" for key in saved.records))
    # A rotation takes 1000 / 8 commits; deltas live for at most two.
    assert max(deltas) <= 2 * 1000 / 8 + 8


def test_a_loaded_table_goes_on_where_the_saved_one_was():
    saved = Saved(Layout(page_rows=16, rotate_rows=2))
    random = np.random.default_rng(6)
    for _ in range(60):
        touch(saved.table, random.integers(0, 300, 10))
        saved.commit()
        saved.table, saved.log = saved.load()
    assert sum(key[1:2] == b"d" for key in saved.records) < 60


def test_keys_that_nobody_touched_are_saved_too():
    saved = Saved(Layout(page_rows=16, rotate_rows=2))
    saved.table.slots([pa.array(np.arange(5))])
    assert saved.log.is_dirty(saved.table)
    saved.commit()
    assert not saved.log.is_dirty(saved.table)
    assert len(saved.load()[0]) == 5


def test_a_missing_page_is_noticed():
    saved = Saved(Layout(page_rows=16))
    touch(saved.table, np.arange(40))
    saved.commit()
    del saved.records[sorted(saved.records)[1]]
    with pytest.raises(StoreCorrupted, match="keys of some rows are missing"):
        saved.load()


GOLDEN_SPEC = StoreSpec(
    "golden",
    (pa.string(), pa.int32(), pa.bool_()),
    (
        ColumnSpec("n", "int64"),
        ColumnSpec("x", "float64"),
        ColumnSpec("b", "bool"),
        ColumnSpec("t", "string"),
        ColumnSpec("r", "binary"),
    ),
    (FamilySpec("distinct", (pa.float64(),)),),
)


def golden_state(reader):
    return BucketState(GOLDEN_SPEC, reader, read_meta(reader, GOLDEN_SPEC), layout=Layout(page_rows=4, rotate_rows=1))


def golden_content():
    store = MemoryStore()
    for commit in range(4):
        state = golden_state(store)
        table = state.table((-60_000_000, 1))
        texts = ["a", None, "", "longer than eight bytes", "e", "f", "g", "h", "i"]
        rows = list(range(9)) if commit == 0 else [commit, 4 + commit]
        slots = table.slots(
            [
                pa.array([texts[i] for i in rows]),
                pa.array([i or None for i in rows], pa.int32()),
                pa.array([i % 2 == 0 for i in rows]),
            ]
        )
        table.columns["n"][slots] = commit
        table.columns["x"][slots] = commit / 2
        table.columns["b"][slots] = commit == 1
        table.columns["t"][slots] = np.array([None, "é", "x", "y"], object)[commit]
        table.columns["r"][slots] = np.array([b"\0", None, b"x", b"y"], object)[commit]
        table.touch(slots)
        distinct = state.table((-60_000_000, 1), 1)
        distinct.touch(distinct.slots([pa.array([0.5, None, float("nan")])]))
        store.write(state.seal(closed_until=-1, sources=[SourceTime("topic", 2, 5, False)]).changes)
    return store.content()


def test_the_stored_bytes_are_the_ones_written_down_for_ever():
    golden = {bytes.fromhex(key): bytes.fromhex(value) for key, value in json.loads(GOLDEN.read_text()).items()}
    assert golden_content() == golden
    table = golden_state(MemoryStore(golden)).table((-60_000_000, 1))
    assert table.keys.keys()[1].to_pylist() == [None, 1, 2, 3, 4, 5, 6, 7, 8]
    assert table.columns["n"][:9].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert table.columns["t"][:9].tolist() == [None, "é", "x", "y", None, "é", "x", "y", None]
