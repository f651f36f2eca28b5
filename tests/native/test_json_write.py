"""The native writer of JSON writes the bytes of the pure one."""

import struct

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.serde.json_encode import JsonEncoder
from streamframe.serde.json_native import NativeJsonEncoder, json_encoder

KINDS = {
    pa.large_string(): st.text(),
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(1 << 63), (1 << 63) - 1),
    pa.uint64(): st.integers(0, (1 << 64) - 1),
    pa.float64(): st.one_of(st.floats(), st.binary(min_size=8, max_size=8).map(lambda b: struct.unpack("<d", b)[0])),
    pa.bool_(): st.booleans(),
    pa.timestamp("ms"): st.integers(-(1 << 62), 1 << 62),
    pa.duration("us"): st.integers(-(1 << 62), 1 << 62),
}


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 6))
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=5))
    columns = {}
    for number, kind in enumerate(kinds):
        values = draw(st.lists(st.none() | KINDS[kind], min_size=rows + 1, max_size=rows + 1))
        # A slice: columns of the engine are often part of a longer one.
        columns[draw(st.sampled_from(["", "é", "name"])) + str(number)] = pa.array(values, kind).slice(1)
    return columns


@given(tables())
def test_both_write_the_same_bytes(columns):
    schema = pa.schema([(name, column.type) for name, column in columns.items()])
    fast = json_encoder(schema)
    assert isinstance(fast, NativeJsonEncoder)
    assert list(fast.encode(columns)) == JsonEncoder(schema).encode(columns)


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.0, 1e15, 1e16, 123456789012345680.0, 1e17, 1e21, 1e22, 0.001, 1e-5, 1e-6, 1e-7, 5e-324]
)
def test_floats_have_one_form(value):
    schema = pa.schema([("x", pa.float64())])
    columns = {"x": pa.array([value, -value])}
    assert list(json_encoder(schema).encode(columns)) == JsonEncoder(schema).encode(columns)


def test_iso_times_and_nested_columns_are_written_by_the_pure_encoder():
    assert isinstance(json_encoder(pa.schema([("t", pa.timestamp("ms"))]), iso=True), JsonEncoder)
    assert isinstance(json_encoder(pa.schema([("l", pa.large_list(pa.int64()))])), JsonEncoder)
