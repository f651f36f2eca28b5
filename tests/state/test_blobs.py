"""Blobs: checked when opened, cut to size when written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import StateError, StoreCorrupted, StoreIncompatible
from streamframe.state.blobs import BlobHead, BlobKind, Selection, open_blob, read_body, seal_blob
from streamframe.state.columns import ColumnSpec
from streamframe.state.table import Table

SPECS = (ColumnSpec("count", "int64"), ColumnSpec("text", "string"))
HEAD = BlobHead(kind=BlobKind.DELTA, rows=2, first=5, keys=1, part=1, parts=3, born=7, seq=9)


def table(texts):
    made = Table([pa.string()], SPECS)
    slots = made.slots([pa.array([f"key {i}" for i in range(len(texts))])])
    made.columns["count"][slots] = np.arange(len(texts))
    made.columns["text"][slots] = np.array([*texts, None], object)[:-1]
    return made


@given(st.lists(st.none() | st.text(max_size=60), min_size=1, max_size=40), st.integers(200, 1000), st.data())
def test_a_selection_comes_back_from_chunks_below_the_limit(texts, limit, data):
    made = table(texts)
    new = data.draw(st.integers(0, len(texts)))
    selection = Selection.take(made, np.arange(len(texts)), new=new)
    rows: list = []
    keys: dict = {}
    for begin, end in selection.chunks(limit):
        first, count = selection.new_keys(begin, end)
        head = BlobHead(kind=BlobKind.DELTA, rows=end - begin, first=first, keys=count, born=1, seq=1)
        blob = seal_blob(b"k", head, selection.parts(begin, end, with_slots=True))
        assert len(blob) < limit + 80
        body = read_body(blob, open_blob(b"k", blob), made.keys.types, SPECS)
        assert body.slots is not None
        rows += zip(body.slots.tolist(), *(values.tolist() for values in body.values), strict=True)
        keys.update(zip(range(first, first + count), body.keys[0].to_pylist() if count else [], strict=True))
    assert rows == [(i, i, text) for i, text in enumerate(texts)]
    assert keys == {slot: f"key {slot}" for slot in range(len(texts) - new, len(texts))}


def test_a_row_beyond_the_limit_is_named():
    selection = Selection.take(table(["a", "b" * 500]), np.arange(2), new=0)
    with pytest.raises(StateError, match="key 1"):
        selection.chunks(300)


def test_a_header_comes_back():
    assert open_blob(b"key", seal_blob(b"key", HEAD, [b"body", b"more"])) == HEAD


def test_a_blob_under_another_key_is_damaged():
    with pytest.raises(StoreCorrupted, match="damaged"):
        open_blob(b"other", seal_blob(b"key", HEAD, []))


def test_a_blob_of_a_later_format_is_incompatible():
    blob = bytearray(seal_blob(b"key", HEAD, []))
    blob[2] = 2
    with pytest.raises(StoreIncompatible):
        open_blob(b"key", bytes(blob))


@pytest.mark.parametrize("blob", [b"", b"SF", b"x" * 100])
def test_other_values_are_no_blobs(blob):
    with pytest.raises(StoreCorrupted, match="not a blob"):
        open_blob(b"key", blob)


def test_a_blob_that_does_not_fit_the_columns_is_damaged():
    made = table(["a"])
    selection = Selection.take(made, np.arange(1), new=1)
    head = BlobHead(kind=BlobKind.PAGE, rows=1, first=0, keys=1, born=1, seq=1)
    blob = seal_blob(b"k", head, selection.parts(0, 1, with_slots=False))
    with pytest.raises(StoreCorrupted):
        read_body(blob, head, made.keys.types, SPECS[:1])
