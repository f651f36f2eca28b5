"""A program as the engine sees it. Schedules of every kind are played in ``test_laws``."""

from __future__ import annotations

import gc

import pytest

from streamframe.core.errors import StoreIncompatible
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.time import MIN_TIME
from streamframe.operators.program import Program
from streamframe.plan.nodes import Union, Window
from tests.operators.harness import Cluster, aggregate, late_rows, source, to_topic, topology
from tests.operators.totals import run as totals_of

MS = 1_000
TASK = TaskId(0, 0)
CLICKS = TopicPartition("clicks", 0)
TEN = Window(size=10 * MS, every=10 * MS)


HOP = Window(size=10 * MS, every=5 * MS)


def cluster_of(function: str = "size", window: Window = TEN, emit: str = "final") -> Cluster:
    return Cluster(topology(to_topic(aggregate(source(), ["user"], {"n": ("amount", function)}, window, emit=emit))))


def program_of(cluster: Cluster) -> Program:
    return cluster.tasks[TASK].program


def test_a_program_is_dirty_from_a_batch_to_the_next_seal() -> None:
    cluster = cluster_of()
    cluster.send("clicks", [None])
    dirty = [program_of(cluster).dirty]
    cluster.read(TASK, CLICKS, 1)
    dirty.append(program_of(cluster).dirty)
    cluster.commit(TASK)
    dirty.append(program_of(cluster).dirty)
    assert dirty == [False, True, False]


def test_nothing_is_known_of_time_before_the_first_row() -> None:
    cluster = cluster_of()
    assert program_of(cluster).watermark == MIN_TIME
    assert program_of(cluster).seal(0).metadata == {CLICKS: ""}


@pytest.mark.parametrize(
    ("cluster", "other"),
    [
        (cluster_of(), cluster_of("sum")),
        (cluster_of(), cluster_of(window=Window(size=20 * MS, every=20 * MS))),
        (cluster_of(window=HOP), cluster_of(window=HOP, emit="changes")),
    ],
    ids=["function", "window", "layout of the buckets"],
)
def test_state_of_another_plan_is_refused(cluster: Cluster, other: Cluster) -> None:
    cluster.send("clicks", [{"user": "a", "ts": 1}], by="user")
    cluster.run()
    other.tasks[TASK].stores = cluster.tasks[TASK].stores
    with pytest.raises(StoreIncompatible):
        other.crash(TASK)


def test_topics_with_fewer_partitions_than_the_task_has_hold_nobody_back() -> None:
    left, right = source("left", key=()), source("right", key=())
    both = Union(name="both", schema=left.schema, branches=(left, right))
    cluster = Cluster(topology(to_topic(both)), {"left": 2, "right": 1})
    cluster.send("left", [{"user": "a", "ts": 1}], 1)
    cluster.send("right", [{"user": "b", "ts": 1}], 0)
    assert [row["user"] for row in cluster.run().rows("out")] == ["a", "b"]


def test_memory_is_given_back_after_a_commit() -> None:
    cluster = cluster_of()
    cluster.send("clicks", [{"user": str(n), "ts": 1} for n in range(5_000)], by="user")
    cluster.run()
    before = program_of(cluster).nbytes
    cluster.budget = 0
    cluster.commit(TASK)
    assert program_of(cluster).nbytes < before // 10
    assert len(cluster.run(flush=True).rows("out")) == 5_000


@pytest.mark.parametrize("direct", [True, False], ids=["by the key", "repartitioned"])
@pytest.mark.parametrize("window", [TEN, HOP, None], ids=["tumbling", "hopping", "table"])
@pytest.mark.parametrize("function", ["sum", "nunique", "first"])
def test_nothing_of_a_program_that_is_gone_waits_for_the_collector(
    function: str, window: Window | None, direct: bool
) -> None:
    """What a long life has made old is hardly ever looked at: state of tasks that went elsewhere stayed in memory."""
    rows = [{"user": f"u{number}", "amount": number, "ts": number * MS} for number in range(40)]
    cluster = totals_of(rows, {"total": ("amount", function)}, window, direct=direct)
    assert left_of_programs(cluster) == set()


def test_nothing_of_a_program_with_late_rows_waits_for_the_collector() -> None:
    node = aggregate(source(), ["user"], {"n": ("amount", "size")}, TEN)
    cluster = Cluster(topology(to_topic(node), to_topic(late_rows(node), "late")))
    cluster.send("clicks", [{"user": "a", "ts": 100 * MS}, {"user": "a", "ts": 1}], by="user")
    cluster.run()
    assert left_of_programs(cluster) == set()


def left_of_programs(cluster: Cluster) -> set[str]:
    """Return the types of what only the collector would free when all tasks have begun anew."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for task in list(cluster.tasks):
            cluster.crash(task)
        gc.collect()
        return {type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("streamframe.")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
