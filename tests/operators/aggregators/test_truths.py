"""Any and all."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.operators.aggregators.truths import Truth
from tests.operators.aggregators.accumulation import CUTS, Folded, Row, assert_equal, expected, rows_of

TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "bool": (pa.bool_(), st.booleans()),
    "float64": (pa.float64(), st.sampled_from([0.0, 0.5])),
    "string": (pa.large_string(), st.sampled_from(["", "a"])),
}


@pytest.mark.parametrize("function", ["any", "all"])
@pytest.mark.parametrize("name", TYPES)
@given(data=st.data(), cuts=CUTS)
def test_truth_does_not_depend_on_cuts(
    name: str, function: str, data: st.DataObject, cuts: list[tuple[int, int]]
) -> None:
    dtype, values = TYPES[name]
    rows: list[Row] = data.draw(rows_of(values))
    folded = Folded([Truth("v", function)], rows, dtype, cuts)
    assert_equal(
        folded.by_group(lambda columns, slots: columns[f"{function}(v)"][slots].tolist()), expected(function, rows)
    )
