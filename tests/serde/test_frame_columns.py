"""What users return becomes columns where nothing is lost, and a clear error where something would be."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from streamframe.serde.frame_columns import fitted, inner_column

TEXT = pa.large_string()


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (pd.Series([1, 2]), pa.array([1, 2])),
        (pd.Series([1.5, np.nan]), pa.array([1.5, None])),
        (pd.Series([True, False]), pa.array([True, False])),
        (pd.Series([1, None], dtype="Int32"), pa.array([1, None], pa.int32())),
        (pd.Series([True, None], dtype="boolean"), pa.array([True, None])),
        (pd.Series([1.5, None], dtype="Float64"), pa.array([1.5, None])),
        (pd.Series(["a", None]), pa.array(["a", None], TEXT)),
        (pd.Series(["a", pd.NA], dtype="string"), pa.array(["a", None], TEXT)),
        (pd.Series(["a", None], dtype="string[python]"), pa.array(["a", None], TEXT)),
        (pd.Series(["a", None], dtype=object), pa.array(["a", None], TEXT)),
        (pd.Series(["a", np.nan, pd.NA, pd.NaT], dtype=object), pa.array(["a", None, None, None], TEXT)),
        (pd.Series([], dtype=object), pa.array([], TEXT)),
        (pd.Series([None, None], dtype=object), pa.array([None, None], TEXT)),
        (pd.Series([b"a"], dtype=object), pa.array([b"a"], pa.large_binary())),
        (pd.Series([["a"], None, []]), pa.array([["a"], None, []], pa.large_list(TEXT))),
        (pd.Series([{"a": "x"}]), pa.array([{"a": "x"}], pa.struct([("a", TEXT)]))),
        (pd.Series([date(2026, 1, 1)], dtype=object), pa.array([date(2026, 1, 1)])),
        (pd.Series(["b", "a", None, "b"], dtype="category"), pa.array(["b", "a", None, "b"], TEXT)),
        (pd.Series([2, 1, 2]).astype("category"), pa.array([2, 1, 2])),
        (pd.Series(pd.cut([1.0], [0, 2], labels=["low"])), pa.array(["low"], TEXT)),
        (pd.Series([1, None], dtype=pd.ArrowDtype(pa.int8())), pa.array([1, None], pa.int8())),
        (pd.Series(["a"], dtype=pd.ArrowDtype(pa.string())), pa.array(["a"], TEXT)),
        (pd.Series([], dtype=pd.ArrowDtype(pa.string())), pa.array([], TEXT)),
        (pd.concat([pd.Series(["a"]), pd.Series(["b"])]), pa.array(["a", "b"], TEXT)),
        (pd.Series([pd.Timestamp(0, unit="ms"), pd.NaT]).dt.as_unit("ms"), pa.array([0, None], pa.timestamp("ms"))),
        (
            pd.Series([pd.Timestamp(0, unit="us", tz="Asia/Tokyo")]).dt.as_unit("us"),
            pa.array([0], pa.timestamp("us", "Asia/Tokyo")),
        ),
        (pd.Series([pd.Timedelta(1, unit="s"), pd.NaT]).dt.as_unit("s"), pa.array([1, None], pa.duration("s"))),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pd.Series) else "",
)
def test_a_column_keeps_its_type(series, expected):
    result = inner_column(series)
    assert result.type == expected.type
    assert result.equals(expected)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, "a"], dtype=object),
        pd.Series([object()]),
        pd.Series([1 + 2j]),
        pd.Series(pd.period_range("2026", periods=1, freq="M")),
        pd.Series(pd.arrays.SparseArray([0, 1])),
        pd.Series(pd.interval_range(0, 1)),
    ],
    ids=["mixed", "object", "complex", "period", "sparse", "interval"],
)
def test_what_streams_cannot_carry_is_an_error_that_names_the_column(series):
    with pytest.raises(PlanError) as caught:
        inner_column(series.rename("amount"))
    assert caught.value.facts["column"] == "amount"
    assert caught.value.hint


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64", "datetime64[us]", "str"])
def test_values_are_copied(dtype):
    series = pd.Series([1, 2]).astype(dtype)
    column = inner_column(series)
    before = column.to_pylist()
    series.iloc[0] = series.iloc[1]
    assert column.to_pylist() == before


def test_a_column_from_numpy_does_not_share_memory_with_it():
    values = np.array([1, 2, 3])
    column = inner_column(pd.Series(values, copy=False))
    values[0] = 99
    assert column.to_pylist() == [1, 2, 3]


def test_object_values_that_do_not_show_their_type_take_the_declared_one():
    kind = pa.map_(TEXT, pa.int64())
    assert inner_column(pd.Series([{"a": 1}]), kind).to_pylist() == [[("a", 1)]]
    assert inner_column(pd.Series([], dtype=object), pa.int64()).type == pa.int64()
    assert inner_column(pd.Series([None], dtype=object), pa.int64()).to_pylist() == [None]


# --- fit ------------------------------------------------------------------------------------------


def fit(array: pa.Array, kind: pa.DataType, *, nullable: bool = True) -> list[object]:
    result = fitted(array, pa.field("x", kind, nullable))
    assert result.type == kind
    return result.to_pylist()


def test_whole_floats_become_integers_and_others_are_refused():
    assert fit(pa.array([3.0, None]), pa.int64()) == [3, None]
    with pytest.raises(PlanError, match="do not fit"):
        fit(pa.array([3.5]), pa.int64())
    with pytest.raises(PlanError, match="do not fit"):
        fit(pa.array([300]), pa.int8())
    with pytest.raises(PlanError, match="do not fit"):
        fit(pa.array([float("inf")]), pa.int64())


def test_integers_become_floats():
    assert fit(pa.array([2**53 + 1, None]), pa.float64()) == [float(2**53), None]


def test_times_are_rounded_down_to_the_declared_unit():
    micros = pa.array([1_999, -1, None], pa.timestamp("us"))
    assert fitted(micros, pa.field("x", pa.timestamp("ms"))).view(pa.int64()).to_pylist() == [1, -1, None]
    assert fitted(micros, pa.field("x", pa.timestamp("ns"))).view(pa.int64()).to_pylist() == [1_999_000, -1_000, None]
    durations = pa.array([1_999, -1], pa.duration("us"))
    assert fitted(durations, pa.field("x", pa.duration("ms"))).view(pa.int64()).to_pylist() == [1, -1]


def test_a_zone_changes_no_instant():
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    zoned = pa.array([moment], pa.timestamp("us", "Asia/Tokyo"))
    assert fit(zoned, pa.timestamp("us")) == [moment.replace(tzinfo=None)]
    assert fit(zoned, pa.timestamp("ms", "UTC")) == [moment]


def test_a_time_too_far_for_its_unit_is_refused():
    with pytest.raises(PlanError, match="do not fit"):
        fit(pa.array([2**62], pa.timestamp("s")), pa.timestamp("us"))


def test_midnights_become_dates():
    assert fit(pa.array([86_400, None], pa.timestamp("s")), pa.date32()) == [date(1970, 1, 2), None]


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([1]), TEXT),
        (pa.array(["1"], TEXT), pa.int64()),
        (pa.array(["2026-01-01"], TEXT), pa.timestamp("ms")),
        (pa.array([True]), pa.int64()),
        (pa.array([1]), pa.bool_()),
        (pa.array([0]), pa.timestamp("ms")),
        (pa.array([[1]], pa.large_list(pa.int64())), TEXT),
    ],
    ids=["int as text", "text as int", "text as time", "bool as int", "int as bool", "int as time", "list as text"],
)
def test_another_kind_of_value_is_refused_with_a_hint(array, kind):
    with pytest.raises(PlanError, match="another type than declared") as caught:
        fitted(array, pa.field("x", kind))
    assert caught.value.facts["column"] == "x"
    assert caught.value.hint


def test_nulls_fit_every_type_but_no_required_column():
    assert fit(pa.array([None, None], TEXT), pa.int64()) == [None, None]
    assert fit(pa.array([], TEXT), pa.timestamp("ms")) == []
    with pytest.raises(PlanError, match="required column has nulls") as caught:
        fit(pa.array([1, None]), pa.int64(), nullable=False)
    assert caught.value.facts["nulls"] == 1
