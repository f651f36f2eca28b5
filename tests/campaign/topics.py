"""Reading what was committed, with offsets: record by record, partition by partition."""

from __future__ import annotations

import time
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from benchmarks.reading import reader

LIMIT_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Record:
    """A committed record."""

    offset: int
    key: bytes
    value: bytes


def read_partitions(bootstrap: str, topic: str) -> dict[int, list[Record]]:
    """Return the committed records of each partition of a topic, to its end."""
    consumer = reader(bootstrap)
    numbers = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    found: dict[int, list[Record]] = {number: [] for number in numbers}
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    ended: set[int] = set()
    deadline = time.monotonic() + LIMIT_SECONDS
    while len(ended) < len(numbers):
        assert time.monotonic() < deadline, f"{topic} cannot be read to its end: an open transaction?"
        for message in consumer.consume(5_000, 0.5):
            number, offset = message.partition(), message.offset()
            assert number is not None
            assert offset is not None
            failure = message.error()
            if failure is None:
                found[number].append(Record(offset, message.key() or b"", message.value() or b""))
            elif failure.code() == KafkaError._PARTITION_EOF:
                ended.add(number)
            elif not failure.retriable():
                raise KafkaException(failure)
    consumer.close()
    return found


def transactions(records: list[Record]) -> list[list[Record]]:
    """Cut the committed records of a partition into transactions: between two of them a marker occupies an offset."""
    cut: list[list[Record]] = []
    for record in records:
        if not cut or record.offset != cut[-1][-1].offset + 1:
            cut.append([])
        cut[-1].append(record)
    return cut
