"""First and last by event time, then place in the input."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.operators.aggregators.firsts import NEVER, Endmost
from tests.operators.aggregators.accumulation import CUTS, Folded, Row, assert_equal, expected, rows_of


@pytest.mark.parametrize("function", ["first", "last"])
@given(rows=rows_of(st.integers(0, 99)), cuts=CUTS, merged=st.booleans())
def test_first_and_last_do_not_depend_on_cuts_or_on_the_order_of_merging(
    function: str, rows: list[Row], cuts: list[tuple[int, int]], merged: bool
) -> None:
    folded = Folded([Endmost("v", function, "int64")], rows, pa.int64(), cuts, merged=merged)
    found = folded.by_group(
        lambda columns, slots: [
            value if time != NEVER[function] else None
            for value, time in zip(
                columns[f"{function}(v)"][slots].tolist(), columns[f"{function}(v).time"][slots].tolist(), strict=True
            )
        ]
    )
    assert_equal(found, expected(function, rows))


def test_first_and_last_of_text() -> None:
    rows: list[Row] = [("a", "x", 2), ("a", "y", 1), ("a", None, 0), ("a", "z", 2)]
    folded = Folded(
        [Endmost("v", "first", "string"), Endmost("v", "last", "string")], rows, pa.large_string(), [(2, 1)]
    )
    assert folded.by_group(lambda columns, slots: columns["first(v)"][slots].tolist()) == {"a": "y"}
    assert folded.by_group(lambda columns, slots: columns["last(v)"][slots].tolist()) == {"a": "z"}
