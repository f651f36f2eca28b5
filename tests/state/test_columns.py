"""Accumulator columns."""

from __future__ import annotations

import numpy as np
import pytest

from streamframe.state.columns import ColumnSpec


@pytest.mark.parametrize(
    ("kind", "dtype", "zero"),
    [("int64", np.int64, 0), ("float64", np.float64, 0.0), ("bool", np.bool_, False), ("string", object, None)],
)
def test_a_column_without_initial_value_begins_with_zero_or_null(kind, dtype, zero):
    blank = ColumnSpec("c", kind).blank(3)
    assert blank.dtype == dtype
    assert blank.tolist() == [zero] * 3
