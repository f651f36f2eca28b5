"""Keys are equal exactly when the values are."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.serde.keys import encode_keys


@pytest.mark.parametrize(
    ("values", "kind", "keys"),
    [
        (["a", "é", "", None], pa.large_string(), [b"a", "é".encode(), b"", None]),
        ([b"\xff", None], pa.large_binary(), [b"\xff", None]),
        ([0, -17, 2**63 - 1, None], pa.int64(), [b"0", b"-17", b"9223372036854775807", None]),
        ([2**64 - 1], pa.uint64(), [b"18446744073709551615"]),
        ([True, False, None], pa.bool_(), [b"true", b"false", None]),
        ([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None], pa.timestamp("ms", "UTC"), [b"1000", None]),
        ([7, None], pa.duration("us"), [b"7", None]),
        ([date(2026, 1, 31), None], pa.date32(), [b"2026-01-31", None]),
        ([Decimal("1.5"), None], pa.decimal128(6, 2), [b"1.50", None]),
        ([1.5, -0.0, 0.0, float("nan"), None], pa.float64(), [b"1.5", b"0.0", b"0.0", None, None]),
        ([[1, None], None], pa.large_list(pa.int64()), [b"[1,null]", None]),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else "",
)
def test_one_column_is_its_plain_text(values, kind, keys):
    assert encode_keys([pa.array(values, kind)]) == keys


def test_several_columns_are_a_json_array():
    columns = [
        pa.array(["DE", None], pa.large_string()),
        pa.array([17, None]),
        pa.array([-0.0, float("nan")]),
        pa.array([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None], pa.timestamp("ms")),
    ]
    assert encode_keys(columns) == [b'["DE",17,0.0,1000]', b"[null,null,null,null]"]


def test_no_rows_have_no_keys():
    assert encode_keys([pa.array([], pa.int64())]) == []
    assert encode_keys([pa.array([], pa.int64()), pa.array([], pa.large_string())]) == []


TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=4)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
def test_keys_are_equal_exactly_when_the_values_are(rows):
    keys = encode_keys([pa.array(values, pa.large_string()) for values in zip(*rows, strict=True)]) if rows else []
    assert [tuple(msgspec.json.decode(key or b"")) for key in keys] == rows


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8))
def test_integer_keys_are_what_str_says(values):
    assert encode_keys([pa.array(values, pa.int64())]) == [
        None if value is None else str(value).encode() for value in values
    ]
