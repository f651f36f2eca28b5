"""The three laws at the level of tasks: batches, interleaving and crashes are invisible.

Every run of any schedule of reads, commits and crashes must give what a record-at-a-time oracle computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.metrics import ROWS_AGGREGATED, ROWS_IN, ROWS_LATE, ROWS_NULL_KEY, ROWS_OUTSIDE
from streamframe.plan.nodes import Window
from tests.operators import oracle
from tests.operators.harness import Cluster, aggregate, late_rows, source, to_topic, topology

MS = 1_000
FUNCTIONS = {
    "n": ("amount", "size"),
    "count": ("amount", "count"),
    "total": ("amount", "sum"),
    "spent": ("price", "sum"),
    "mean": ("amount", "mean"),
    "low": ("price", "min"),
    "high": ("amount", "max"),
    "low_page": ("page", "min"),
    "high_page": ("page", "max"),
    "var": ("amount", "var"),
    "std": ("price", "std"),
    "first": ("amount", "first"),
    "last": ("page", "last"),
    "any": ("flag", "any"),
    "all": ("flag", "all"),
}
DISTINCT = {"pages": ("page", "nunique"), "prices": ("price", "nunique"), "n": ("amount", "size")}


@dataclass(frozen=True)
class Case:
    """Input of each partition, and what happens in which order."""

    rows: list[list[dict[str, Any]]]
    schedule: list[tuple[str, int, int]]


def cases(partitions: int) -> st.SearchStrategy[Case]:
    row = st.fixed_dictionaries(
        {
            "user": st.sampled_from(["a", "b", "é", None]),
            "page": st.sampled_from(["p", "q", "", "ü", None]),
            "amount": st.one_of(st.none(), st.integers(-5, 5)),
            "price": st.one_of(st.none(), st.sampled_from([0.0, -0.5, 1.25, 1e6])),
            "flag": st.one_of(st.none(), st.booleans()),
            # Few times, so that rows of several partitions tie.
            "ts": st.one_of(st.integers(-15, 45), st.sampled_from([0, 5, 12])).map(lambda t: t * MS),
        }
    )
    what = st.sampled_from(["read", "read", "read", "commit", "crash", "restart"])
    event = st.tuples(what, st.integers(0, 5), st.integers(1, 7))
    lanes = st.lists(st.lists(row, min_size=2, max_size=25), min_size=partitions, max_size=partitions)
    return st.builds(Case, rows=lanes, schedule=st.lists(event, max_size=40))


def play(cluster: Cluster, case: Case) -> Cluster:
    """Send the input, play the schedule, then process the rest."""
    for partition, rows in enumerate(case.rows):
        cluster.send("clicks", rows, partition, by="user")
    tasks = list(cluster.tasks)
    for what, which, size in case.schedule:
        task_id = tasks[which % len(tasks)]
        if what == "read":
            inputs = list(cluster.tasks[task_id].positions)
            cluster.read(task_id, inputs[size % len(inputs)], size)
        if what in ("commit", "restart"):
            cluster.commit(task_id)
        if what in ("crash", "restart"):
            cluster.crash(task_id)
    return cluster.run()


def records(case: Case) -> list[oracle.Record]:
    return [
        oracle.Record(lane, offset, row["ts"], row)
        for lane, rows in enumerate(case.rows)
        for offset, row in enumerate(rows)
    ]


def found(cluster: Cluster, outputs: list[str], topic: str = "out") -> dict[tuple[int, tuple], dict[str, Any]]:
    rows = cluster.rows(topic)
    results = {(row["window_start"] * MS, (row["user"],)): {name: row[name] for name in outputs} for row in rows}
    assert len(results) == len(rows), "a window was emitted twice"
    return results


def assert_equal(got: dict, wanted: dict) -> None:
    assert sorted(got, key=repr) == sorted(wanted, key=repr)
    for key, values in wanted.items():
        for name, value in values.items():
            assert oracle.equal(value, got[key][name]), (key, name, value, got[key][name])


def late_of(cluster: Cluster) -> list[tuple[int, int, int, int]]:
    """Late rows with their lane and offset found again in the input: rows are told apart by a serial number."""
    return sorted(
        (int(row["serial"]) >> 16, int(row["serial"]) & 0xFFFF, row["window_start"] * MS, row["late_by"])
        for row in cluster.rows("late")
    )


def with_serials(case: Case) -> Case:
    numbered = [
        [{**row, "serial": lane << 16 | offset} for offset, row in enumerate(rows)]
        for lane, rows in enumerate(case.rows)
    ]
    return Case(numbered, case.schedule)


SCHEMA = {
    "user": "string",
    "page": "string",
    "amount": "int64",
    "price": "float64",
    "flag": "bool",
    "serial": "int64",
    "ts": "timestamp[us]",
}
WINDOWS = {
    "tumbling": Window(size=10 * MS, every=10 * MS, grace=3 * MS),
    "tumbling with offset": Window(size=7 * MS, every=7 * MS, offset=2 * MS),
    "hopping": Window(size=10 * MS, every=5 * MS, grace=2 * MS),
    "hopping off the grid": Window(size=10 * MS, every=4 * MS, grace=1 * MS, offset=-1 * MS),
    "hopping with gaps": Window(size=4 * MS, every=6 * MS),
    "hopping of many panes": Window(size=70 * MS, every=23 * MS, grace=1 * MS),
}


def law(case: Case, window: Window, functions: dict, partitions: int, **options: Any) -> None:
    case = with_serials(case)
    clicks = source(schema=SCHEMA, key=("user",) if options.pop("direct") else ())
    totals = aggregate(clicks, ["user"], functions, window)
    cluster = Cluster(topology(to_topic(totals), to_topic(late_rows(totals), "late")), partitions, **options)
    play(cluster, case)
    rule = oracle.WindowRule(window.size, window.every, window.grace, window.offset)
    answer = oracle.windowed(records(case), range(partitions), ["user"], rule, functions)
    assert late_of(cluster) == answer.late
    assert_equal(found(cluster, list(functions)), answer.closed)
    cluster.run(flush=True)
    assert_equal(found(cluster, list(functions)), answer.closed | answer.open)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS.keys())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(1))
def test_no_schedule_changes_what_a_task_that_reads_by_key_computes(window: Window, case: Case) -> None:
    law(case, window, FUNCTIONS, 1, direct=True)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS.keys())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(3))
def test_no_schedule_changes_what_comes_through_partial_aggregates(window: Window, case: Case) -> None:
    law(case, window, FUNCTIONS, 3, direct=False)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(2), window=st.sampled_from(list(WINDOWS.values())))
def test_no_schedule_changes_what_comes_through_rows(window: Window, case: Case) -> None:
    law(case, window, DISTINCT, 2, direct=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(1), window=st.sampled_from(list(WINDOWS.values())), direct=st.booleans(), rows=st.integers(1, 3))
def test_windows_may_leave_in_slices_before_the_commit(window: Window, case: Case, direct: bool, rows: int) -> None:
    law(case, window, FUNCTIONS, 1, direct=direct, slice_rows=rows)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(1), window=st.sampled_from(list(WINDOWS.values())))
def test_state_that_is_evicted_after_each_commit_comes_back(window: Window, case: Case) -> None:
    case = with_serials(case)
    totals = aggregate(source(schema=SCHEMA, key=()), ["user"], DISTINCT, window)
    cluster = Cluster(topology(to_topic(totals)), 1)
    cluster.budget = 0
    play(cluster, case)
    rule = oracle.WindowRule(window.size, window.every, window.grace, window.offset)
    answer = oracle.windowed(records(case), range(1), ["user"], rule, DISTINCT)
    assert_equal(found(cluster, list(DISTINCT)), answer.closed)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(2), keep=st.booleans())
def test_a_table_emits_the_present_value_of_what_was_touched(keep: bool, case: Case) -> None:
    totals = aggregate(source(key=()), ["user"], FUNCTIONS, None, keep_null_keys=keep)
    cluster = play(Cluster(topology(to_topic(totals)), 2), case)
    latest = {(row["user"],): {name: row[name] for name in FUNCTIONS} for row in cluster.rows("out")}
    wanted = oracle.table(records(case), ["user"], FUNCTIONS)
    if not keep:
        assert_equal(latest, wanted)
    else:
        named = [
            oracle.Record(r.lane, r.offset, r.time, {**r.columns, "user": repr(r.columns["user"])})
            for r in records(case)
        ]
        assert_equal({(repr(k[0]),): v for k, v in latest.items()}, oracle.table(named, ["user"], FUNCTIONS))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(2), window=st.sampled_from(list(WINDOWS.values())))
def test_changes_of_windows_end_at_the_final_value(window: Window, case: Case) -> None:
    totals = aggregate(source(key=()), ["user"], FUNCTIONS, window, emit="changes")
    cluster = play(Cluster(topology(to_topic(totals)), 2), case)
    latest = {
        (row["window_start"] * MS, (row["user"],)): {name: row[name] for name in FUNCTIONS}
        for row in cluster.rows("out")
    }
    rule = oracle.WindowRule(window.size, window.every, window.grace, window.offset)
    answer = oracle.windowed(records(case), range(2), ["user"], rule, FUNCTIONS)
    assert_equal(latest, answer.closed | answer.open)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(1), window=st.sampled_from(list(WINDOWS.values())))
def test_every_row_is_counted_once(window: Window, case: Case) -> None:
    case = Case(case.rows, [event for event in case.schedule if event[0] in ("read", "commit")])
    totals = aggregate(source(key=()), ["user"], DISTINCT, window)
    cluster = play(Cluster(topology(to_topic(totals)), 1, slice_rows=2), case)
    counted = [cluster.count(what) for what in (ROWS_NULL_KEY, ROWS_OUTSIDE, ROWS_LATE, ROWS_AGGREGATED)]
    assert cluster.count(ROWS_IN) == sum(counted) == len(case.rows[0])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(case=cases(1), cut=st.integers(0, 12), rows=st.integers(1, 3))
def test_windows_of_windows_equal_the_windows_of_all_rows(cut: int, case: Case, rows: int) -> None:
    small = aggregate(
        source(key=("user",)), ["user"], {"total": ("amount", "sum")}, Window(size=5 * MS, every=5 * MS), name="small"
    )
    large = aggregate(
        small, ["user"], {"total": ("total", "sum")}, Window(size=20 * MS, every=20 * MS, grace=cut * MS), name="large"
    )
    cluster = Cluster(topology(to_topic(large)), 1, slice_rows=rows)
    users = [[{**row, "user": "a"} for row in case.rows[0]]]
    cluster.send("clicks", users[0], by="user")
    for what, _, size in case.schedule:
        if what == "read":
            cluster.read(TaskId(0, 0), TopicPartition("clicks", 0), size)
        elif what == "commit":
            cluster.commit(TaskId(0, 0))
    cluster.run()
    rule = oracle.WindowRule(5 * MS, 5 * MS)
    inner = oracle.windowed(records(Case(users, [])), [0], ["user"], rule, {"total": ("amount", "sum")}).closed
    wanted: dict[int, int] = {}
    for (start, _), values in inner.items():
        wanted[start - start % (20 * MS)] = wanted.get(start - start % (20 * MS), 0) + values["total"]
    got = {row["window_start"] * MS: row["total"] for row in cluster.rows("out")}
    for start, total in got.items():
        assert wanted[start] == total
    watermark = max([row["ts"] for row in users[0]], default=oracle.MIN_TIME) - MS
    assert set(got) == {start for start in wanted if start + 20 * MS + cut * MS <= watermark}
