"""Columns over the client's messages, against the plain reading of each."""

from typing import Any

from confluent_kafka import KafkaError, Message
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.ids import TopicPartition
from streamframe.kafka.consumed import ConsumedBatch, group_by_partition, split_errors


def message(topic: str = "t", partition: int = 0, offset: int = 0, **more: Any) -> Message:
    return Message(topic=topic, partition=partition, offset=offset, timestamp=(1, 5), **more)


@st.composite
def runs(draw: st.DrawFn) -> list[Message]:
    """Messages as a client delivers them: runs of partitions, offsets of each ascending with gaps."""
    places = draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(1, 4)), max_size=8))
    next_offset: dict[tuple[str, int], int] = {}
    messages = []
    for topic, partition, count in places:
        for _ in range(count):
            offset = next_offset.get((topic, partition), 0) + draw(st.integers(0, 2))
            next_offset[topic, partition] = offset + 1
            messages.append(message(topic, partition, offset, value=b"%d" % offset))
    return messages


@given(runs())
def test_grouping_keeps_every_record_in_the_order_of_its_partition(messages):
    expected: dict[tuple[Any, Any], list[int | None]] = {}
    for each in messages:
        expected.setdefault((each.topic(), each.partition()), []).append(each.offset())
    found = group_by_partition(messages)
    assert {place: [each.offset() for each in run] for place, run in found.items()} == expected
    assert list(found) == list(expected)


@given(runs())
def test_columns_are_what_the_messages_say(messages):
    for (topic, partition), run in group_by_partition(messages).items():
        batch = ConsumedBatch(TopicPartition(topic, partition), run)
        assert batch.offsets().tolist() == [each.offset() for each in run]
        assert batch.values() == [each.value() for each in run]
        assert batch.keys() == [None] * len(run)
        assert batch.timestamps().tolist() == [5] * len(run)
        assert batch.next_offset == batch.offsets()[-1] + 1
        assert batch.size_bytes == sum(len(each.value() or b"") for each in run)


def test_the_key_of_one_record_is_that_of_the_column():
    batch = ConsumedBatch(TopicPartition("t", 0), [message(offset=0, key=b"a"), message(offset=1)])
    assert [batch.key(row) for row in range(2)] == batch.keys() == [b"a", None]


def test_notes_are_separated_from_records():
    end = message(offset=2, error=KafkaError(KafkaError._PARTITION_EOF))
    records = [message(offset=0), message(offset=1)]
    assert split_errors(records) == (records, [])
    found, notes = split_errors([records[0], end, records[1]])
    assert found == records
    assert [(each.offset(), error.code()) for each, error in notes] == [(2, KafkaError._PARTITION_EOF)]


def test_a_record_without_a_timestamp_has_minus_one():
    batch = ConsumedBatch(TopicPartition("t", 0), [Message(topic="t", partition=0, offset=0, timestamp=(0, -1))])
    assert batch.timestamps().tolist() == [-1]


def test_headers_are_pairs():
    batch = ConsumedBatch(TopicPartition("t", 0), [message(headers=[("a", b"1"), ("b", None)]), message(offset=1)])
    assert list(batch.headers(0)) == [("a", b"1"), ("b", None)]
    assert list(batch.headers(1)) == []
