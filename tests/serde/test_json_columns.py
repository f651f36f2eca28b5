"""A column is built with its type, and what does not fit is named and null."""

import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from streamframe.serde.json_columns import json_column, json_member_names


def build(kind: pa.DataType, values: list[object]) -> tuple[list[object], list[tuple[int, str]]]:
    array, bad = json_column(pa.field("x", kind)).build(values)
    assert array.type == kind
    assert len(array) == len(values)
    return array.to_pylist(), [(row, why) for row, why, _ in bad]


def test_a_refused_value_is_null_in_the_column_and_named():
    assert build(pa.int8(), [1, 200, None, -200]) == ([1, None, None, None], [(1, "range"), (3, "range")])
    assert build(pa.timestamp("ms"), ["?", None]) == ([None, None], [(0, "time")])
    assert build(pa.list_(pa.int64(), 2), [[1, 2], [1]]) == ([[1, 2], None], [(1, "range")])


def test_a_column_of_nulls_has_its_type():
    for kind in (pa.int8(), pa.float32(), pa.timestamp("us"), pa.large_string(), pa.map_(pa.large_string(), pa.int8())):
        assert build(kind, [None, None]) == ([None, None], [])
        assert build(kind, []) == ([], [])


def test_the_message_quotes_no_more_than_a_line_of_the_value():
    _, [(_, _, message)] = json_column(pa.field("x", pa.timestamp("us"))).build(["?" * 10_000])
    assert len(message) < 200


def test_integers_of_a_nested_column_carry_their_bounds():
    column = json_column(pa.field("x", pa.large_list(pa.uint64())))
    assert column.build([[2**64 - 1]])[0].to_pylist() == [[2**64 - 1]]
    assert column.build([[2**64]])[1][0][1] == "range"


@pytest.mark.parametrize(
    "kind",
    [pa.time64("us"), pa.map_(pa.int64(), pa.int64()), pa.large_list(pa.time32("s")), pa.month_day_nano_interval()],
    ids=str,
)
def test_a_type_without_a_json_form_is_refused(kind):
    with pytest.raises(PlanError, match="no representation"):
        json_column(pa.field("x", kind))


def test_members_are_numbered_so_that_any_name_will_do():
    assert json_member_names(["class", "a b"]) == {"f0": "class", "f1": "a b"}
    with pytest.raises(PlanError, match="not possible"):
        json_member_names(['a"b'])
