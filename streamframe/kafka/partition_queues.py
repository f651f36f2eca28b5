"""Input records by the native path: straight from the queues of single partitions into columns.

Rules:
    1. A partition's queue is taken away from the consumer's before the partition is assigned, so that no record of it
       goes another way. Rebalances, errors of the client and everything else stay in the consumer's own queue, which
       only ``confluent_kafka`` may read.
    2. A queue is drained only while its partition flows. What waits there is back-pressure: the client stops fetching.
    3. Whoever waits, waits for all queues at once, the consumer's included: a rebalance wakes as a record does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from confluent_kafka import KafkaError

from streamframe.core.batch import Headers, Int64Array, RecordBatch
from streamframe.core.ids import Offset, TopicPartition

BYTES_MAX: Final = 8 << 20
"""About the most bytes taken from the client in one turn, however many records were asked for."""


class NativeBatch(RecordBatch):
    """Consecutive records of one partition, over native buffers.

    Args:
        source: The partition.
        records: The native records, at least one.
    """

    __slots__ = ("_first", "_last", "_records", "_source")

    def __init__(self, source: TopicPartition, records: Any) -> None:
        self._source = source
        self._records = records
        self._first: int = records.first
        self._last: int = records.last

    @property
    def source(self) -> TopicPartition:
        return self._source

    @property
    def next_offset(self) -> Offset:
        return Offset(self._last + 1)

    def __len__(self) -> int:
        return len(self._records)

    def values(self) -> Any:
        """The values, as a sequence that makes Python objects of those that are looked at."""
        return self._records.values

    def keys(self) -> Any:
        """The keys, likewise."""
        return self._records.keys

    def offsets(self) -> Int64Array:
        if self._last - self._first == len(self._records) - 1:
            return np.arange(self._first, self._last + 1, dtype=np.int64)
        return np.frombuffer(self._records.offsets(), np.int64)

    def timestamps(self) -> Int64Array:
        return np.frombuffer(self._records.timestamps(), np.int64)

    def headers(self, row: int) -> Headers:
        return self._records.headers(row)

    @property
    def size_bytes(self) -> int:
        return self._records.nbytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What came from the queue of one partition.

    Attributes:
        partition: The partition.
        batch: Its records, or ``None``.
        notes: What the client says besides, behind the records, each with the offset it is about.
    """

    partition: TopicPartition
    batch: NativeBatch | None
    notes: tuple[tuple[KafkaError, Offset], ...] = ()


class PartitionQueues:
    """The queues of the assigned partitions of one consumer.

    Args:
        handle: Native handle of the consumer.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._number_by_partition: dict[TopicPartition, int] = {}
        self._partition_by_number: dict[int, TopicPartition] = {}
        self._left = False
        self._next = 0

    def take(self, partitions: Iterable[TopicPartition]) -> None:
        """Take the queues of partitions that are about to be assigned."""
        for partition in partitions:
            self.drop([partition])
            number = self._handle.take_partition(partition.topic, partition.partition)
            self._number_by_partition[partition] = number
            self._partition_by_number[number] = partition

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Give back the queues of partitions that are about to be taken away; what they hold is thrown away."""
        for partition in partitions:
            number = self._number_by_partition.pop(partition, None)
            if number is not None:
                del self._partition_by_number[number]
                self._handle.drop_partition(number)

    def wait(self, seconds: float) -> None:
        """Wait until something arrives, in these queues or the consumer's own, unless something was left behind."""
        if not self._left and seconds > 0:
            self._handle.wait(seconds)

    def look_again(self) -> None:
        """Do not wait the next time: a queue may hold what nobody will be woken for."""
        self._left = True

    def drain(self, flowing: Collection[TopicPartition], records_max: int) -> list[Drained]:
        """Take what has arrived for partitions that flow, without waiting.

        Args:
            flowing: The partitions.
            records_max: Most records taken.
        """
        found_numbers = map(self._number_by_partition.get, flowing)
        numbers = sorted(number for number in found_numbers if number is not None)
        # Begin where the last turn ended, or the first partition would keep the others waiting.
        start = next((place for place, number in enumerate(numbers) if number >= self._next), 0)
        found, self._left = self._handle.drain(numbers[start:] + numbers[:start], records_max, BYTES_MAX)
        drained = []
        for number, records, notes in found:
            self._next = number + 1
            partition = self._partition_by_number[number]
            drained.append(
                Drained(
                    partition=partition,
                    batch=None if records is None else NativeBatch(partition, records),
                    notes=tuple((KafkaError(code, text), Offset(offset)) for code, text, offset in notes),
                )
            )
        return drained

    def close(self) -> None:
        """Give everything back, before the consumer is closed."""
        self._number_by_partition.clear()
        self._partition_by_number.clear()
        self._handle.release()
