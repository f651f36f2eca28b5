"""A rolling upgrade: workers of two versions share a group, and what one writes the other may not know (T-40)."""

from __future__ import annotations

import json
import random

import pytest

from streamframe.core.errors import TopologyMismatch
from streamframe.core.ids import TopicPartition
from streamframe.operators import blocks
from streamframe.operators.blocks import Block
from streamframe.testing.memory_cluster import MemoryCluster
from tests.laws.worlds import Input, expected, make_input, repartitioned_app

PARTITIONS = 3
VERSION_AT = 4
"""Where the version of a block is in its bytes."""


def send(cluster: MemoryCluster, found: Input) -> None:
    for number, rows in enumerate(found.partitions):
        for row in rows:
            cluster.broker.append(
                TopicPartition("clicks", number), json.dumps(row).encode(), key=str(row["user"]).encode()
            )


def test_a_worker_that_meets_a_later_version_stops_and_the_later_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    app = repartitioned_app()
    cluster = MemoryCluster(app.topology(), app.settings, {"clicks": PARTITIONS, "totals": 2, "late": 1})
    found = make_input(random.Random(5).randrange(1 << 30), partitions=PARTITIONS)
    send(cluster, found)
    write = Block.encode
    later = blocks.BLOCK_VERSION + 1

    with monkeypatch.context() as upgraded:
        # The senders are of the later version, the receiver is not.
        upgraded.setattr(
            Block, "encode", lambda self: (b := write(self))[:VERSION_AT] + bytes([later]) + b[VERSION_AT + 1 :]
        )
        cluster.add("w0")
        cluster.rebalance()
        with pytest.raises(TopologyMismatch, match="another format"):
            cluster.settle()
    assert list(cluster.broker.records("totals")) == []
    moved = [tp for tp, at in cluster.broker.committed.items() if tp.topic != "clicks" and at.offset > 0]
    assert moved == [], "nothing of what it did not know was passed over"

    monkeypatch.setattr(blocks, "BLOCK_VERSION", later)
    del cluster.members["w0"]
    cluster.add("w0")
    cluster.rebalance()
    cluster.settle()

    totals, _ = expected(found, ["page"], repartitioned=True)
    rows = [json.loads(entry.value or b"") for _, entry in cluster.broker.records("totals")]
    assert len(rows) == len(totals) > 0
    assert sum(row["total"] or 0 for row in rows) == totals["total"].sum()
