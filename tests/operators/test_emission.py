"""Results of windows: order, types, what counts as changed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.plan.nodes import Window
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology

MS = 1_000
TASK = TaskId(0, 0)


def cluster_of(window: Window | None, **options: Any) -> Cluster:
    schema = {"user": "string", "n": "int32", "ts": "timestamp[us]"}
    totals = aggregate(source(schema=schema, key=()), ["n", "user"], {"x": ("user", "size")}, window, **options)
    assert totals.schema.field("n").type == pa.int32()
    return Cluster(topology(to_topic(totals)), repartitions=1)


def test_groups_of_several_keys_are_sorted_by_each_of_them_with_nulls_last() -> None:
    cluster = cluster_of(Window(size=10 * MS, every=10 * MS), keep_null_keys=True)
    keys = [(2, "b"), (2, None), (10, "a"), (None, "a"), (2, "a"), (-1, "z")]
    cluster.send("clicks", [{"n": n, "user": user, "ts": 1} for n, user in keys])
    found = [(row["n"], row["user"]) for row in cluster.run(flush=True).rows("out")]
    assert found == [(-1, "z"), (2, "a"), (2, "b"), (2, None), (10, "a"), (None, "a")]


def test_only_touched_groups_are_emitted_as_changes_once_per_commit() -> None:
    cluster = cluster_of(Window(size=10 * MS, every=5 * MS), emit="changes")
    cluster.send("clicks", [{"n": n, "user": "a", "ts": t * MS} for n, t in [(1, 6), (2, 6), (1, 7)]])
    cluster.run()
    cluster.send("clicks", [{"n": 2, "user": "a", "ts": 11 * MS}])
    cluster.run()
    found = [(row["window_start"], row["n"], row["x"]) for row in cluster.rows("out")]
    assert found == [(0, 1, 2), (0, 2, 1), (5, 1, 2), (5, 2, 1), (5, 2, 2), (10, 2, 1)]


def test_a_row_of_a_table_carries_the_time_of_its_newest_row() -> None:
    cluster = cluster_of(None)
    cluster.send("clicks", [{"n": 1, "user": "a", "ts": t * MS} for t in (5, 9, 7)])
    cluster.run()
    assert [record.timestamp for record in cluster.outputs["out"]] == [9]


def test_a_window_that_closes_in_the_commit_that_touched_it_emits_its_last_change() -> None:
    cluster = cluster_of(Window(size=10 * MS, every=10 * MS), emit="changes")
    cluster.send("clicks", [{"n": 1, "user": "a", "ts": t * MS} for t in (1, 50)])
    cluster.run()
    assert [row["window_start"] for row in cluster.rows("out")] == [0, 50]
    cluster.read(TASK, TopicPartition("clicks", 0), 1)
    cluster.run()
    assert len(cluster.rows("out")) == 2
