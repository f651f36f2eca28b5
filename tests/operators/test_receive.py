"""What a reader of a repartition topic knows of its senders."""

from __future__ import annotations

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.time import MIN_TIME
from streamframe.plan.nodes import Window
from tests.operators.harness import Cluster, aggregate, late_rows, source, to_topic, topology

MS = 1_000
SENDER, READER = TaskId(0, 0), TaskId(1, 0)


def cluster_of(function: str = "size", partitions: int = 1) -> Cluster:
    schema = {"page": "string", "ts": "timestamp[us]"}
    totals = aggregate(
        source(schema=schema, key=()), ["page"], {"n": ("page", function)}, Window(size=10 * MS, every=10 * MS)
    )
    return Cluster(topology(to_topic(totals), to_topic(late_rows(totals), "late")), partitions, repartitions=1)


def test_the_watermarks_of_the_senders_survive_a_restart() -> None:
    cluster = cluster_of()
    cluster.send("clicks", [{"page": "p", "ts": 7 * MS}])
    cluster.run()
    cluster.crash(READER)
    assert cluster.tasks[READER].program.watermark == 7 * MS


def test_a_sender_that_was_never_heard_of_holds_everything() -> None:
    cluster = cluster_of(partitions=2)
    cluster.send("clicks", [{"page": "p", "ts": 7 * MS}])
    cluster.run()
    assert cluster.tasks[READER].program.watermark == MIN_TIME


def test_a_flush_reaches_the_reader_although_it_is_asked_of_the_sender_only() -> None:
    cluster = cluster_of()
    cluster.send("clicks", [{"page": "p", "ts": 7 * MS}])
    (topic,) = [each.topic for each in cluster.topology.repartitions]
    cluster.read(SENDER, TopicPartition("clicks", 0), 10)
    cluster.commit(SENDER, flush=True)
    cluster.read(READER, TopicPartition(topic, 0), 10)
    cluster.crash(READER)
    cluster.read(READER, TopicPartition(topic, 0), 10)
    cluster.commit(READER)
    assert [row["n"] for row in cluster.rows("out")] == [1]


def test_late_rows_behind_the_topic_are_keyed_by_their_group() -> None:
    cluster = cluster_of("nunique")
    cluster.send("clicks", [{"page": "p", "ts": t * MS} for t in (25, 3)], key=b"raw")
    cluster.run()
    assert [(record.key, record.row["late_by"]) for record in cluster.outputs["late"]] == [(b"p", 22 * MS)]
