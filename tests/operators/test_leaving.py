"""Windows that leave before the commit: slices of them are invisible, and nothing is kept or forgotten too long."""

from __future__ import annotations

import pytest

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.plan.nodes import Window
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology

MS = 1_000
TASK = TaskId(0, 0)
CLICKS = TopicPartition("clicks", 0)
USERS = ["d", "b", "a", "c", "e"]


def cluster_of(slice_rows: int, *, every: int = 10, chained: bool = False) -> Cluster:
    clicks = source(schema={"site": "string", "user": "string", "ts": "timestamp[us]"}, key=("site",))
    window = Window(size=10 * MS, every=every * MS)
    totals = aggregate(clicks, ["site", "user"], {"n": ("user", "size")}, window, name="small")
    if chained:
        whole = Window(size=100 * MS, every=100 * MS)
        last = {"first": ("user", "first"), "last": ("user", "last")}
        totals = aggregate(totals, ["site"], last, whole, name="large")
    return Cluster(topology(to_topic(totals)), 1, slice_rows=slice_rows)


def feed(cluster: Cluster, *times: int) -> None:
    for time in times:
        cluster.send("clicks", [{"site": "s", "user": user, "ts": time * MS} for user in USERS], by="site")


def test_a_window_begins_to_leave_with_the_batch_that_closes_it() -> None:
    cluster = cluster_of(2)
    program = cluster.tasks[TASK].program
    feed(cluster, 1, 15)
    cluster.read(TASK, CLICKS, len(USERS))
    assert (program.leaving_rows, cluster.tasks[TASK].pending) == (0, [])

    cluster.read(TASK, CLICKS, 1)

    assert sum(map(len, cluster.tasks[TASK].pending)) == 2
    assert program.leaving_rows == 3
    released = program.release(0)
    assert sum(map(len, released.outputs)) == 2
    assert program.leaving_rows == 1


@pytest.mark.parametrize("every", [10, 5, 4], ids=["tumbling", "hopping", "hopping off the grid"])
def test_slices_change_neither_the_rows_nor_their_order(every: int) -> None:
    found = []
    for slice_rows in (1, 2, 100):
        cluster = cluster_of(slice_rows, every=every)
        feed(cluster, 1, 3, 8, 12, 13, 21, 40, 41)
        while cluster.read(TASK, CLICKS, 3):
            pass
        cluster.commit(TASK)
        found.append([(row["window_start"], row["user"], row["n"]) for row in cluster.rows("out")])
    assert found[0] == found[1] == found[2] == sorted(found[0])
    assert len(found[0]) >= 3 * len(USERS)


def test_results_of_one_window_keep_their_order_for_first_and_last_whatever_the_slices() -> None:
    for slice_rows in (1, 2, 3, 100):
        cluster = cluster_of(slice_rows, chained=True)
        feed(cluster, 1, 115, 300)
        while cluster.read(TASK, CLICKS, 4):
            pass
        cluster.run(flush=True)
        assert [(row["first"], row["last"]) for row in cluster.rows("out")] == [("a", "e")] * 3


def test_a_window_that_has_left_is_forgotten_before_the_commit() -> None:
    cluster = cluster_of(100)
    program = cluster.tasks[TASK].program
    feed(cluster, 1, 15)
    cluster.read(TASK, CLICKS, len(USERS))
    before = program.changed_bytes
    cluster.read(TASK, CLICKS, len(USERS))

    assert program.changed_bytes == before, "the first window needs no room in the changelog any more"


def test_what_has_left_before_a_crash_leaves_again() -> None:
    cluster = cluster_of(2)
    feed(cluster, 1, 15)
    cluster.read(TASK, CLICKS, len(USERS))
    cluster.commit(TASK)
    cluster.read(TASK, CLICKS, 1)
    assert sum(map(len, cluster.tasks[TASK].pending)) == 2

    cluster.crash(TASK)
    cluster.run()

    assert [row["user"] for row in cluster.rows("out")] == sorted(USERS)


def test_a_flush_may_leave_in_slices_before_its_seal() -> None:
    cluster = cluster_of(2)
    program = cluster.tasks[TASK].program
    feed(cluster, 1, 2)
    cluster.read(TASK, CLICKS, 100)
    assert (program.open_rows, program.leaving_rows) == (len(USERS), 0)

    assert sum(map(len, program.release(0, flush=True).outputs)) == 2
    assert (program.open_rows, program.leaving_rows) == (0, 3)

    assert sum(map(len, program.seal(0, flush=True).outputs)) == 3
