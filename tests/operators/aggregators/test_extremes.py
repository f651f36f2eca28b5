"""Smallest and greatest values of numbers and text."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.operators.aggregators.extremes import Extreme, TextExtreme
from streamframe.operators.aggregators.sums import Count
from tests.operators.aggregators.accumulation import CUTS, Folded, Row, assert_equal, expected, rows_of


@pytest.mark.parametrize("function", ["min", "max"])
@given(rows=rows_of(st.integers(-9, 9)), cuts=CUTS)
def test_extremes_of_numbers_do_not_depend_on_cuts(function: str, rows: list[Row], cuts: list[tuple[int, int]]) -> None:
    folded = Folded([Extreme("v", function, "int64"), Count("v")], rows, pa.int64(), cuts)
    found = folded.by_group(
        lambda columns, slots: [
            value if count else None
            for value, count in zip(columns[f"{function}(v)"][slots].tolist(), columns["count(v)"][slots], strict=True)
        ]
    )
    assert_equal(found, expected(function, rows))


@pytest.mark.parametrize("function", ["min", "max"])
@given(rows=rows_of(st.sampled_from(["", "a", "ab", "ü", "\U0001f600", "\uffff"])), cuts=CUTS)
def test_extremes_of_text_go_by_code_points(function: str, rows: list[Row], cuts: list[tuple[int, int]]) -> None:
    folded = Folded([TextExtreme("v", function, "string")], rows, pa.large_string(), cuts)
    found = folded.by_group(lambda columns, slots: columns[f"{function}(v)"][slots].tolist())
    assert_equal(found, expected(function, rows))


def test_extremes_of_bytes() -> None:
    rows: list[Row] = [("a", b"\xff", 0), ("a", b"\x00", 0), ("a", None, 0)]
    folded = Folded([TextExtreme("v", "max", "binary")], rows, pa.large_binary(), [(1, 1)])
    assert folded.by_group(lambda columns, slots: columns["max(v)"][slots].tolist()) == {"a": b"\xff"}
