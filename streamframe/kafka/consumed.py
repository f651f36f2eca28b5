"""Records as the client delivers them, seen as columns.

Rules:
    1. Nothing is done per record in Python: columns are made by ``map`` over methods written in C.
    2. A column is made when it is asked for; most topologies want values only.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

import numpy as np
from confluent_kafka import KafkaError, Message

from streamframe.core.batch import Headers, Int64Array, RecordBatch
from streamframe.core.ids import Offset, TopicPartition

NO_TIMESTAMP: Final = -1


class ConsumedBatch(RecordBatch):
    """Consecutive records of one partition, over the client's own message objects.

    Args:
        source: The partition all messages are from.
        messages: At least one message, none of them an error, in offset order.
    """

    __slots__ = ("_first", "_last", "_messages", "_source")

    def __init__(self, source: TopicPartition, messages: Sequence[Message]) -> None:
        first, last = messages[0].offset(), messages[-1].offset()
        assert first is not None
        assert last is not None
        assert last - first >= len(messages) - 1, (source, first, last, len(messages))
        self._source = source
        self._messages = messages
        self._first = first
        self._last = last

    @property
    def source(self) -> TopicPartition:
        return self._source

    @property
    def next_offset(self) -> Offset:
        return Offset(self._last + 1)

    def __len__(self) -> int:
        return len(self._messages)

    def values(self) -> list[bytes | None]:
        return list(map(Message.value, self._messages))

    def keys(self) -> list[bytes | None]:
        return list(map(Message.key, self._messages))

    def key(self, row: int) -> bytes | None:
        key = self._messages[row].key()
        assert not isinstance(key, str)
        return key

    def offsets(self) -> Int64Array:
        if self._last - self._first == len(self._messages) - 1:
            # Ascending and as many as the span holds: there is no gap to look for.
            return np.arange(self._first, self._last + 1, dtype=np.int64)
        return np.fromiter(map(Message.offset, self._messages), np.int64, len(self._messages))

    def timestamps(self) -> Int64Array:
        times = map(itemgetter(1), map(Message.timestamp, self._messages))
        return np.maximum(np.fromiter(times, np.int64, len(self._messages)), NO_TIMESTAMP)

    def timestamps_at(self, rows: Sequence[int]) -> Int64Array:
        times = [self._messages[row].timestamp()[1] for row in rows]
        return np.maximum(np.array(times, np.int64), NO_TIMESTAMP)

    def value_bytes_at(self, rows: Sequence[int]) -> Int64Array:
        return np.array([len(self._messages[row]) for row in rows], np.int64)

    def headers(self, row: int) -> Headers:
        headers = self._messages[row].headers()
        if not headers:
            return ()
        pairs = headers.items() if isinstance(headers, dict) else headers
        return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]

    @property
    def size_bytes(self) -> int:
        """Bytes of the values; keys are small and would cost as much to count as to read."""
        return sum(map(len, self._messages))


Place = tuple[str, int]
"""Topic and partition number, as a plain tuple: the key of the hot path."""


def split_errors(messages: list[Message]) -> tuple[list[Message], list[tuple[Message, KafkaError]]]:
    """Separate records from the client's notes among them (partition ends, errors), both in order."""
    errors = list(map(Message.error, messages))
    # Not `count(None)`: an error compared with None leaves an exception behind that surfaces anywhere.
    if not any(errors):
        return messages, []
    records = [message for message, error in zip(messages, errors, strict=True) if error is None]
    notes = [(message, error) for message, error in zip(messages, errors, strict=True) if error is not None]
    return records, notes


def group_by_partition(messages: list[Message]) -> dict[Place, list[Message]]:
    """Group records by partition, in order of first appearance; the order within a partition is kept.

    The client delivers runs of one partition, so borders between runs are looked for, not groups of records.

    Args:
        messages: Records, no errors.
    """
    if not messages:
        return {}
    partitions = list(map(Message.partition, messages))
    topics = list(map(Message.topic, messages))
    one_partition = partitions.count(partitions[0]) == len(partitions)
    one_topic = topics.count(topics[0]) == len(topics)
    if one_partition and one_topic:
        return {_place(messages[0]): messages}
    change = np.zeros(len(messages) - 1, bool)
    if not one_partition:
        numbers = np.array(partitions)
        change |= numbers[1:] != numbers[:-1]
    if not one_topic:
        number_by_topic = {topic: number for number, topic in enumerate(dict.fromkeys(topics))}
        names = np.fromiter(map(number_by_topic.__getitem__, topics), np.int32, len(topics))
        change |= names[1:] != names[:-1]
    borders = (np.flatnonzero(change) + 1).tolist()
    groups: dict[Place, list[Message]] = {}
    for start, end in zip([0, *borders], [*borders, len(messages)], strict=True):
        run = messages[start:end]
        place = _place(run[0])
        if place in groups:
            groups[place] += run
        else:
            groups[place] = run
    return groups


def _place(message: Message) -> Place:
    topic, partition = message.topic(), message.partition()
    assert topic is not None
    assert partition is not None
    return topic, partition
