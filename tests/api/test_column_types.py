"""Types, keys and names of columns."""

from typing import cast

import pyarrow as pa
import pytest

from streamframe.api.column_types import (
    check_columns,
    check_keys,
    column_type,
    is_key_type,
    is_list,
    micros,
    names_of,
    some_micros,
)
from streamframe.core.errors import PlanError

SCHEMA = pa.schema([("user", pa.large_string()), ("amount", pa.float64())])


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.uint64(), pa.bool_(), pa.large_string(), pa.large_binary(), pa.date32(), pa.timestamp("us", "UTC")],
)
def test_what_has_one_encoding_may_be_a_key(kind):
    assert is_key_type(kind)


@pytest.mark.parametrize(
    "kind", [pa.float64(), pa.float32(), pa.large_list(pa.int64()), pa.struct([("a", pa.int64())]), pa.duration("ms")]
)
def test_other_types_may_not(kind):
    assert not is_key_type(kind)


def test_a_type_is_written_in_many_ways():
    assert column_type("string", column="a", step="s") == pa.large_string()
    assert column_type(int, column="a", step="s") == pa.int64()
    assert column_type(pa.list_(pa.string()), column="a", step="s") == pa.large_list(pa.large_string())


def test_an_unknown_type_names_the_step():
    with pytest.raises(PlanError) as caught:
        column_type("strin", column="a", step="clicks-astype")

    assert caught.value.facts["step"] == "clicks-astype"


def test_a_missing_column_is_reported_with_all_that_exist():
    with pytest.raises(PlanError) as caught:
        check_columns(["user", "amuont"], SCHEMA, step="s")

    assert caught.value.facts == {"column": "amuont", "step": "s", "columns": ["user", "amount"]}
    with pytest.raises(PlanError, match="named by a string"):
        check_columns(cast("list[str]", [3]), SCHEMA, step="s")


def test_a_float_key_is_refused_with_a_way_out():
    with pytest.raises(PlanError) as caught:
        check_keys(["amount"], SCHEMA, step="s")

    assert ".assign(amount=lambda df: df['amount'].round().astype('int64'))" in str(caught.value)


def test_names_come_alone_or_together():
    assert [names_of(None), names_of("ab"), names_of(["a", "b"])] == [(), ("ab",), ("a", "b")]


def test_lists_are_recognised():
    assert is_list(pa.large_list(pa.int64()))
    assert not is_list(pa.large_string())


def test_lengths_of_time_are_microseconds():
    assert micros("1s", argument="grace", step="s") == 1_000_000
    assert some_micros(None, argument="grace", step="s") is None
    with pytest.raises(PlanError, match="must be positive"):
        some_micros("-1s", argument="grace", step="s")
