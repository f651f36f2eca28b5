"""Records through partition queues and out again, on a cluster inside this process."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.batch import OutputBatch
from streamframe.core.ids import TopicPartition
from streamframe.kafka.codes import PARTITION_EOF
from streamframe.kafka.native_client import PLUGINS, is_available, make_client, native_of
from streamframe.kafka.partition_queues import Drained, PartitionQueues
from streamframe.kafka.sender import Sender
from tests.kafka.mock_cluster import MockCluster

PLACES = tuple(TopicPartition("t", number) for number in range(2))


@pytest.fixture
def mocked() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        cluster.create_topic("t", 2)
        yield cluster


@pytest.fixture
def producer(mocked) -> Sender:
    return Sender(make_client(Producer, {"bootstrap.servers": mocked.bootstrap, "linger.ms": 50}), 10.0)


@pytest.fixture
def consumer(mocked) -> Iterator[Consumer]:
    properties = {"bootstrap.servers": mocked.bootstrap, "group.id": "g", "fetch.wait.max.ms": 10}
    client = make_client(Consumer, {**properties, "enable.partition.eof": True})
    yield client
    client.close()


def assigned(consumer) -> PartitionQueues:
    queues = PartitionQueues(native_of(consumer))
    queues.take(PLACES)
    consumer.assign([ClientPartition(each.topic, each.partition, 0) for each in PLACES])
    return queues


def drained(consumer, queues, ends: int, records_max: int = 1_000) -> list[Drained]:
    """Drain until the ends of so many partitions were reached."""
    found: list[Drained] = []
    deadline = time.monotonic() + 20
    while sum(len(each.notes) for each in found) < ends:
        assert time.monotonic() < deadline, found
        queues.wait(0.2)
        assert consumer.poll(0) is None
        found += queues.drain(PLACES, records_max)
    return found


def test_records_keep_value_key_offset_time_and_headers(producer, consumer):
    producer.write(
        OutputBatch(topic="t", values=[b"a", None, b""], keys=[b"k", None, b""], partitions=0, timestamps=[5, 6, 7])
    )
    producer.write(OutputBatch(topic="t", values=[b"h"], partitions=0, headers=[[("x", b"1"), ("y", None)]]))
    producer.flush()
    found = drained(consumer, assigned(consumer), ends=2)
    batches = [each.batch for each in found if each.batch is not None]
    assert [each.source for each in batches] == [PLACES[0]] * len(batches)
    rows = [row for each in batches for row in zip(each.values(), each.keys(), each.offsets().tolist(), strict=True)]
    assert rows == [(b"a", b"k", 0), (None, None, 1), (b"", b"", 2), (b"h", None, 3)]
    assert [time for each in batches for time in each.timestamps().tolist()][:3] == [5, 6, 7]
    headers = [each.headers(row) for each in batches for row in range(len(each))]
    assert headers == [[], [], [], [("x", b"1"), ("y", None)]]
    assert sum(each.size_bytes for each in batches) == 3
    assert batches[-1].next_offset == 4


def test_headers_that_nobody_asks_for_are_left_out(producer, consumer):
    producer.write(OutputBatch(topic="t", values=[b"h"], keys=[b"k"], partitions=0, headers=[[("x", b"1")]]))
    producer.flush()
    native_of(consumer).leave_out_headers()
    (batch,) = [each.batch for each in drained(consumer, assigned(consumer), ends=2) if each.batch is not None]
    assert [(batch.values()[0], batch.key(0), batch.headers(0))] == [(b"h", b"k", [])]


def test_the_end_of_each_changelog_partition_is_known_though_only_failures_are_reported(producer):
    one, other = PLACES
    first = producer.write_changelog({one: [(b"k", b"1"), (b"k", b"2")], other: [(b"k", None)]})
    assert (first.ends, first.failures) == ({one: 2, other: 1}, [])
    producer.write(OutputBatch(topic="t", values=[b"x"] * 7, partitions=0))
    assert producer.write_changelog({one: [(b"k", b"3")]}).ends == {one: 10}
    assert producer.write_changelog({}).ends == {}


def test_what_becomes_of_records_that_are_given_up_is_known(mocked, producer):
    handle = native_of(producer.client)
    mocked.delay(5_000)
    handle.watch([("t", 0), ("t", 1)])
    assert handle.produce("t", 0, 2, [b"x", b"y"], partition=0) == (2, 0)
    producer.client.purge()
    assert producer.client.flush(10) == 0
    mocked.delay(0)
    (topic, partition, _, code), untouched = handle.fates()
    assert (topic, partition, code) == ("t", 0, KafkaError._PURGE_QUEUE)
    assert untouched == ("t", 1, -1, 0)
    assert handle.fates() == []


class Forgetful:
    """A producer that gives up what waits, as after a failure, when it is asked to write it."""

    def __init__(self, client):
        self.handle = native_of(client)
        self.poll = client.poll
        self._client = client

    def flush(self, timeout):
        self._client.purge()
        return self._client.flush(timeout)


def test_a_changelog_record_that_is_lost_is_a_failure(mocked, producer):
    producer.client = Forgetful(producer.client)
    mocked.delay(5_000)
    written = producer.write_changelog({PLACES[0]: [(b"k", b"1")]})
    mocked.delay(0)
    assert written.ends == {}
    assert [text.partition(":")[0] for text in written.failures] == [f"changelog {PLACES[0]}"]


def test_the_end_of_a_partition_is_told_behind_its_records(producer, consumer):
    producer.write(OutputBatch(topic="t", values=[b"a"] * 10, partitions=1))
    producer.flush()
    found = drained(consumer, assigned(consumer), ends=2)
    notes = {each.partition: (error.code(), offset) for each in found for error, offset in each.notes}
    assert notes == {PLACES[0]: (PARTITION_EOF, 0), PLACES[1]: (PARTITION_EOF, 10)}


def test_a_turn_takes_no_more_records_than_asked_for(producer, consumer):
    producer.write(OutputBatch(topic="t", values=[b"x"] * 2_000, partitions=[0, 1] * 1_000))
    producer.flush()
    found = drained(consumer, assigned(consumer), ends=2, records_max=100)
    batches = [each.batch for each in found if each.batch is not None]
    assert max(map(len, batches)) <= 100
    assert sum(map(len, batches)) == 2_000


def test_a_turn_takes_about_as_many_bytes_as_are_allowed(producer, consumer):
    producer.write(OutputBatch(topic="t", values=[b"x" * 50_000] * 60, partitions=0))
    producer.flush()
    assigned(consumer)
    handle = native_of(consumer)
    sizes: list[int] = []
    deadline = time.monotonic() + 20
    while sum(sizes) < 60 * 50_000:
        assert time.monotonic() < deadline, sizes
        handle.wait(0.2)
        found, _ = handle.drain([0, 1], 1_000, 500_000)
        sizes += [records.nbytes for _, records, _ in found if records is not None]
    assert max(sizes) <= 2 * 500_000


def test_a_partition_that_does_not_flow_keeps_its_records(producer, consumer):
    producer.write(OutputBatch(topic="t", values=[b"a", b"b"], partitions=[0, 1]))
    producer.flush()
    queues = assigned(consumer)
    found = drained(consumer, queues, ends=2)
    assert len([each for each in found if each.batch is not None]) == 2
    producer.write(OutputBatch(topic="t", values=[b"c"], partitions=0))
    producer.flush()
    assert queues.drain([PLACES[1]], 10) == []


def test_what_was_fetched_of_a_partition_that_is_taken_away_is_thrown_away(producer, consumer):
    producer.write(OutputBatch(topic="t", values=[b"x"] * 100, partitions=0))
    producer.flush()
    queues = assigned(consumer)
    queues.wait(20)
    queues.drop([PLACES[0]])
    queues.take([PLACES[0]])
    assert [each.batch for each in queues.drain([PLACES[0]], 1_000) if each.batch is not None] == []


def test_a_client_that_is_closed_has_no_native_side_left(mocked):
    client = make_client(Consumer, {"bootstrap.servers": mocked.bootstrap, "group.id": "h"})
    queues = assigned(client)
    handle = native_of(client)
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        handle.take_partition("t", 0)
    with pytest.raises(RuntimeError, match="closed"):
        queues.drain(PLACES, 10)
    queues.drop(PLACES)
    queues.close()


def test_every_client_has_the_handle_of_its_own(mocked):
    clients = [make_client(Producer, {"bootstrap.servers": mocked.bootstrap}) for _ in range(3)]
    handles = [native_of(client) for client in clients]
    assert all(handle is not None for handle in handles)
    for number, handle in enumerate(handles):
        assert handle.produce("t", 0, 1, [b"x"], partition=number % 2) == (1, 0)
    assert [client.flush(10) for client in clients] == [0, 0, 0]


def test_a_plugin_that_cannot_be_loaded_is_still_refused(mocked):
    assert is_available()
    with pytest.raises(KafkaException):
        make_client(Producer, {"bootstrap.servers": mocked.bootstrap, PLUGINS: "/no/such/plugin"})


def test_a_property_that_the_client_refuses_is_refused(mocked):
    with pytest.raises(KafkaException):
        make_client(Consumer, {"bootstrap.servers": mocked.bootstrap, "group.id": "g", "no.such.property": 1})


def test_records_without_a_partition_go_where_the_partitioner_says(mocked, consumer):
    made = make_client(Producer, {"bootstrap.servers": mocked.bootstrap, "partitioner": "murmur2_random"})
    Sender(made, 10.0).write(OutputBatch(topic="t", values=[b"v"] * 50, keys=[b"%d" % n for n in range(50)]))
    plain = Producer({"bootstrap.servers": mocked.bootstrap, "partitioner": "murmur2_random"})
    for number in range(50):
        plain.produce("t", b"v", b"%d" % number)
    assert made.flush(10) == plain.flush(10) == 0
    found = drained(consumer, assigned(consumer), ends=2)
    places: dict[bytes, set[int]] = {}
    for each in found:
        for key in each.batch.keys() if each.batch is not None else ():
            places.setdefault(key, set()).add(each.partition.partition)
    assert len(places) == 50
    assert all(len(each) == 1 for each in places.values())
