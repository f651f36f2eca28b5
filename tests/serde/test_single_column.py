"""Raw and string payloads go through unchanged; text that is not UTF-8 is set aside alone."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import PlanError
from streamframe.serde.single_column import SingleColumnDecoder, SingleColumnEncoder, check_single_column

RAW = pa.schema([("value", pa.large_binary())])
TEXT = pa.schema([("line", pa.large_string())])


def test_raw_payloads_are_the_column():
    decoded = SingleColumnDecoder(RAW, ["value"]).decode([b"a", b"", b"\xff"])
    assert decoded.columns["value"].to_pylist() == [b"a", b"", b"\xff"]
    assert decoded.rows is None


def test_null_values_are_no_rows():
    decoded = SingleColumnDecoder(RAW, ["value"]).decode([None, b"a", None])
    assert decoded.columns["value"].to_pylist() == [b"a"]
    assert decoded.null_rows.tolist() == [0, 2]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [1]


def test_text_that_is_not_utf8_is_set_aside_alone():
    decoded = SingleColumnDecoder(TEXT, ["line"]).decode(["é".encode(), b"\xff", None, b"b", b"\xed\xa0\x80"])
    assert decoded.columns["line"].to_pylist() == ["é", "b"]
    assert decoded.columns["line"].type == pa.large_string()
    assert [(error.row, error.kind) for error in decoded.errors] == [(1, "utf8"), (4, "utf8")]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [0, 3]
    assert decoded.null_rows.tolist() == [2]


def test_without_the_column_in_use_rows_are_still_counted():
    decoded = SingleColumnDecoder(TEXT, []).decode([b"a", b"\xff"])
    assert decoded.columns == {}
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [0]


@given(st.lists(st.none() | st.binary(max_size=4), max_size=8))
def test_a_batch_of_text_decodes_as_its_records_do_one_at_a_time(values):
    decoder = SingleColumnDecoder(TEXT, ["line"])
    together = decoder.decode(values)
    alone = [decoder.decode([value]) for value in values]
    assert together.columns["line"].to_pylist() == [x for one in alone for x in one.columns["line"].to_pylist()]
    assert [error.row for error in together.errors] == [row for row, one in enumerate(alone) if one.errors]


@given(st.lists(st.none() | st.binary(max_size=4), max_size=8))
def test_raw_payloads_are_written_as_they_came(values):
    assert SingleColumnEncoder(RAW).encode({"value": pa.array(values, pa.large_binary())}) == values


def test_text_is_written_as_utf8_and_null_as_a_tombstone():
    assert SingleColumnEncoder(TEXT).encode({"line": pa.array(["é", None], pa.large_string())}) == ["é".encode(), None]


@pytest.mark.parametrize("schema", [TEXT, pa.schema([*RAW, *TEXT])], ids=["another type", "two columns"])
def test_another_schema_is_refused_with_a_hint(schema):
    with pytest.raises(PlanError, match="the raw serde carries one binary column") as caught:
        check_single_column("raw", schema, pa.large_binary())
    assert caught.value.hint == "schema={'value': 'binary'}, or select one binary column before to_topic"
    check_single_column("raw", RAW, pa.large_binary())
