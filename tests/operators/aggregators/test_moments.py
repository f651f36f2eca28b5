"""Variance in a form that survives cutting, merging and distance from zero."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.operators.aggregators.moments import Moments, variance
from streamframe.operators.aggregators.sums import Count
from tests.operators.aggregators.accumulation import CUTS, Folded, Row, assert_equal, expected, rows_of


def variances(columns: dict[str, np.ndarray], slots: np.ndarray) -> list[float | None]:
    counts = columns["count(v)"][slots]
    values = variance(columns["m2(v)"][slots], counts).tolist()
    return [value if count > 1 else None for value, count in zip(values, counts.tolist(), strict=True)]


@given(rows=rows_of(st.integers(-99, 99)), cuts=CUTS, merged=st.booleans())
def test_the_variance_does_not_depend_on_cuts(rows: list[Row], cuts: list[tuple[int, int]], merged: bool) -> None:
    folded = Folded([Moments("v"), Count("v")], rows, pa.int64(), cuts, merged=merged)
    assert_equal(folded.by_group(variances), expected("var", [(g, v, t) for g, v, t in rows]))


def test_the_variance_far_from_zero_keeps_its_digits() -> None:
    rows: list[Row] = [("a", 1e9 + x, 0) for x in (4.0, 7.0, 13.0, 16.0)]
    for cuts in ([], [(1, 0), (1, 1), (1, 2)]):
        folded = Folded([Moments("v"), Count("v")], rows, pa.float64(), cuts)
        assert folded.by_group(variances)["a"] == pytest.approx(30.0, rel=1e-9)
