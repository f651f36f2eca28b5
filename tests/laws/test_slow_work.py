"""Work that takes longer than a transaction may: a user's function (T-11), a restore of another task (T-10)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd

from streamframe.app.application import App
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.engine.task import TaskState
from streamframe.testing.memory_cluster import MemoryCluster

SCHEMA = {"user": "string", "n": "int64"}


def counting(work: Callable[[pd.DataFrame], pd.Series]) -> MemoryCluster:
    app = App("slow")
    clicks = app.topic("clicks", SCHEMA, key="user")
    rows = clicks.assign(n=work)
    rows.to_topic("echo")
    rows.groupby("user").agg(rows="size", total=("n", "sum"), name="users").to_topic("users")
    return MemoryCluster(app.topology(), app.settings, {"clicks": 2, "echo": 1, "users": 1})


def send(cluster: MemoryCluster, partition: int, *numbers: int) -> None:
    for number in numbers:
        value = json.dumps({"user": f"u{partition}", "n": number}).encode()
        cluster.broker.append(TopicPartition("clicks", partition), value, key=b"u%d" % partition, timestamp=number)


def read(cluster: MemoryCluster, topic: str) -> list[dict[str, object]]:
    return [json.loads(entry.value or b"") for _, entry in cluster.broker.records(topic)]


def test_a_function_that_outlives_the_transaction_is_run_again_and_nothing_counts_twice() -> None:
    calls: list[int] = []

    def work(rows: pd.DataFrame) -> pd.Series:
        calls.append(len(rows))
        if len(calls) == slow_call:
            cluster.broker.expire("w0")
        return rows["n"]

    slow_call = 0
    cluster = counting(work)
    cluster.add("w0")
    cluster.rebalance()
    send(cluster, 0, 1, 2)
    cluster.settle()
    # The transaction is open, as partition 0 has just been processed, when partition 1 takes too long.
    slow_call = len(calls) + 2
    send(cluster, 0, 3)
    send(cluster, 1, 4)
    cluster.settle()

    assert len(calls) > slow_call, "it was run again"
    assert sorted(int(str(row["n"])) for row in read(cluster, "echo")) == [1, 2, 3, 4]
    last = {row["user"]: (row["rows"], row["total"]) for row in read(cluster, "users")}
    assert last == {"u0": (3, 6), "u1": (1, 4)}
    assert [text for _, text, _ in cluster.telemetry.notices].count("transaction rolled back") == 1


def test_commits_go_on_while_another_task_reads_a_long_changelog() -> None:
    cluster = counting(lambda rows: rows["n"])
    member = cluster.add("w0")
    cluster.rebalance()
    for number in range(40):
        send(cluster, 1, number)
        cluster.clock.time += cluster.settings.commit.interval
        cluster.step()
    cluster.settle()
    cluster.crash("w0")
    cluster.broker.expire("w0")
    cluster.stores.disks.clear()
    member = cluster.add("w0")
    member.log.restore_slice = 1
    cluster.rebalance()
    task, other = TaskId(0, 1), TopicPartition("clicks", 0)

    seen = []
    for number in range(10):
        send(cluster, 0, number)
        cluster.clock.time += cluster.settings.commit.interval
        cluster.step()
        assert member.driver.worker.tasks[task].state is TaskState.RESTORING
        seen.append(cluster.broker.committed.get(other))
    # One turn behind: a turn commits what the one before has read.
    assert [committed.offset for committed in seen[-5:] if committed is not None] == [5, 6, 7, 8, 9]

    cluster.settle()
    last = {row["user"]: (row["rows"], row["total"]) for row in read(cluster, "users")}
    assert last == {"u0": (10, 45), "u1": (40, 780)}
