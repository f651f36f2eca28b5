"""Cases of windows and lateness from the test suites of other engines, with the answers that our rules give.

Numbers W1 … and L1 … are those of the collection the cases were taken from; where others decide differently the
test says so. One unit of time is a millisecond unless a test says otherwise.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.metrics import ROWS_OUTSIDE
from streamframe.plan.nodes import Aggregation, Window
from tests.operators.harness import Cluster, aggregate, aggregate_of, late_rows, source, to_topic, topology

MS = 1_000
SECOND = 1_000 * MS
SCHEMA = {"user": "string", "amount": "int64", "text": "string", "ts": "timestamp[us]"}


def window(size: int, every: int | None = None, unit: int = MS, **options: int) -> Window:
    return Window(
        size=size * unit,
        every=(size if every is None else every) * unit,
        **{name: value * unit for name, value in options.items()},
    )


def run(
    of: Window,
    rows: list[dict[str, Any]],
    functions: dict[str, tuple[str, str]] | None = None,
    *,
    flush: bool = True,
    batch: int = 3,
    unit: int = MS,
) -> Cluster:
    """One partition; ``t`` of a row is its event time in units."""
    totals = aggregate(source(schema=SCHEMA), ["user"], functions or {"n": ("amount", "size")}, of)
    cluster = Cluster(topology(to_topic(totals), to_topic(late_rows(totals), "late")))
    cluster.send("clicks", [{"user": "a", **row, "ts": round(row["t"] * unit)} for row in rows], by="user")
    return cluster.run(batch, flush=flush)


def times(*values: float, **more: Any) -> list[dict[str, Any]]:
    return [{"t": value, **more} for value in values]


def windows(cluster: Cluster, value: str = "n", unit: int = MS, user: str = "a") -> dict[tuple[float, float], Any]:
    return {
        (row["window_start"] * MS / unit, row["window_end"] * MS / unit): row[value]
        for row in cluster.rows("out")
        if row["user"] == user
    }


def test_w1_a_row_belongs_to_every_window_that_contains_it() -> None:
    assert list(windows(run(window(30, 10), times(100)))) == [(80, 110), (90, 120), (100, 130)]
    # Others never begin below zero; ours do.
    assert list(windows(run(window(30, 10), times(50)))) == [(30, 60), (40, 70), (50, 80)]
    assert list(windows(run(window(20), times(75)))) == [(60, 80)]
    assert list(windows(run(window(20), times(100)))) == [(100, 120)]
    assert list(windows(run(window(20), times(1)))) == [(0, 20)]


def test_w2_hops_that_do_not_divide_the_size() -> None:
    # All rows of key 1 are earlier than those of key 0; in one partition they must come first to be on time.
    rows = [*times(10, 11, user="1"), *times(12, 13, 14, 15, 16, 17, user="0")]
    cluster = run(window(10, 3, grace=10), rows)
    assert windows(cluster, user="0") == {(3, 13): 1, (6, 16): 4, (9, 19): 6, (12, 22): 6, (15, 25): 3}
    # Pathway gives [3,13), [6,16) and [9,19); 10 and 11 are in these and in no other.
    assert windows(cluster, user="1") == {(3, 13): 2, (6, 16): 2, (9, 19): 2}


def test_w4_rows_between_windows_are_counted_and_belong_to_none() -> None:
    cluster = run(window(4, 6), times(*range(11, 18)))
    assert windows(cluster) == {(12, 16): 4}
    assert cluster.count(ROWS_OUTSIDE) == 3


def test_w6_windows_below_zero() -> None:
    assert windows(run(window(2), times(-2, -1, 5, 6))) == {(-2, 0): 2, (4, 6): 1, (6, 8): 1}
    # Others count 0, 1, 2, 3, 7 in [0, 2), [2, 4), [6, 8) too.
    assert windows(run(window(2), times(0, 1, 2, 3, 7))) == {(0, 2): 2, (2, 4): 2, (6, 8): 1}


def test_w7_a_grid_of_tenths_neither_loses_nor_doubles_rows() -> None:
    moments = times(*[number * 100 for number in range(100)])
    tumbling = windows(run(window(100, offset=-100), moments))
    assert sum(tumbling.values()) == 100
    assert set(tumbling.values()) == {1}
    assert sum(windows(run(window(300, 100), moments)).values()) == 300


def test_w8_nulls_are_skipped() -> None:
    functions = {
        "total": ("amount", "sum"),
        "mean": ("amount", "mean"),
        "count": ("amount", "count"),
        "low": ("amount", "min"),
        "high": ("amount", "max"),
        "texts": ("text", "count"),
    }
    rows: list[dict[str, Any]] = [
        {"t": 1, "amount": 1, "text": "x"},
        {"t": 2},
        {"t": 3, "amount": 2},
        {"t": 4, "user": "b"},
    ]
    found = {row.pop("user"): row for row in run(window(10), rows, functions).rows("out")}
    bounds = {"window_start": 0, "window_end": 10}
    assert found["a"] == {**bounds, "total": 3, "mean": 1.5, "count": 2, "low": 1, "high": 2, "texts": 1}
    assert found["b"] == {**bounds, "total": 0, "mean": None, "count": 0, "low": None, "high": None, "texts": 0}


def test_w9_first_and_last_go_by_event_time_and_ties_by_offset() -> None:
    functions = {"first": ("amount", "first"), "last": ("amount", "last")}
    rows = [{"t": 3, "amount": 1}, {"t": 2, "amount": 2}, {"t": 1, "amount": 3}]
    # Others call these earliest and latest, and take first and last by arrival (1 and 3).
    assert run(window(10), rows, functions).rows("out") == [
        {"user": "a", "window_start": 0, "window_end": 10, "first": 3, "last": 1}
    ]
    tied = [{"t": 5, "amount": 1}, {"t": 5, "amount": 2}, {"t": 5}]
    found = run(window(10), tied, functions).rows("out")[0]
    assert (found["first"], found["last"]) == (1, 2)


def test_w10_rows_of_two_windows_are_not_mixed() -> None:
    rows = [{"t": 0, "user": "login"}, *times(4, 8, 16, user="post")]
    cluster = run(window(10, unit=SECOND), rows, unit=SECOND)
    assert windows(cluster, unit=SECOND, user="login") == {(0, 10): 1}
    assert windows(cluster, unit=SECOND, user="post") == {(0, 10): 2, (10, 20): 1}


def test_w11_a_late_row_is_excluded_from_the_windows_that_are_closed_for_it_only() -> None:
    rows = [*times(1, 4, 8, 12, 13, 14, 16), *times(1, user="h")]
    cluster = run(window(10, 5, unit=SECOND), rows, unit=SECOND)
    assert windows(cluster, unit=SECOND) == {(-5, 5): 2, (0, 10): 3, (5, 15): 4, (10, 20): 4, (15, 25): 1}
    assert windows(cluster, user="h") == {}
    assert [(row["user"], row["window_start"]) for row in cluster.rows("late")] == [("h", -5_000), ("h", 0)]


def test_w18_windows_of_final_windows_count_every_row_once() -> None:
    # Over a stream of changes others count the first partial twice (1, then 4, then 3); over final results
    # each row counts once: 1 + 2 in the first window.
    small = aggregate(
        source(schema=SCHEMA), ["user"], {"amount": ("amount", "sum")}, window(10, unit=SECOND), name="small"
    )
    large = aggregate(small, ["user"], {"total": ("amount", "sum")}, window(30, unit=SECOND), name="large")
    cluster = Cluster(topology(to_topic(large)))
    rows = [{"t": 1_000, "amount": 1}, {"t": 9_000, "amount": 2}, {"t": 90_010, "amount": 3}]
    cluster.send("clicks", [{"user": "a", **row, "ts": row["t"] * MS} for row in rows], by="user")
    cluster.run(1, flush=True)
    assert windows(cluster, "total", SECOND) == {(0, 30): 3, (90, 120): 3}


def test_l1_a_row_behind_stream_time_is_accepted_while_its_window_is_open() -> None:
    rows = [{"t": t, "amount": n} for n, t in enumerate([1, 1, 20, 39, 38], start=1)]
    cluster = run(window(10), rows, flush=False, batch=1)
    assert windows(cluster) == {(0, 10): 2, (20, 30): 1}
    assert cluster.rows("late") == []
    cluster.run(flush=True)
    assert windows(cluster) == {(0, 10): 2, (20, 30): 1, (30, 40): 2}


def test_l2_a_row_at_the_end_of_a_closed_window_is_late_by_one() -> None:
    cluster = run(window(10), times(1, 20, 19), batch=1)
    (late,) = cluster.rows("late")
    assert (late["window_start"], late["window_end"], late["late_by"]) == (10, 20, 1 * MS)


def test_l3_and_l4_a_window_closes_for_all_keys_of_the_partition_at_once() -> None:
    rows = [
        {"user": "A", "t": 100},
        {"user": "B", "t": 101},
        {"user": "C", "t": 105},
        {"user": "B", "t": 10_100},
        {"user": "A", "t": 8_000},
        {"user": "A", "t": 10_001},
    ]
    for number, row in enumerate(rows):
        row["amount"] = [1, 2, 3, 1, 1, 1][number]
    cluster = run(window(10_000), rows, {"total": ("amount", "sum")}, flush=False, batch=1)
    # Quix with closing by key emits B and A only, and never C.
    assert [(row["user"], row["total"]) for row in cluster.rows("out")] == [("A", 1), ("B", 2), ("C", 3)]
    assert [(row["user"], row["late_by"]) for row in cluster.rows("late")] == [("A", 2_100 * MS)]


def test_l6_time_passes_by_event_time_only_and_never_goes_back() -> None:
    cluster = run(window(10, grace=5), times(7, 3), flush=False, batch=1)
    assert cluster.tasks[TaskId(0, 0)].program.watermark == 7 * MS
    cluster.now += 1_000 * SECOND
    assert cluster.run().tasks[TaskId(0, 0)].program.watermark == 7 * MS


def test_l10_any_cut_of_a_batch_gives_the_same_results_late_rows_and_closed_windows() -> None:
    rows = times(1, 4, 22, 9, 11, 35, 28, 33, 61, 20)
    answers = [
        (cluster.rows("out"), cluster.rows("late"))
        for cluster in (run(window(10, 5, grace=2), rows, batch=size) for size in range(1, 11))
    ]
    assert all(answer == answers[0] for answer in answers)


def test_l11_every_partition_hears_that_a_window_is_over() -> None:
    totals = aggregate(source(schema=SCHEMA), ["user"], {"n": ("amount", "size")}, window(10))
    cluster = Cluster(topology(to_topic(totals)), 3)
    for partition, user in enumerate("abc"):
        cluster.send("clicks", [{"user": user, "ts": t * MS} for t in (1, 20)], partition, by="user")
    assert sorted(row["user"] for row in cluster.run().rows("out")) == ["a", "b", "c"]


def test_l12_small_windows_and_hops_off_the_grid() -> None:
    assert windows(run(window(500), times(499, 500))) == {(0, 500): 1, (500, 1_000): 1}
    # Faust begins at multiples of the step below t: [2, 12) and [6, 16), and [0, 10) as well.
    assert list(windows(run(window(10, 4), times(9)))) == [(0, 10), (4, 14), (8, 18)]


def test_l13_rows_out_of_order_within_a_batch() -> None:
    functions = {"total": ("amount", "sum")}
    rows = [{"t": t, "amount": a} for t, a in [(11, 2), (10, 1), (5, 100), (12, 4)]]
    cluster = run(window(10, grace=10), rows, functions, batch=4)
    assert windows(cluster, "total") == {(0, 10): 100, (10, 20): 7}


def test_a_source_partition_without_rows_holds_every_window_open() -> None:
    totals = aggregate(source(schema=SCHEMA, key=()), ["user"], {"n": ("amount", "size")}, window(10))
    cluster = Cluster(topology(to_topic(totals)), 2)
    cluster.send("clicks", [{"user": "a", "ts": t * MS} for t in (1, 50)], 0)
    assert cluster.run().rows("out") == []
    cluster.send("clicks", [{"user": "a", "ts": 15 * MS}], 1)
    assert [row["window_start"] for row in cluster.run().rows("out")] == [0]


def test_rows_of_a_slow_partition_are_not_late_because_another_one_is_ahead() -> None:
    totals = aggregate(source(schema=SCHEMA, key=()), ["user"], {"n": ("amount", "size")}, window(10))
    cluster = Cluster(topology(to_topic(totals), to_topic(late_rows(totals), "late")), 2)
    for partition in (0, 1):
        cluster.send("clicks", [{"user": "a", "ts": t * MS} for t in range(100)], partition)
    for task_id in (TaskId(0, 0), TaskId(0, 1)):
        cluster.read(task_id, TopicPartition("clicks", task_id.partition), 100)
        cluster.commit(task_id)
        cluster.run(1)
    assert cluster.rows("late") == []
    assert {row["n"] for row in cluster.rows("out")} == {20}


def test_results_carry_the_last_instant_of_their_window() -> None:
    cluster = run(window(10), times(1))
    assert cluster.outputs["out"][0].timestamp == 9


def test_results_are_sorted_by_window_end_then_key() -> None:
    rows = [{"t": t, "user": user} for t in (25, 5, 15) for user in "cab"]
    cluster = run(window(10, grace=100), rows)
    order = [(row["window_end"], row["user"]) for row in cluster.rows("out")]
    assert order == sorted(order)
    assert len(order) == 9


def test_after_a_flush_closed_windows_stay_closed_and_later_ones_open() -> None:
    cluster = run(window(10), times(1, 5))
    cluster.send("clicks", [{"user": "a", "ts": t * MS} for t in (7, 12)], by="user")
    cluster.crash(TaskId(0, 0))
    cluster.run(flush=True)
    assert windows(cluster) == {(0, 10): 2, (10, 20): 1}
    assert [row["ts"] for row in cluster.rows("late")] == [7 * MS]


def test_a_hop_with_thousands_of_panes_works() -> None:
    cluster = run(window(3_600, 1, unit=SECOND, grace=3_600), times(0, 10, 7_200), unit=SECOND, flush=False)
    found = windows(cluster, unit=SECOND)
    assert list(found) == [(start, start + 3_600) for start in range(-3_599, 1)]
    assert list(found.values()) == [1] * 10 + [2] * 3_590


def test_custom_type_of_result_is_kept() -> None:
    node = source(schema={**SCHEMA, "small": "int16"})
    low = Aggregation(output="low", function="min", inputs=("small",), type=pa.int16())
    when = Aggregation(output="when", function="max", inputs=("ts",), type=pa.timestamp("us"))
    totals = aggregate_of(node, ["user"], [low, when], window(10))
    cluster = Cluster(topology(to_topic(totals)))
    cluster.send("clicks", [{"user": "a", "small": 3, "ts": 1 * MS}, {"user": "a", "ts": 2 * MS}], by="user")
    (row,) = cluster.run(flush=True).rows("out")
    assert (row["low"], row["when"]) == (3, 2 * MS)
