"""Repartition records are deleted behind the commit that consumed them, never before (T-28)."""

from __future__ import annotations

import json
import random

from streamframe.core.ids import TopicPartition
from streamframe.testing.memory_cluster import MemoryCluster
from tests.laws.worlds import make_input, rows_app

PARTITIONS = 3


def test_what_is_deleted_was_committed_before() -> None:
    app = rows_app()
    counts = {"clicks": PARTITIONS, "totals": 2, "late": 1}
    rng = random.Random(3)
    cluster = MemoryCluster(app.topology(), app.settings, counts, chooser=lambda a: [(rng.choice(sorted(a)), 1)])
    for number, rows in enumerate(make_input(1, partitions=PARTITIONS, rows_max=30).partitions):
        for row in rows:
            cluster.broker.append(
                TopicPartition("clicks", number), json.dumps(row).encode(), key=str(row["user"]).encode()
            )
    cluster.add("w0")
    cluster.rebalance()
    [topic] = [repartition.topic for repartition in app.topology().repartitions]

    for _ in range(200):
        cluster.clock.time += cluster.settings.commit.interval // 2
        cluster.step()
        for number, partition in enumerate(cluster.broker.topics[topic]):
            committed = cluster.broker.committed.get(TopicPartition(topic, number))
            assert partition.begin <= (committed.offset if committed else 0)
    assert any(partition.begin > 0 for partition in cluster.broker.topics[topic]), "nothing was deleted at all"
