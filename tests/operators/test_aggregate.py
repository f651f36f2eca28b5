"""The state of one aggregate: what is sealed, what is estimated, what is dropped."""

from __future__ import annotations

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.metrics import PARTIALS_DROPPED, WINDOWS_CLOSED
from streamframe.plan.nodes import Window
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology

MS = 1_000
TASK = TaskId(0, 0)
CLICKS = TopicPartition("clicks", 0)


def cluster_of(*, direct: bool = True, every: int = 10) -> Cluster:
    clicks = source(schema={"user": "string", "ts": "timestamp[us]"}, key=("user",) if direct else ())
    window = Window(size=10 * MS, every=every * MS)
    return Cluster(topology(to_topic(aggregate(clicks, ["user"], {"n": ("user", "size")}, window))))


def send(cluster: Cluster, *times: int) -> None:
    cluster.send("clicks", [{"user": "a", "ts": t * MS} for t in times], by="user")


def test_a_seal_without_changes_writes_nothing() -> None:
    cluster = cluster_of()
    send(cluster, 1)
    cluster.run()
    assert cluster.tasks[TASK].program.seal(0).stores == ()


def test_changed_bytes_grow_with_the_groups_touched_and_are_zero_after_a_seal() -> None:
    cluster = cluster_of()
    program = cluster.tasks[TASK].program
    send(cluster, 1, 2, 3)
    cluster.read(TASK, CLICKS, 1)
    one = program.changed_bytes
    cluster.read(TASK, CLICKS, 2)
    assert 0 < one == program.changed_bytes, "the same group"
    cluster.commit(TASK)
    assert program.changed_bytes == 0
    assert program.nbytes > 0


def test_closed_windows_leave_no_bucket_in_the_store() -> None:
    cluster = cluster_of(every=5)
    send(cluster, 1, 7, 100)
    cluster.run(flush=True)
    assert cluster.count(WINDOWS_CLOSED) == 5
    assert [key for key in cluster.tasks[TASK].stores["totals"].content() if key[:1] == b"b"] == []


def test_the_commit_that_closes_a_window_emits_every_group_of_it() -> None:
    cluster = cluster_of()
    users = [f"u{number:02}" for number in range(50)]
    cluster.send("clicks", [{"user": user, "ts": MS} for user in users], by="user")
    cluster.read(TASK, CLICKS, len(users))
    cluster.commit(TASK, flush=True)
    assert sorted((row["user"], row["n"]) for row in cluster.rows("out")) == [(user, 1) for user in users]


def test_partials_for_windows_that_a_flush_has_closed_are_dropped_and_counted() -> None:
    cluster = cluster_of(direct=False)
    send(cluster, 1)
    cluster.run(flush=True)
    send(cluster, 2, 15)
    cluster.run(flush=True)
    assert cluster.count(PARTIALS_DROPPED) == 1
    assert [(row["window_start"], row["n"]) for row in cluster.rows("out")] == [(0, 1), (10, 1)]
