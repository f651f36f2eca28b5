"""Frames have the dtypes of the schema, whatever is in the batch, and share no memory with columns."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import PlanError
from streamframe.serde.pandas_frames import chosen_columns, empty_frame, from_pandas, schema_of, to_pandas

MORNING = datetime(2026, 1, 1, tzinfo=UTC)
POINT = pa.struct([("lat", pa.float64())])

# Type, two values, dtype when it may be null, dtype when it is required.
TYPES = {
    "string": (pa.large_string(), ["a", "é"], "str", "str"),
    "float64": (pa.float64(), [1.5, -2.5], "float64", "float64"),
    "float32": (pa.float32(), [1.5, -2.5], "float32", "float32"),
    "int64": (pa.int64(), [1, 2**53 + 1], "Int64", "int64"),
    "int8": (pa.int8(), [1, -2], "Int8", "int8"),
    "uint64": (pa.uint64(), [1, 2**64 - 1], "UInt64", "uint64"),
    "bool": (pa.bool_(), [True, False], "boolean", "bool"),
    "timestamp[ms]": (pa.timestamp("ms"), [MORNING, MORNING], "datetime64[ms]", "datetime64[ms]"),
    "timestamp[us, UTC]": (pa.timestamp("us", "UTC"), [MORNING, MORNING], *["datetime64[us, UTC]"] * 2),
    "timestamp[ns, zone]": (pa.timestamp("ns", "Europe/Berlin"), [MORNING] * 2, *["datetime64[ns, Europe/Berlin]"] * 2),
    "duration[us]": (pa.duration("us"), [timedelta(1), timedelta(2)], "timedelta64[us]", "timedelta64[us]"),
    "date": (pa.date32(), [date(2026, 1, 1), date(2026, 1, 2)], "datetime64[s]", "datetime64[s]"),
    "binary": (pa.large_binary(), [b"a", b"\xff"], "object", "object"),
    "decimal": (pa.decimal128(6, 2), [Decimal("1.50"), Decimal("2.00")], "object", "object"),
    "list": (pa.large_list(pa.int64()), [[1, 2], [3, 4]], "object", "object"),
    "struct": (POINT, [{"lat": 1.0}, {"lat": 2.0}], "object", "object"),
    "map": (pa.map_(pa.large_string(), pa.int64()), [{"a": 1}, {"b": 2}], "object", "object"),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, *_) in TYPES.items()])
REQUIRED = pa.schema([field.with_nullable(False) for field in SCHEMA])
NULLABLE_DTYPES = {name: nullable for name, (_, _, nullable, _) in TYPES.items()}
REQUIRED_DTYPES = {name: required for name, (_, _, _, required) in TYPES.items()}


def columns_of(*picks: int | None) -> dict[str, pa.Array]:
    """Each type's values at the positions; ``None`` is a null."""
    return {
        name: pa.array([None if pick is None else values[pick] for pick in picks], kind)
        for name, (kind, values, *_) in TYPES.items()
    }


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


@pytest.mark.parametrize("picks", [(), (0,), (None,), (0, None, 1), (0, 1)], ids=str)
def test_the_dtype_of_a_nullable_column_does_not_depend_on_its_values(picks):
    assert dtypes(to_pandas(columns_of(*picks), SCHEMA)) == NULLABLE_DTYPES


@pytest.mark.parametrize("picks", [(), (0,), (0, 1)], ids=str)
def test_a_required_column_has_the_plain_dtype(picks):
    assert dtypes(to_pandas(columns_of(*picks), REQUIRED)) == REQUIRED_DTYPES


def test_columns_may_be_null_when_no_schema_says_otherwise():
    assert dtypes(to_pandas(columns_of(0, 1))) == NULLABLE_DTYPES
    assert dtypes(to_pandas(pa.table(columns_of(0, 1)))) == NULLABLE_DTYPES
    assert dtypes(to_pandas(pa.table(columns_of(0, 1), schema=REQUIRED))) == REQUIRED_DTYPES


def test_an_empty_frame_has_the_dtypes_of_every_batch():
    assert dtypes(empty_frame(SCHEMA)) == NULLABLE_DTYPES
    assert dtypes(empty_frame(REQUIRED)) == REQUIRED_DTYPES
    assert len(empty_frame(SCHEMA)) == 0


def test_a_frame_is_plain():
    frame = to_pandas(columns_of(0, 1))
    assert isinstance(frame.index, pd.RangeIndex)
    assert list(frame.columns) == list(TYPES)
    assert frame.columns.dtype == "str"
    assert frame["list"].tolist() == [[1, 2], [3, 4]]
    assert frame["map"].tolist() == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("schema", [SCHEMA, REQUIRED], ids=["nullable", "required"])
@pytest.mark.parametrize("name", TYPES)
def test_a_frame_may_be_written_to_and_shares_nothing_with_columns(name, schema):
    columns = columns_of(0, 1)
    frame = to_pandas(columns, schema)
    returned = from_pandas(frame, schema)
    if name in ("list", "struct", "map"):
        frame[name].iloc[0].clear()
    else:
        frame.loc[frame.index == 0, name] = frame[name].iloc[1]
        assert frame[name].iloc[0] == frame[name].iloc[1]
    assert columns[name].equals(columns_of(0, 1)[name])
    assert returned[name].equals(columns_of(0, 1)[name])


def test_what_is_done_to_the_labels_of_a_frame_is_not_seen_by_the_next():
    columns = {"a": pa.array([1]), "b": pa.array(["x"], pa.large_string())}
    spoiled = to_pandas(columns)
    assert spoiled["b"].tolist() == ["x"]
    spoiled.columns.name = "mine"
    spoiled["c"] = 1
    spoiled.columns = ["b", "a", "c"]

    fresh = to_pandas(columns)

    assert fresh.columns.name is None
    assert fresh.columns.tolist() == ["a", "b"]
    assert fresh.columns.dtype == pd.DataFrame({"a": [1]}).columns.dtype
    assert fresh["a"].tolist() == [1]


def test_chosen_columns_are_those_of_the_schema_and_others_may_be_there():
    frame = pd.DataFrame({"x": ["a"], 7: [0], "n": [3.0]}, index=["row"])

    assert chosen_columns(frame, pa.schema([("n", pa.int64())])) == {"n": pa.array([3])}


def test_a_chosen_column_that_occurs_twice_is_an_error():
    frame = pd.DataFrame([[1, 2]], columns=["n", "n"])

    with pytest.raises(PlanError, match="a column occurs twice"):
        chosen_columns(frame, pa.schema([("n", pa.int64())]))


@given(st.lists(st.sampled_from([0, 1, None]), max_size=6))
def test_columns_come_back_as_they_were(picks):
    columns = columns_of(*picks)
    assert from_pandas(to_pandas(columns, SCHEMA), SCHEMA) == columns


@given(st.lists(st.floats(width=64) | st.none(), max_size=6))
def test_what_is_no_number_comes_back_as_null(values):
    columns = from_pandas(to_pandas({"x": pa.array(values, pa.float64())}))
    assert columns["x"].to_pylist() == [None if value is None or value != value else value for value in values]


def test_a_slice_of_columns_is_a_frame_of_the_slice():
    columns = {name: column.slice(1) for name, column in columns_of(0, None, 1).items()}
    assert from_pandas(to_pandas(columns), SCHEMA) == columns_of(None, 1)


# --- what users return ----------------------------------------------------------------------------


def test_the_index_is_ignored():
    frame = pd.DataFrame({"n": [1, 2, 3]})
    assert from_pandas(frame[frame["n"] > 1])["n"].to_pylist() == [2, 3]
    assert from_pandas(frame.set_axis(["a", "b", "c"]))["n"].to_pylist() == [1, 2, 3]


def test_the_schema_decides_the_order_of_the_columns():
    frame = pd.DataFrame({"a": [1], "b": [2.5]})
    assert list(from_pandas(frame, pa.schema([("b", pa.float64()), ("a", pa.int64())]))) == ["b", "a"]


def test_a_missing_or_undeclared_column_is_an_error_with_a_hint():
    schema = pa.schema([("amount", pa.float64())])
    with pytest.raises(PlanError, match="lacks a column") as caught:
        from_pandas(pd.DataFrame({"amuont": [1.0]}), schema)
    assert caught.value.hint == "did you mean 'amuont'?"
    with pytest.raises(PlanError, match="lacks a column") as caught:
        from_pandas(pd.DataFrame({"x": [1]}, index=pd.Index([1.0], name="amount")), schema)
    assert caught.value.hint == "it is in the index: call reset_index()"
    with pytest.raises(PlanError, match="not declared"):
        from_pandas(pd.DataFrame({"amount": [1.0], "x": [1]}), schema)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({1: [1]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "sum")])),
    ],
    ids=["number", "twice", "two levels"],
)
def test_names_must_be_distinct_texts(frame):
    for use in (from_pandas, schema_of):
        with pytest.raises(PlanError):
            use(frame)


def test_the_schema_of_a_frame_is_nullable_because_the_next_batch_may_have_nulls():
    frame = pd.DataFrame({"n": [1], "b": [True], "s": ["a"], "t": [pd.Timestamp("2026-01-01")], "l": [["x"]]})
    schema = schema_of(frame)
    assert schema.names == ["n", "b", "s", "t", "l"]
    assert all(field.nullable for field in schema)
    assert schema.field("s").type == pa.large_string()
    assert schema.field("l").type == pa.large_list(pa.large_string())


@given(st.sampled_from([SCHEMA, REQUIRED]))
def test_the_schema_of_a_frame_is_that_of_its_columns_where_pandas_keeps_it(schema):
    found = schema_of(to_pandas(columns_of(0, 1), schema))
    # An object column shows the least type of its values, a date is a time, and a mapping is taken for a struct.
    lost = {"decimal", "date", "map"}
    assert {field.name: field.type for field in found if field.name not in lost} == {
        field.name: field.type for field in schema if field.name not in lost
    }


def test_numpy_strings_and_integers_of_any_width_are_kept():
    frame = pd.DataFrame({"a": np.array([1], np.int16), "b": np.array([1.5], np.float32)})
    assert schema_of(frame).types == [pa.int16(), pa.float32()]
