"""Sections of blobs: columns come back as they were, and a short blob is noticed."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import StoreCorrupted
from streamframe.state.column_bytes import (
    Cursor,
    decode_key,
    decode_text,
    decode_values,
    encode_key,
    encode_text,
    text_column,
    text_lengths,
)
from streamframe.state.columns import ColumnSpec
from streamframe.state.key_words import normalise

COLUMNS = [
    (pa.string(), st.text(max_size=300)),
    (pa.binary(), st.binary(max_size=5)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.bool_(), st.booleans()),
    (pa.date32(), st.dates()),
    (pa.timestamp("us", "UTC"), st.datetimes(datetime.datetime(1, 1, 2), timezones=st.just(datetime.UTC))),  # noqa: DTZ001
    (pa.decimal128(9, 2), st.decimals(-999, 999, places=2)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
]


@given(
    st.sampled_from(COLUMNS).flatmap(lambda c: st.tuples(st.just(c[0]), st.lists(st.none() | c[1], max_size=20))),
    st.integers(0, 9),
)
def test_key_columns_come_back(case, skip):
    kind, values = case
    column = normalise(pa.array(values, kind)).slice(skip)
    blob = b"".join(encode_key(column))
    cursor = Cursor(b"head" + blob, 4)
    back = decode_key(cursor, column.type, len(column))
    cursor.finish()
    back.validate(full=True)
    assert back.to_pylist() == column.to_pylist()


@given(
    st.lists(st.none() | st.binary(max_size=3) | st.sampled_from([b"x" * 254, b"x" * 255, b"x" * 65535]), max_size=9)
)
def test_text_of_every_length_comes_back(values):
    column = text_column(ColumnSpec("c", "binary"), np.array([*values, None], object)[:-1])
    assert text_lengths(column).tolist() == [len(value or b"") for value in values]
    cursor = Cursor(b"".join(encode_text(column)), 0)
    assert decode_text(cursor, column.type, len(values)).to_pylist() == values
    cursor.finish()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int64", [1, -1]),
        ("float64", [0.5, float("inf")]),
        ("bool", [True, False]),
        ("string", ["é", None]),
        ("binary", [b"", b"a"]),
    ],
)
def test_accumulators_come_back(kind, values):
    spec = ColumnSpec("c", kind)
    column = np.array(values, spec.dtype)
    parts = encode_text(text_column(spec, column)) if spec.dtype.hasobject else [column.data]
    back = decode_values(Cursor(b"".join(parts), 0), spec, 2)
    assert back.dtype == spec.dtype
    assert back.tolist() == values


def test_a_section_that_ends_too_early_is_damage():
    blob = b"".join(encode_key(pa.array(["abc", "de"], pa.large_string())))
    for size in range(len(blob)):
        with pytest.raises(StoreCorrupted):
            decode_key(Cursor(blob[:size], 0), pa.large_string(), 2)


def test_what_is_left_over_is_damage():
    with pytest.raises(StoreCorrupted, match="too long"):
        Cursor(b"x", 0).finish()


def test_a_strange_width_of_lengths_is_damage():
    with pytest.raises(StoreCorrupted, match="strange width"):
        decode_text(Cursor(b"\x03", 0), pa.large_string(), 0)


def test_decimals_keep_their_scale():
    column = pa.array([decimal.Decimal("1.20"), None], pa.decimal128(9, 2))
    assert decode_key(Cursor(b"".join(encode_key(column)), 0), column.type, 2).equals(column)
