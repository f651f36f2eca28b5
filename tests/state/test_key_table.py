"""KeyTable equals a dict, whatever the types, the hash and the cuts of the batches."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.state.key_table import KeyTable
from streamframe.state.key_words import LONG_BYTES, hash_words

TEXT = st.sampled_from(["", "a", "a\0", "ab", "é", "12345678", "123456789"]) | st.text(max_size=20)
LONG_TEXT = st.integers(0, 5).map(lambda i: "x" * (LONG_BYTES + i)) | TEXT
VALUES = {
    "int64": (pa.int64(), st.integers(-3, 40) | st.integers(-(2**63), 2**63 - 1)),
    "int32": (pa.int32(), st.integers(-100, 100)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "bool": (pa.bool_(), st.booleans()),
    "float": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf]) | st.floats()),
    "time": (pa.timestamp("us", "UTC"), st.integers(-(10**15), 10**15)),
    "day": (pa.date32(), st.integers(-1000, 1000)),
    "text": (pa.string(), TEXT),
    "long": (pa.string(), LONG_TEXT),
    "bytes": (pa.binary(), st.binary(max_size=20)),
    "three": (pa.binary(3), st.binary(min_size=3, max_size=3)),
}


def bad_hash(columns):
    return hash_words(columns) & np.uint64(3)


def same_key(row):
    return tuple(
        "nan" if isinstance(v, float) and math.isnan(v) else (0.0 if v == 0 and isinstance(v, float) else v)
        for v in row
    )


@st.composite
def batches(draw):
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3))
    kinds = [VALUES[name][0] for name in names]
    row = st.tuples(*(st.none() | VALUES[name][1] for name in names))
    pool = draw(st.lists(row, min_size=1, max_size=30))
    rows = st.lists(st.sampled_from(pool), max_size=120)
    return kinds, draw(st.lists(rows, max_size=5)), draw(st.lists(row, max_size=5))


def columns(kinds, rows):
    return [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds)]


@pytest.mark.parametrize("hash_function", [hash_words, bad_hash], ids=["hash", "bad hash"])
@given(batches())
def test_equals_a_dict(hash_function, case):
    kinds, cuts, strangers = case
    table = KeyTable(kinds, hash_function=hash_function)
    model: dict[tuple, int] = {}
    for rows in cuts:
        slots = table.find_or_insert(columns(kinds, rows)).tolist()
        keys = [same_key(row) for row in zip(*(c.to_pylist() for c in columns(kinds, rows)), strict=True)]
        if hash_function is hash_words and "x" * LONG_BYTES not in str(rows):
            for key in keys:
                model.setdefault(key, len(model))
            assert slots == [model[key] for key in keys]
        for key, slot in zip(keys, slots, strict=True):
            assert model.setdefault(key, slot) == slot
    assert sorted(model.values()) == list(range(len(table)))
    found = table.find(columns(kinds, strangers)).tolist()
    keys = [same_key(row) for row in zip(*(c.to_pylist() for c in columns(kinds, strangers)), strict=True)]
    assert found == [model.get(key, -1) for key in keys]

    stored = table.keys()
    remembered = [same_key(row) for row in zip(*(c.to_pylist() for c in stored), strict=True)]
    assert remembered == sorted(model, key=model.__getitem__)
    for column in stored:
        column.validate(full=True)
    some = np.arange(len(table))[::-2]
    assert [same_key(c.take(pa.array(some)).to_pylist()) for c in stored] == [
        same_key(c.to_pylist()) for c in table.keys(some)
    ]

    again = KeyTable(kinds, hash_function=hash_function)
    middle = len(table) // 2
    again.append([c.slice(0, middle) for c in stored])
    again.append([c.slice(middle) for c in stored])
    assert again.find_or_insert(stored).tolist() == list(range(len(table)))
    loaded = again.keys()
    assert repr([c.to_pylist() for c in loaded]) == repr([c.to_pylist() for c in stored])


def natural(row):
    """A key of this row's order: ascending, NaN after numbers, nulls last; text by code points, as its bytes are."""
    return [
        (2, 0) if v is None else (1, 0) if isinstance(v, float) and math.isnan(v) else (0, v)
        for v in (v.encode() if isinstance(v, str) else v for v in row)
    ]


@pytest.mark.parametrize("hash_function", [hash_words, bad_hash], ids=["hash", "bad hash"])
@given(batches(), st.data())
def test_keys_are_ordered_as_their_values_are(hash_function, case, data):
    kinds, cuts, _ = case
    table = KeyTable(kinds, hash_function=hash_function)
    for rows in cuts:
        table.find_or_insert(columns(kinds, rows))
    slots = np.array(data.draw(st.permutations(range(len(table)))), np.intp)
    slots = slots[: data.draw(st.integers(0, len(table)))]

    ordered = slots[table.order(slots)]

    stored = table.keys()
    keys = list(zip(*(column.to_pylist() for column in stored), strict=True))
    assert ordered.tolist() == sorted(slots.tolist(), key=lambda slot: natural(keys[slot]))


@given(st.text(max_size=40), st.lists(TEXT, unique=True))
def test_texts_with_a_long_common_beginning_are_ordered(beginning, endings):
    table = KeyTable([pa.string()])
    slots = table.find_or_insert([pa.array([beginning + ending for ending in endings], pa.string())])

    assert table.keys(slots[table.order(slots)])[0].to_pylist() == sorted(beginning + ending for ending in endings)


@pytest.mark.parametrize("kind", ["int", "text", "both"])
@pytest.mark.parametrize("hash_bits", [64, 10])
def test_large_tables_find_every_key_again(kind, hash_bits):
    random = np.random.default_rng(1)
    table = KeyTable(
        {"int": [pa.int64()], "text": [pa.string()], "both": [pa.int64(), pa.string()]}[kind],
        hash_function=lambda parts: hash_words(parts) & np.uint64(2**hash_bits - 1),
    )
    model: dict[int, int] = {}
    for _ in range(12):
        numbers = random.integers(0, 6000, 2000)
        texts = [f"k{number}" * (1 + number % 4) for number in numbers.tolist()]
        batch = {"int": [pa.array(numbers)], "text": [pa.array(texts)], "both": [pa.array(numbers), pa.array(texts)]}
        for number, slot in zip(numbers.tolist(), table.find_or_insert(batch[kind]).tolist(), strict=True):
            assert model.setdefault(number, slot) == slot
    assert sorted(model.values()) == list(range(len(table)))


def test_slots_are_given_in_order_of_first_appearance():
    table = KeyTable([pa.int64()])
    assert table.find_or_insert([pa.array([7, 7, None, 3, 7, None, 9])]).tolist() == [0, 0, 1, 2, 0, 1, 3]


def test_values_of_a_dictionary_that_no_row_uses_are_not_inserted():
    table = KeyTable([pa.string()])
    column = pa.DictionaryArray.from_arrays(pa.array([2, 0, 2]), pa.array(["a", "never", "c"]))
    assert table.find_or_insert([column]).tolist() == [0, 1, 0]
    assert table.keys()[0].to_pylist() == ["c", "a"]


def test_finding_in_an_empty_table_finds_nothing():
    for kinds in ([pa.int64()], [pa.string()], [pa.string(), pa.bool_()]):
        assert KeyTable(kinds).find([pa.nulls(2, kind) for kind in kinds]).tolist() == [-1, -1]


def test_memory_grows_with_the_keys():
    table = KeyTable([pa.string()])
    small = table.nbytes
    table.find_or_insert([pa.array([f"user-{i}" for i in range(10_000)])])
    assert small + 10_000 * 16 < table.nbytes < small + 10_000 * 120
