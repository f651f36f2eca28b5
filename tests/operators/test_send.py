"""What is collected for a repartition topic and how it is spread."""

from __future__ import annotations

import pytest

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.operators.blocks import Block
from streamframe.plan.nodes import Window
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology

MS = 1_000
TASK = TaskId(0, 0)
CLICKS = TopicPartition("clicks", 0)
TEN = Window(size=10 * MS, every=10 * MS)


def cluster_of(function: str) -> Cluster:
    schema = {"page": "string", "time": "string", "ts": "timestamp[us]"}
    totals = aggregate(source(schema=schema, key=()), ["page"], {"n": ("time", function)}, TEN)
    return Cluster(topology(to_topic(totals)), repartitions=3)


def pages_by_partition(cluster: Cluster, prefix: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for at, log in cluster.logs.items():
        for record in log if at.topic != "clicks" else []:
            batch = Block.decode(record.value or b"").batch
            pages = [] if batch is None else batch.column(f"{prefix}page").to_pylist()
            found.setdefault(at.partition, []).extend(pages)
    return found


@pytest.mark.parametrize(("function", "prefix"), [("count", "key:"), ("nunique", "column:")])
def test_equal_keys_go_to_one_partition_whichever_task_sends_them(function: str, prefix: str) -> None:
    cluster = cluster_of(function)
    for _ in range(2):
        cluster.send("clicks", [{"page": f"p{n}", "time": "x", "ts": 1} for n in range(30)])
        cluster.run()
    found = pages_by_partition(cluster, prefix)
    assert sorted(found) == [0, 1, 2]
    for partition, pages in found.items():
        others = [page for number, more in found.items() if number != partition for page in more]
        assert pages
        assert not set(pages) & set(others)


def test_rows_of_a_commit_collapse_to_their_distinct_keys() -> None:
    cluster = cluster_of("count")
    cluster.send("clicks", [{"page": f"p{n % 4}", "time": "x", "ts": 1} for n in range(100)])
    cluster.read(TASK, CLICKS, 60)
    cluster.read(TASK, CLICKS, 40)
    cluster.commit(TASK)
    assert sum(len(pages) for pages in pages_by_partition(cluster, "key:").values()) == 4


@pytest.mark.parametrize("function", ["count", "nunique"])
def test_what_was_collected_is_counted_until_it_is_written(function: str) -> None:
    cluster = cluster_of(function)
    program = cluster.tasks[TASK].program
    cluster.send("clicks", [{"page": "p", "time": "x", "ts": 1}])
    cluster.read(TASK, CLICKS, 1)
    assert min(program.changed_bytes, program.nbytes) > 0
    cluster.commit(TASK)
    assert program.changed_bytes == program.nbytes == 0


def test_a_column_may_be_called_like_a_mark() -> None:
    cluster = cluster_of("nunique")
    cluster.send("clicks", [{"page": "p", "time": value, "ts": 1} for value in ("x", "y", "x")])
    assert [row["n"] for row in cluster.run(flush=True).rows("out")] == [2]
