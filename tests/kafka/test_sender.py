"""Handing records over: partitions, timestamps, headers, and a queue that is full."""

from collections.abc import Iterator

import numpy as np
import pytest
from confluent_kafka import Consumer, Message, Producer, murmur2
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.batch import OutputBatch
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import KafkaSettings, Limits
from streamframe.engine.ports import OutcomeUnknown
from streamframe.kafka.client_config import producer_properties
from streamframe.kafka.sender import EARLIEST_MS, Sender, _columns
from tests.kafka.mock_cluster import MockCluster

PARTITIONS = 4


@pytest.fixture
def mocked() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        cluster.create_topic("out", PARTITIONS)
        yield cluster


def sender(mocked: MockCluster, timeout: float = 10.0, **properties) -> Sender:
    made = producer_properties(KafkaSettings(bootstrap=mocked.bootstrap), Limits(), transactional_id=None)
    return Sender(Producer({**made, **properties}), timeout)


def written(mocked: MockCluster, count: int):
    reader = Consumer({"bootstrap.servers": mocked.bootstrap, "group.id": "g", "fetch.wait.max.ms": 10})
    reader.assign([ClientPartition("out", number, 0) for number in range(PARTITIONS)])
    messages: list[Message] = []
    while len(messages) < count:
        messages += reader.consume(count, 0.2)
    reader.close()
    return sorted(messages, key=lambda each: (each.partition(), each.offset()))


def test_records_go_where_they_are_told_with_their_times_and_headers(mocked):
    out = sender(mocked)
    out.write(
        OutputBatch(
            topic="out",
            values=[b"a", None, b"c"],
            keys=[b"k", None, b"l"],
            partitions=[3, 1, 3],
            timestamps=np.array([1000, 1001, 1002]),
            headers=[[("h", b"1")], [], [("i", None)]],
        )
    )
    out.write(OutputBatch(topic="out", values=[b"d"], partitions=2, timestamps=[1003]))
    out.flush()
    found = [(m.partition(), m.key(), m.value(), m.timestamp()[1], m.headers() or []) for m in written(mocked, 4)]
    assert found == [
        (1, None, None, 1001, []),
        (2, None, b"d", 1003, []),
        (3, b"k", b"a", 1000, [("h", b"1")]),
        (3, b"l", b"c", 1002, [("i", None)]),
    ]


def test_a_key_goes_where_kafkas_own_clients_send_it(mocked):
    keys = [b"%d" % number for number in range(50)]
    out = sender(mocked)
    out.write(OutputBatch(topic="out", values=keys, keys=keys))
    out.flush()
    assert {m.key(): m.partition() for m in written(mocked, 50)} == {key: murmur2(key, PARTITIONS) for key in keys}


def test_a_full_queue_is_waited_for_and_no_record_is_lost_or_doubled(mocked):
    out = sender(mocked, **{"queue.buffering.max.messages": 100, "queue.buffering.max.kbytes": 1024})
    values = [b"%d" % number for number in range(5_000)]
    out.write(OutputBatch(topic="out", values=values, partitions=0))
    out.flush()
    assert [m.value() for m in written(mocked, 5_000)] == values


def test_a_queue_that_stays_full_is_given_up(mocked):
    out = sender(mocked, timeout=0.3, **{"queue.buffering.max.messages": 10})
    mocked.delay(5_000)
    with pytest.raises(OutcomeUnknown, match="full"):
        out.write(OutputBatch(topic="out", values=[b"x"] * 50, partitions=0))
    with pytest.raises(OutcomeUnknown, match="not written"):
        out.flush()
    mocked.delay(0)


def test_the_end_of_each_changelog_partition_is_reported(mocked):
    out = sender(mocked)
    one, other = TopicPartition("out", 0), TopicPartition("out", 1)
    first = out.write_changelog(
        {one: [(b"k", b"1"), (b"k", b"2")], other: [(b"k", None)], TopicPartition("out", 2): []}
    )
    assert (first.ends, first.failures) == ({one: 2, other: 1}, [])
    second = out.write_changelog({one: [(b"k", b"3")]})
    assert second.ends == {one: 3}
    assert out.topics == {"out"}


def test_event_times_before_1970_are_written_as_the_earliest_time_that_kafka_has() -> None:
    batch = OutputBatch(topic="t", values=[b"a", b"b", b"c"], timestamps=[-5, 0, 7])

    assert _columns(batch)[-1] == [EARLIEST_MS, EARLIEST_MS, 7]
