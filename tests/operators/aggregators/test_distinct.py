"""Distinct values of a group."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.operators.aggregators.distinct import Distinct
from tests.operators.aggregators.accumulation import CUTS, Folded, Row, assert_equal, expected, rows_of

TYPES = {
    "int64": (pa.int64(), st.integers(0, 3)),
    "float64": (pa.float64(), st.sampled_from([0.0, -0.0, 0.5, 1e300])),
    "string": (pa.large_string(), st.sampled_from(["", "a", "b"])),
    "bool": (pa.bool_(), st.booleans()),
}


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data(), cuts=CUTS)
def test_each_value_of_a_group_counts_once(name: str, data: st.DataObject, cuts: list[tuple[int, int]]) -> None:
    dtype, values = TYPES[name]
    rows: list[Row] = data.draw(rows_of(values))
    folded = Folded([Distinct("v", dtype)], rows, dtype, cuts, merged=False)
    found = folded.by_group(lambda columns, slots: columns["nunique(v)"][slots].tolist())
    assert_equal(found, expected("nunique", rows))
