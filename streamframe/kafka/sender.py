"""Handing records to the client's producer: the tight loop, back-pressure, and offsets of changelog records.

Rules:
    1. No callback per record: each would cost as much as writing the record. A lost record of a transaction
       makes its commit fail; a lost record without a transaction is fatal to the producer. Only the last
       changelog record of a partition asks for its offset.
    2. A full queue is back-pressure: serve the client until there is room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from streamframe.core.batch import OutputBatch
from streamframe.core.ids import Offset, TopicPartition
from streamframe.engine.ports import OutcomeUnknown
from streamframe.kafka.deadline import Deadline
from streamframe.kafka.errors import facts_of

SLICE: Final = 2_000
"""Records between two looks at what the client has to report; reported records count against its queue."""

ROOM_SECONDS: Final = 0.05

ANY_PARTITION: Final = -1
"""The client's partitioner decides."""

NOW: Final = 0
"""The client puts in the time of writing."""

ChangelogRecords = Mapping[TopicPartition, Sequence[tuple[bytes, bytes | None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of changelog records.

    Attributes:
        ends: The next offset of each changelog partition whose last record was written.
        failures: What the client said of those that were not. Its reports do not tell what follows from that:
            the next transactional call does.
    """

    ends: Mapping[TopicPartition, Offset]
    failures: Sequence[str]


class Sender:
    """A producer of the client, and the topics it has written to.

    Args:
        client: The producer.
        timeout: Seconds that a full queue may stay full, and that a flush may take.
    """

    def __init__(self, client: Producer, timeout: float) -> None:
        self.client = client
        self.topics: set[str] = set()
        self._timeout = timeout

    def write(self, batch: OutputBatch) -> None:
        """Queue a batch of records.

        Raises:
            KafkaException, SystemError: As the client raises them.
            OutcomeUnknown: The queue stays full.
        """
        self.topics.add(batch.topic)
        produce, topic = self.client.produce, batch.topic
        for number, row in enumerate(_rows(batch)):
            try:
                produce(topic, *row)
            except BufferError:
                self._produce_when_there_is_room(topic, row)
            if not number % SLICE:
                self.client.poll(0)

    def write_changelog(self, records: ChangelogRecords) -> Written:
        """Write changelog records, and wait until everything that was queued is written or has failed.

        Raises:
            KafkaException, SystemError: As the client raises them.
            OutcomeUnknown: Not written in time.
        """
        ends: dict[TopicPartition, Offset] = {}
        failures: list[str] = []
        for partition in sorted(records):
            if not records[partition]:
                continue
            self.topics.add(partition.topic)
            *before, (last_key, last_value) = records[partition]
            keys = [key for key, _ in before]
            values = [value for _, value in before]
            self.write(OutputBatch(topic=partition.topic, values=values, keys=keys, partitions=partition.partition))
            report = _offset_report(partition, ends, failures)
            self._produce_when_there_is_room(partition.topic, (last_value, last_key, partition.partition, report))
        self.flush()
        return Written(ends=ends, failures=failures)

    def flush(self) -> None:
        """Wait until everything that was queued is written or has failed.

        Raises:
            OutcomeUnknown: Not in time.
        """
        left = self.client.flush(self._timeout)
        if left:
            raise OutcomeUnknown(f"flush: {left} records not written within {self._timeout:g} s")

    def _produce_when_there_is_room(self, topic: str, row: tuple[Any, ...]) -> None:
        deadline = Deadline(self._timeout)
        while True:
            try:
                self.client.produce(topic, *row)
            except BufferError:
                if deadline.passed:
                    raise OutcomeUnknown(f"produce: the queue stays full for {self._timeout:g} s") from None
                self.client.poll(ROOM_SECONDS)
            else:
                return


def _rows(batch: OutputBatch) -> Iterator[tuple[Any, ...]]:
    """Return the positional arguments of ``produce`` for each record; the shorter, the cheaper."""
    keys = repeat(None) if batch.keys is None else batch.keys
    partitions: Any
    if batch.partitions is None:
        partitions = repeat(ANY_PARTITION)
    elif isinstance(batch.partitions, int):
        partitions = repeat(batch.partitions)
    else:
        partitions = batch.partitions
    if batch.timestamps is None and batch.headers is None:
        return zip(batch.values, keys, partitions, strict=False)
    times: Any = repeat(NOW) if batch.timestamps is None else _plain(batch.timestamps)
    if batch.headers is None:
        return zip(batch.values, keys, partitions, repeat(None), repeat(None), times, strict=False)
    headers = [list(each) for each in batch.headers]
    return zip(batch.values, keys, partitions, repeat(None), repeat(None), times, headers, strict=False)


def _plain(numbers: Any) -> Any:
    # An array hands out numpy integers one by one, which the client refuses.
    return numbers.tolist() if hasattr(numbers, "tolist") else numbers


def _offset_report(
    partition: TopicPartition, ends: dict[TopicPartition, Offset], failures: list[str]
) -> Callable[[KafkaError | None, Message], None]:
    def report(error: KafkaError | None, message: Message) -> None:
        offset = None if error is not None else message.offset()
        if offset is None:
            failures.append(f"changelog {partition}: {'no offset' if error is None else facts_of(error).text}")
        else:
            ends[partition] = Offset(offset + 1)

    return report
