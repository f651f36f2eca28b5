"""Rows: taking, caching frames, lanes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.batch import ListBatch
from streamframe.core.ids import TopicPartition
from streamframe.operators.rows import (
    Marks,
    Origin,
    Rows,
    concat_columns,
    lane_of,
    lane_partition,
    lane_source,
    to_frame,
)

SCHEMA = pa.schema([("x", pa.int64()), ("y", pa.large_string())])


def rows() -> Rows:
    batch = ListBatch(TopicPartition("t", 3), values=[b"0", b"1", b"2", b"3"], keys=[b"a", None, b"c", b"d"])
    marks = Marks(
        times=np.array([1, 2, 3]),
        observed=np.array([1, 2, 3]),
        lanes=np.array([7, 8, 9]),
        offsets=np.array([0, 2, 3]),
        origin=Origin(batch, np.array([0, 2, 3])),
        keys=[pa.array([10, 20, 30])],
    )
    return Rows({"x": pa.array([1, None, 3]), "y": pa.array(["a", "b", None], pa.large_string())}, marks)


@given(st.integers(0, 1 << 20), st.integers(0, 1 << 31))
def test_a_lane_is_a_source_and_a_partition(source: int, partition: int) -> None:
    lane = lane_of(source, partition)
    assert (lane_source(lane), lane_partition(lane)) == (source, partition)
    assert lane_partition(np.array([lane])).tolist() == [partition]


def test_everything_known_about_rows_is_taken_along() -> None:
    taken = rows().take(np.array([2, 0, 2]))
    marks = taken.marks
    assert taken.columns["x"].to_pylist() == [3, 1, 3]
    assert (marks.times.tolist(), marks.lane_array.tolist(), marks.offsets.tolist()) == (
        [3, 1, 3],
        [9, 7, 9],
        [3, 0, 3],
    )
    assert marks.origin is not None
    assert marks.origin.keys() == [b"d", b"a", b"d"]
    assert marks.origin.position(0) == 3
    assert marks.keys is not None
    assert marks.keys[0].to_pylist() == [30, 10, 30]


def test_keeping_all_rows_is_the_same_object() -> None:
    whole = rows()
    assert whole.keep(np.ones(3, np.bool_)) is whole
    assert len(whole.keep(np.array([True, False, True]))) == 2


def test_writing_to_a_frame_changes_nothing_but_the_frame() -> None:
    whole = rows()
    frame = whole.frame(SCHEMA)
    frame["x"] = 0
    frame.loc[0, "y"] = "changed"
    again = whole.frame(SCHEMA)
    assert again["x"].tolist() == [1, pd.NA, 3]
    assert again["y"].tolist()[:2] == ["a", "b"]
    assert whole.columns["y"].to_pylist() == ["a", "b", None]


def test_a_frame_has_the_columns_that_are_asked_for_in_their_order() -> None:
    whole = rows()
    cached = [whole.cached_frame]
    assert list(whole.frame(SCHEMA, ["y", "absent"])) == ["y"]
    cached.append(whole.cached_frame)
    assert list(whole.frame(SCHEMA, ["y", "x"])) == ["x", "y"]
    cached.append(whole.cached_frame)
    assert [frame is None for frame in cached] == [True, True, False]
    assert list(whole.frame(SCHEMA, ["y"])) == ["y"]


def test_a_frame_without_columns_has_its_rows() -> None:
    assert len(to_frame({}, SCHEMA, 5)) == 5


def test_parts_are_put_one_behind_the_other() -> None:
    parts = [{"x": pa.array([1])}, {"x": pa.array([2, 3])}]
    assert concat_columns(parts)["x"].to_pylist() == [1, 2, 3]
    assert concat_columns(parts[:1]) == parts[0]
