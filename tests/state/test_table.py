"""A table: columns grow with their initial values, dirty slots are remembered."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from streamframe.state.columns import ColumnSpec
from streamframe.state.table import Table

SPECS = [
    ColumnSpec("count", "int64"),
    ColumnSpec("low", "float64", float("inf")),
    ColumnSpec("seen", "bool", True),
    ColumnSpec("name", "string"),
    ColumnSpec("raw", "binary", b"-"),
]


def test_new_keys_begin_with_the_initial_values():
    table = Table([pa.int64()], SPECS)
    slots = table.slots([pa.array(np.arange(1000))])
    assert len(table) == 1000
    assert {name: column[slots].tolist()[-1] for name, column in table.columns.items()} == {
        "count": 0,
        "low": float("inf"),
        "seen": True,
        "name": None,
        "raw": b"-",
    }


def test_growing_keeps_what_was_folded_in():
    table = Table([pa.int64()], SPECS)
    for batch in range(10):
        slots = table.slots([pa.array(np.arange(batch * 50, batch * 50 + 100))])
        np.add.at(table.columns["count"], slots, 1)
        table.touch(slots)
    assert table.columns["count"][: len(table)].sum() == 1000
    assert table.dirty_slots().tolist() == list(range(len(table)))


def test_only_touched_slots_are_dirty():
    table = Table([pa.string()], SPECS)
    slots = table.slots([pa.array(["a", "b", "c"])])
    assert not table.is_dirty
    table.touch(slots[[2, 0]])
    assert table.dirty_slots().tolist() == [0, 2]
    table.clear_dirty()
    assert not table.is_dirty
    assert table.dirty_slots().tolist() == []


def test_touching_a_detached_table_is_a_bug():
    table = Table([pa.int64()], SPECS)
    table.detached = True
    with pytest.raises(AssertionError):
        table.touch(np.array([0]))


def test_text_columns_count_as_memory():
    table = Table([pa.int64()], SPECS)
    slots = table.slots([pa.array(np.arange(100))])
    before = table.nbytes
    table.columns["name"][slots] = "x" * 1000
    assert table.nbytes > before + 90_000
