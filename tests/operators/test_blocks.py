"""Repartition blocks: bytes, limits, and what a reader believes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from streamframe.core.errors import TopologyMismatch
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.operators.blocks import BLOCK_BYTES_MAX, Block, BlockKind, Sender, blocks_of
from streamframe.plan.nodes import Window
from tests.operators.harness import Cluster, LogRecord, aggregate, source, to_topic, topology

MS = 1_000
EMPTY = Block(kind=BlockKind.PARTIALS, sender=Sender(1, 2), watermark=-5)


def batch(rows: int, size: int = 10) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"pane": pa.array(range(rows)), "x": pa.array(["y" * size] * rows)})


def test_the_bytes_of_an_empty_block_are_fixed() -> None:
    assert EMPTY.encode().hex() == "53465242010100000100000002000000fbffffffffffffff0000000000000000"


def test_what_was_encoded_is_decoded() -> None:
    block = Block(kind=BlockKind.ROWS, sender=Sender(0, 7), watermark=9, flushed=True, batch=batch(3))
    assert Block.decode(block.encode()) == block
    assert Block.decode(EMPTY.encode()) == EMPTY


@pytest.mark.parametrize("value", [b"", b"nonsense" * 9, EMPTY.encode()[:20]])
def test_other_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(TopologyMismatch, match="no block"):
        Block.decode(value)


def test_damage_and_other_versions_are_recognised() -> None:
    value = bytearray(Block(kind=BlockKind.ROWS, sender=Sender(0, 7), watermark=9, batch=batch(3)).encode())
    value[-1] ^= 1
    with pytest.raises(TopologyMismatch, match="damaged"):
        Block.decode(bytes(value))
    value[4] = 2
    with pytest.raises(TopologyMismatch, match="another format"):
        Block.decode(bytes(value))


@pytest.mark.parametrize(("rows", "size"), [(1, 10), (1_000, 10), (300_000, 20), (50, 100_000)])
def test_blocks_fit_into_records_and_only_the_last_one_carries_the_new_watermark(rows: int, size: int) -> None:
    whole = batch(rows, size)
    blocks = blocks_of(EMPTY, whole, -9)
    assert all(len(block.encode()) <= BLOCK_BYTES_MAX for block in blocks)
    assert [block.watermark for block in blocks] == [-9] * (len(blocks) - 1) + [-5]
    assert sum(block.batch.num_rows for block in blocks if block.batch is not None) == rows
    assert len(blocks) <= 2 + 2 * whole.nbytes // BLOCK_BYTES_MAX


def totals_by_page(partitions: int) -> Cluster:
    clicks = source(schema={"page": "string", "ts": "timestamp[us]"}, key=())
    totals = aggregate(clicks, ["page"], {"n": ("page", "size")}, Window(size=10 * MS, every=10 * MS))
    return Cluster(topology(to_topic(totals)), partitions)


def test_a_window_closes_only_when_every_sender_says_so() -> None:
    cluster = totals_by_page(2)
    for partition in (0, 1):
        cluster.send("clicks", [{"page": "p", "ts": t * MS} for t in (1, 30)], partition)
    cluster.read(TaskId(0, 0), TopicPartition("clicks", 0), 10)
    cluster.commit(TaskId(0, 0))
    receivers = [task_id for task_id in cluster.tasks if task_id.sub_topology == 1]
    for _ in range(2):
        for task_id in receivers:
            for source_partition in cluster.tasks[task_id].positions:
                cluster.read(task_id, source_partition, 10)
            cluster.commit(task_id)
            cluster.crash(task_id)
    assert cluster.rows("out") == []
    assert [row["n"] for row in cluster.run().rows("out")] == [2]


def test_every_partition_hears_of_time_that_passes_also_without_rows() -> None:
    cluster = totals_by_page(1)
    cluster.send("clicks", [{"page": "p", "ts": 1 * MS}])
    cluster.run()
    blocks = {at.partition: len(log) for at, log in cluster.logs.items() if at.topic != "clicks"}
    assert blocks == {0: 1, 1: 1}
    cluster.commit(TaskId(0, 0))
    assert sum(len(log) for at, log in cluster.logs.items() if at.topic != "clicks") == 2, "nothing new to say"


def test_a_block_of_an_unknown_task_is_an_error() -> None:
    cluster = totals_by_page(1)
    (topic,) = [each.topic for each in cluster.topology.repartitions]
    stranger = Block(kind=BlockKind.PARTIALS, sender=Sender(0, 5), watermark=1)
    cluster.logs[TopicPartition(topic, 0)].append(LogRecord(stranger.encode()))
    with pytest.raises(TopologyMismatch, match="does not have"):
        cluster.run()
    cluster.logs[TopicPartition(topic, 0)][-1] = LogRecord(
        Block(kind=BlockKind.PARTIALS, sender=Sender(0, 0), watermark=1, batch=batch(2)).encode()
    )
    with pytest.raises(TopologyMismatch, match="another program"):
        cluster.run()
