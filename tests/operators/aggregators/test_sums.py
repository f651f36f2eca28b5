"""Counts, sums, and how rows that do not fit are found."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from streamframe.operators.aggregators.sums import (
    INT64_MAX,
    INT64_MIN,
    Count,
    Newest,
    Size,
    Sum,
    may_overflow,
    overflowing,
)
from tests.operators.aggregators.accumulation import CUTS, Folded, Row, assert_equal, expected, rows_of


def state(name: str, columns: dict[str, Any], slots: Any) -> list[Any]:
    found: list[Any] = columns[name][slots].tolist()
    return found


@given(rows=rows_of(st.integers(-9, 9)), cuts=CUTS)
def test_counts_and_integer_sums_do_not_depend_on_cuts(rows: list[Row], cuts: list[tuple[int, int]]) -> None:
    folded = Folded([Size(), Count("v"), Sum("v", "int64"), Newest()], rows, pa.int64(), cuts)
    for name, function in [("size", "size"), ("count(v)", "count"), ("sum(v)", "sum")]:
        assert_equal(folded.by_group(partial(state, name)), expected(function, rows))
    newest = folded.by_group(lambda columns, slots: columns["newest"][slots].tolist())
    assert newest == {group: max(t for g, _, t in rows if g == group) for group in newest}


@given(rows=rows_of(st.sampled_from([0.1, 0.2, 1e16, -1e16])), cuts=CUTS)
def test_float_sums_are_the_same_to_the_last_bit_however_the_rows_of_one_task_are_cut(
    rows: list[Row], cuts: list[tuple[int, int]]
) -> None:
    sums = [
        Folded([Sum("v", "float64")], rows, pa.float64(), pieces, merged=False).by_group(
            lambda columns, slots: columns["sum(v)"][slots].tolist()
        )
        for pieces in (cuts, [])
    ]
    assert sums[0] == sums[1]


BIG = st.sampled_from([INT64_MAX, INT64_MAX - 1, INT64_MIN, -5, 1, 5, 1 << 62])


@given(st.lists(st.tuples(st.integers(0, 1), BIG), max_size=10))
def test_exactly_the_rows_that_do_not_fit_are_refused(rows: list[tuple[int, int]]) -> None:
    slots = np.array([slot for slot, _ in rows], np.intp)
    values = np.array([value for _, value in rows], np.int64)
    totals, refused = [0, 0], []
    for slot, value in rows:
        fits = INT64_MIN <= totals[slot] + value <= INT64_MAX
        totals[slot] += value if fits else 0
        refused.append(not fits)
    held = np.zeros(2, np.int64)
    assert overflowing([held], slots, [values]).tolist() == refused
    if any(refused):
        assert may_overflow(held, slots, values)


def test_small_numbers_are_not_looked_at_one_by_one() -> None:
    assert not may_overflow(np.array([1 << 61]), np.zeros(1_000, np.intp), np.full(1_000, -(1 << 40)))
