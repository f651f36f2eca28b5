"""State values as output columns, and groups touched by a batch."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from streamframe.operators.aggregators.accumulator import to_arrow, touched_groups

DAY = datetime.date(1970, 1, 3)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (pa.int16(), 2),
        (pa.bool_(), True),
        (pa.float32(), 2.0),
        (pa.timestamp("ms"), datetime.datetime(1970, 1, 1, 0, 0, 0, 2_000)),  # noqa: DTZ001
        (pa.duration("s"), datetime.timedelta(seconds=2)),
        (pa.date32(), DAY),
        (pa.time32("s"), datetime.time(0, 0, 2)),
    ],
)
def test_integers_become_any_type_that_is_stored_as_one(dtype: pa.DataType, value: object) -> None:
    column = to_arrow(np.array([2, 9]), np.array([True, False]), dtype)
    assert (column.type, column.to_pylist()) == (dtype, [value, None])


def test_objects_become_text_and_none_is_null() -> None:
    assert to_arrow(np.array(["a", None], object), None, pa.large_string()).to_pylist() == ["a", None]


@pytest.mark.parametrize("rows", [4, 10_000])
def test_groups_of_small_and_large_tables(rows: int) -> None:
    slots = np.array([3, 1, 3], np.intp)
    touched, groups = touched_groups(slots, rows)
    assert touched[groups].tolist() == slots.tolist()
