"""Stream time, watermarks and idle partitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import StoreIncompatible
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.time import MIN_TIME
from streamframe.operators.watermarks import (
    NOTHING_YET,
    StreamClock,
    Watermark,
    decode_stream_time,
    encode_stream_time,
    slowest,
)
from streamframe.plan.nodes import Union, Window
from tests.operators.harness import Cluster, aggregate, late_rows, source, to_topic, topology

MS = 1_000
SECOND = 1_000_000
A = TopicPartition("a", 0)
B = TopicPartition("b", 0)


@given(st.one_of(st.just(MIN_TIME), st.integers(-(1 << 62), 1 << 62)))
def test_stream_time_survives_the_metadata_of_an_offset(time: int) -> None:
    assert decode_stream_time(encode_stream_time(time)) == time


@pytest.mark.parametrize("text", ["2:5", "1:x", "hello", "1"])
def test_metadata_of_others_is_refused(text: str) -> None:
    with pytest.raises(StoreIncompatible):
        decode_stream_time(text)


@given(st.lists(st.integers(-50, 50), min_size=1), st.lists(st.integers(0, 10)))
def test_stream_time_is_the_running_maximum_however_the_rows_are_cut(times: list[int], cuts: list[int]) -> None:
    clock = StreamClock({A: None}, {A: "1:-20"})
    observed: list[int] = []
    rest = times
    for cut in [*cuts, len(times)]:
        part, rest = rest[:cut], rest[cut:]
        observed += clock.observe(A, np.array(part, np.int64), 0).tolist()
    assert observed == [max([-20, *times[: end + 1]]) for end in range(len(times))]
    assert clock.times[A] == max(-20, *times)


def test_the_slowest_input_decides_and_a_flush_needs_all_of_them() -> None:
    assert slowest([Watermark(5), Watermark(3, flushed=True)]) == Watermark(3)
    assert slowest([Watermark(5, flushed=True), Watermark(3, flushed=True)]) == Watermark(3, flushed=True)
    assert slowest([]) == NOTHING_YET
    assert NOTHING_YET.behind(7) == NOTHING_YET
    assert Watermark(5 * MS).behind(1 * MS) == Watermark(3 * MS)


def test_an_idle_partition_follows_those_that_are_not() -> None:
    clock = StreamClock({A: 10, B: 10}, {})
    clock.observe(A, np.array([100]), 0)
    clock.observe(B, np.array([50]), 0)
    assert not clock.raise_idle(9)
    clock.observe(A, np.array([200]), 9)
    assert clock.would_raise(10)
    assert clock.raise_idle(10)
    assert clock.times == {A: 200, B: 200}
    assert clock.observe(B, np.array([60]), 11).tolist() == [200]


def test_a_partition_that_may_not_be_idle_holds_the_others() -> None:
    clock = StreamClock({A: 10, B: None}, {B: "1:70"})
    clock.observe(A, np.array([50]), 0)
    assert clock.raise_idle(1_000)
    assert clock.times == {A: 70, B: 70}
    assert not clock.raise_idle(5_000)


def test_when_all_are_silent_time_passes_as_on_the_clock() -> None:
    clock = StreamClock({A: 10}, {})
    clock.observe(A, np.array([100]), 1_000)
    for moment in (1_010, 1_020, 1_050):
        clock.raise_idle(moment)
        assert clock.times[A] == 100 + moment - 1_000


def test_when_all_are_silent_time_passes_in_steps_of_the_timeout() -> None:
    """Readers of a repartition topic are woken by each step; smaller ones would keep each other going for ever."""
    clock = StreamClock({A: 10}, {})
    clock.observe(A, np.array([100]), 1_000)
    raised = [clock.raise_idle(moment) for moment in range(1_001, 1_031)]
    assert [1_001 + turn for turn, each in enumerate(raised) if each] == [1_010, 1_020, 1_030]


def test_other_inputs_of_the_task_count_as_awake() -> None:
    clock = StreamClock({A: 10}, {A: "1:5"})
    clock.raise_idle(0)
    assert not clock.raise_idle(100, [MIN_TIME])
    assert clock.raise_idle(100, [30])
    assert clock.times[A] == 30


def idle_cluster() -> Cluster:
    left = source("left", idle_timeout=10 * SECOND)
    right = source("right", idle_timeout=10 * SECOND)
    both = Union(name="both", schema=left.schema, branches=(left, right))
    totals = aggregate(both, ["user"], {"n": ("amount", "size")}, Window(size=10 * MS, every=10 * MS))
    return Cluster(topology(to_topic(totals), to_topic(late_rows(totals), "late")))


def test_a_window_closes_without_the_idle_topic_and_its_rows_are_late_from_then_on() -> None:
    cluster = idle_cluster()
    task_id = TaskId(0, 0)
    cluster.send("left", [{"user": "a", "ts": t * MS} for t in (1, 25)], by="user")
    assert cluster.run().rows("out") == []
    program = cluster.tasks[task_id].program
    assert not program.wants_seal(9 * SECOND)
    cluster.now = 9 * SECOND
    cluster.send("left", [{"user": "a", "ts": 26 * MS}], by="user")
    cluster.read(task_id, TopicPartition("left", 0), 10)
    cluster.now = 10 * SECOND
    cluster.commit(task_id)
    assert [row["n"] for row in cluster.rows("out")] == [1]
    cluster.crash(task_id)
    cluster.send("right", [{"user": "a", "ts": t * MS} for t in (2, 27)], by="user")
    cluster.run()
    assert [row["late_by"] for row in cluster.rows("late")] == [24 * MS]


def test_the_last_windows_close_by_the_clock_when_all_topics_are_silent() -> None:
    cluster = idle_cluster()
    task_id = TaskId(0, 0)
    for topic in ("left", "right"):
        cluster.send(topic, [{"user": "a", "ts": 1 * MS}], by="user")
    assert cluster.run().rows("out") == []
    cluster.now = 10 * SECOND
    assert cluster.tasks[task_id].program.wants_seal(cluster.now)
    cluster.commit(task_id)
    assert [row["n"] for row in cluster.rows("out")] == [2]
    assert not cluster.tasks[task_id].program.wants_seal(cluster.now + 60 * SECOND), "no window is open"
