"""Keys get the same slots, in the same order, with the same words, whichever path looks them up."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamframe_native import gather_texts

from streamframe.state.key_table import KeyTable


class NumpyKeyTable(KeyTable):
    """A table that never asks the native path."""

    def _slots_natively(self, columns, *, insert):
        return None


def lists(table: KeyTable) -> list[list[object]]:
    keys = table.keys()
    return [column.to_pylist() for column in keys]


TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "b", "12345678", "123456789", "x" * 256]), st.text(max_size=20))
LONG = st.one_of(TEXT, st.sampled_from(["y" * 257, "z" * 400]))
NUMBER = st.one_of(st.none(), st.integers(-3, 3))
KINDS = {"text": (pa.large_string(), TEXT), "long": (pa.large_string(), LONG), "number": (pa.int64(), NUMBER)}


@st.composite
def streams(draw):
    names = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=3))
    row = st.tuples(*(KINDS[name][1] for name in names))
    rows = draw(st.lists(st.lists(row, min_size=1, max_size=30), min_size=1, max_size=4))
    types = [KINDS[name][0] for name in names]
    batches = [
        [pa.array([None, *column], kind).slice(1) for kind, column in zip(types, zip(*batch, strict=True), strict=True)]
        for batch in rows
    ]
    return types, batches


@given(streams())
def test_both_give_the_same_slots_and_remember_the_same_words(stream):
    types, batches = stream
    fast, slow = KeyTable(types), NumpyKeyTable(types)
    for batch in batches:
        assert fast.find(batch).tolist() == slow.find(batch).tolist()
        assert fast.find_or_insert(batch).tolist() == slow.find_or_insert(batch).tolist()
        assert lists(fast) == lists(slow)
    if fast._rows is not None and slow._rows is not None:
        assert fast._rows._arena[: fast._rows._end].tolist() == slow._rows._arena[: slow._rows._end].tolist()
    assert fast._index.codes.tolist() == slow._index.codes.tolist()


def test_a_table_grows_through_many_batches():
    fast, slow = KeyTable([pa.large_string()]), NumpyKeyTable([pa.large_string()])
    for start in range(0, 60_000, 7_500):
        batch = [
            pa.array([f"user-{number * 7919 % 50_000}" for number in range(start, start + 10_000)], pa.large_string())
        ]
        assert (fast.find_or_insert(batch) == slow.find_or_insert(batch)).all()
    assert len(fast) == len(slow)


@given(st.lists(st.binary(max_size=40), max_size=30), st.randoms())
def test_texts_are_gathered_in_any_order(texts, random):
    starts, words = [], b""
    for text in texts:
        starts.append(len(words) // 8)
        words += text + bytes(-len(text) % 8)
    arena = np.frombuffer(words, "<u8").astype(np.uint64)
    order = random.choices(range(len(texts)), k=2 * len(texts)) if texts else []
    chosen = np.array([starts[row] for row in order], np.int64)
    lengths = np.array([len(texts[row]) for row in order], np.int64)
    assert gather_texts(arena, chosen, lengths) == b"".join(texts[row] for row in order)


@pytest.mark.parametrize(("start", "length"), [(0, 17), (1, 9), (2, 1), (-1, 1), (0, -1), (3, 0)])
def test_no_text_is_gathered_from_outside_the_arena(start, length):
    with pytest.raises(IndexError):
        gather_texts(np.zeros(2, np.uint64), np.array([start]), np.array([length]))
