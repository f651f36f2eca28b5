"""Arrow columns as numpy values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from streamframe.operators.aggregators.values import FoldInput, kind_of, values_of
from streamframe.operators.rows import Marks

COLUMNS = {
    "int8": (pa.array([1, None], pa.int8()), [1]),
    "bool": (pa.array([True, None]), [1]),
    "timestamp": (pa.array([5, None], pa.timestamp("ms")), [5]),
    "date32": (pa.array([7, None], pa.int32()).cast(pa.date32()), [7]),
    "duration": (pa.array([9, None], pa.duration("us")), [9]),
    "float32": (pa.array([0.5, None], pa.float32()), [0.5]),
    "nan": (pa.array([0.5, float("nan")]), [0.5]),
    "string": (pa.array(["x", None], pa.large_string()), ["x"]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_what_counts_of_a_column_is_what_is_not_null(name: str) -> None:
    column, wanted = COLUMNS[name]
    slots, values = values_of(column).chosen(np.array([4, 5]))
    assert (slots.tolist(), values.tolist()) == ([4], wanted)
    assert values.dtype == {"float64": np.float64, "string": object}.get(kind_of(column.type), np.int64)


def test_some_rows_of_a_batch() -> None:
    marks = Marks(times=np.arange(4), observed=np.arange(4), lanes=0, offsets=np.arange(4))
    whole = FoldInput({"x": pa.array([10, None, 12, 13]), "s": pa.array(list("abcd"), pa.large_string())}, marks)
    part = whole.at(np.array([3, 2, 1])).at(np.array([0, 1]))
    assert len(part) == 2
    assert part.times.tolist() == part.marks.offsets.tolist() == [3, 2]
    assert part.values("x").array.tolist() == [13, 12]
    assert part.values("x").valid is None
    assert part.values("s").array.tolist() == part.arrow("s").to_pylist() == ["d", "c"]
