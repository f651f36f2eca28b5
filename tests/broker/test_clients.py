"""The plain clients: what was written is read back, as far as it was committed."""

import pytest
from confluent_kafka import Producer

from streamframe.broker.clients import RecordReader, RecordWriter, TopicObserver
from streamframe.core.errors import ConfigError, Unavailable
from tests.kafka.cluster import until


def read_all(kafka, observer, topic, *, seconds_max=20.0):
    ends = observer.end_offsets(topic)
    with RecordReader(kafka.bootstrap, {topic: len(ends)}) as reader:
        return list(reader.read_to(topic, ends, seconds_max=seconds_max))


def transaction(kafka, topic, name, value):
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": name})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.flush(20)
    return producer


def test_records_come_back_in_the_order_of_their_partition(kafka):
    observer = TopicObserver(kafka.bootstrap)
    observer.create(["clients-order"], partitions=3)
    writer = RecordWriter(kafka.bootstrap, "clients-order")
    for number in range(300):
        writer.write(f"key-{number % 7}", str(number).encode())
    for partition in range(3):
        writer.write("end", b"end", partition=partition)
    writer.flush()
    records = read_all(kafka, observer, "clients-order")
    assert len(records) == 303
    for partition in range(3):
        mine = [record for record in records if record.partition == partition]
        assert [record.offset for record in mine] == list(range(len(mine)))
        assert mine[-1].value == b"end"
    assert len({(record.key, record.partition) for record in records if record.key != b"end"}) == 7


def test_aborted_records_are_passed_over_and_the_marker_at_the_end_too(kafka):
    observer = TopicObserver(kafka.bootstrap)
    observer.create(["clients-aborted"], partitions=1)
    transaction(kafka, "clients-aborted", "clients-a", b"counts").commit_transaction(20)
    transaction(kafka, "clients-aborted", "clients-b", b"never").abort_transaction(20)
    # Markers are written after the answer to the end of a transaction.
    until(lambda: observer.end_offsets("clients-aborted") == {0: 4})
    assert [record.value for record in read_all(kafka, observer, "clients-aborted")] == [b"counts"]


def test_an_open_transaction_is_waited_for_and_not_guessed(kafka):
    observer = TopicObserver(kafka.bootstrap)
    observer.create(["clients-open"], partitions=1)
    producer = transaction(kafka, "clients-open", "clients-c", b"later")
    with pytest.raises(Unavailable, match="not reached in time"):
        read_all(kafka, observer, "clients-open", seconds_max=1.0)
    producer.commit_transaction(20)
    assert [record.value for record in read_all(kafka, observer, "clients-open")] == [b"later"]


def test_a_group_that_never_was_has_committed_nothing(kafka):
    observer = TopicObserver(kafka.bootstrap)
    observer.create(["clients-group"], partitions=2)
    assert observer.end_offsets("clients-group") == {0: 0, 1: 0}
    assert observer.committed_offsets("clients-no-group", "clients-group") == {}


def test_a_topic_that_exists_is_not_made_again(kafka):
    observer = TopicObserver(kafka.bootstrap)
    observer.create(["clients-twice"], partitions=1)
    with pytest.raises(ConfigError, match="could not be created"):
        observer.create(["clients-twice"], partitions=1)
