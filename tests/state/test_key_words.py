"""Keys as words: the hash is stable, and depends on the value of a key only."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import PlanError
from streamframe.state.key_words import LONG_BYTES, hash_keys, key_type, normalise

TEXT = st.text(max_size=40) | st.sampled_from(["", "a", "a\0", "x" * LONG_BYTES, "x" * (LONG_BYTES + 1), "y" * 1000])


def hashes(values, kind):
    return hash_keys([pa.array(values, kind)]).tolist()


def written_down(*parts):
    """The hash as docs/format.md describes it, one value at a time."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        for word in words_of(part):
            state = (state ^ word) * 0xFF51AFD7ED558CCD % 2**64
            state ^= state >> 32
    state = state * 0xD6E8FEB86659FD93 % 2**64
    return state ^ state >> 29


def words_of(part):
    if part is None:
        return [0xA0761D6478BD642F]
    if isinstance(part, float):
        return [0x7FF8000000000000 if part != part else struct.unpack("<Q", struct.pack("<d", part + 0.0))[0]]
    if isinstance(part, int):
        return [part % 2**64]
    raw = part.encode() if isinstance(part, str) else part
    stored = hashlib.blake2b(raw, digest_size=32).digest() if len(raw) > 256 else raw + bytes(-len(raw) % 8)
    return [len(raw), *struct.unpack(f"<{len(stored) // 8}Q", stored)]


def test_hashes_are_the_ones_written_down_for_ever():
    # These numbers decide the partition of records that are already in topics. Never change them.
    golden = [
        0x7CD970CA155AC913,
        0x0A9DF83D3D48FF6D,
        0x8E51A68CF53ABDE5,
        0x096A81084754FD91,
        0xFC1514EE6E371FF2,
        0x90E63C5B6697F9DE,
        0x7CD970CA155AC913,
        0x27978E72EFE57835,
        0x18F137B41E04B346,
        0x1AC4941601CDEFEA,
        0xC12E14B41E99EACC,
        0x12AAE9D83ED52FD9,
        0x891088AF2713F40C,
    ]
    texts = hashes(["", "a", "user-1", "x" * 8, "x" * 257, None], pa.string())
    numbers = hashes([0, 1, -1], pa.int64()) + hashes([1.5, float("nan")], pa.float64())
    pairs = hash_keys([pa.array(["de", None]), pa.array([7, 8])]).tolist()
    assert texts + numbers + pairs == golden


@given(st.lists(st.tuples(TEXT | st.none(), st.integers(-(2**63), 2**63 - 1) | st.none(), st.floats()), max_size=20))
def test_hashes_follow_their_description(rows):
    columns = [
        pa.array([row[i] for row in rows], kind) for i, kind in enumerate((pa.string(), pa.int64(), pa.float64()))
    ]
    assert hash_keys(columns).tolist() == [written_down(*row) for row in rows]


@given(st.lists(TEXT | st.none(), max_size=30), st.integers(0, 5))
def test_a_text_hash_does_not_depend_on_its_neighbours_or_on_the_storage(values, skip):
    alone = [hashes([value], pa.string())[0] for value in values]
    plain = pa.array(values, pa.string())
    for column in (plain, plain.cast(pa.large_string()), plain.dictionary_encode(), plain.cast(pa.string_view())):
        assert hash_keys([column.slice(skip)]).tolist() == alone[skip:]


@given(st.lists(st.binary(max_size=300) | st.none(), max_size=20))
def test_bytes_hash_as_the_same_text_does(values):
    text = [None if value is None else value.decode("latin-1").encode("ascii", "replace") for value in values]
    assert hashes(text, pa.binary()) == hashes([v if v is None else v.decode() for v in text], pa.string())


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint64()])
def test_integers_of_every_width_hash_by_value(kind):
    assert hashes([0, 5, 127, None], kind) == hashes([0, 5, 127, None], pa.int64())


def test_equal_floats_have_equal_hashes():
    strange_nan = np.array([0x7FF8000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    assert len(set(hashes([float("nan"), *strange_nan], pa.float64()))) == 1
    assert len(set(hashes([0.0, -0.0], pa.float64()))) == 1
    assert hashes([1.5, None], pa.float32()) == hashes([1.5, None], pa.float64())


def test_instants_hash_the_same_in_every_unit():
    moment = datetime.datetime(2024, 5, 17, 12, 30, 1, tzinfo=datetime.UTC)
    units = [pa.timestamp(unit, "UTC") for unit in ("s", "ms", "us", "ns")]
    assert len({hashes([moment], kind)[0] for kind in units}) == 1
    day = datetime.date(1969, 12, 30)
    assert hashes([day], pa.date32()) == hashes([day], pa.date64())


def test_hashes_of_pairs_know_where_one_text_ends():
    first, second = hash_keys([pa.array(["ab", "a"]), pa.array(["c", "bc"])]).tolist()
    assert first != second


def test_hashes_spread_evenly_over_partitions():
    numbers = np.arange(20_000)
    texts = [[f"u{i}" for i in range(20_000)], [f"{i % 100:08d}{i // 100:08d}" for i in range(20_000)]]
    for keys in (numbers, numbers * 4096, numbers / 4, *texts):
        counts = np.bincount(hash_keys([pa.array(keys)]) % np.uint64(16), minlength=16)
        assert counts.min() > 1100
        assert counts.max() < 1400


def test_decimals_and_fixed_bytes_can_be_keys():
    values = [decimal.Decimal("1.10"), decimal.Decimal("-3.00"), None]
    assert len(set(hashes(values, pa.decimal128(10, 2)))) == 3
    assert len(set(hashes([b"abc", b"abd", None], pa.binary(3)))) == 3


def test_lists_cannot_be_keys():
    with pytest.raises(PlanError, match="cannot be a key"):
        key_type(pa.list_(pa.int64()))


def test_remembered_types_have_64_bit_offsets_and_no_dictionaries():
    column = pa.array(["a", None, "a"]).dictionary_encode()
    assert key_type(column.type) == pa.large_string()
    assert normalise(column).to_pylist() == ["a", None, "a"]
