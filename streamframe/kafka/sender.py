"""Handing records to the client's producer: the tight loop, back-pressure, and offsets of changelog records.

Rules:
    1. No report per record: each would cost as much as writing the record. A lost record of a transaction
       makes its commit fail; a lost record without a transaction is fatal to the producer. Only the last
       changelog record of a partition tells its offset: by a callback, or on the native path, where the client
       reports failures only, to a watch on its partition.
    2. A full queue is back-pressure: serve the client until there is room.
    3. Records with headers are few (those set aside) and go by ``confluent_kafka``, whatever the others do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from operator import length_hint
from typing import Any, Final

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streamframe.core.batch import Int64Array, OutputBatch
from streamframe.core.ids import Offset, TopicPartition
from streamframe.engine.ports import OutcomeUnknown
from streamframe.kafka.codes import QUEUE_FULL
from streamframe.kafka.deadline import Deadline
from streamframe.kafka.errors import facts_of
from streamframe.kafka.native_client import native_of

SLICE: Final = 10_000
"""Records between two looks at what the client has to report; reported records count against its queue."""

ROOM_SECONDS: Final = 0.005
"""Between two tries of a full queue; nothing tells that there is room again."""

ANY_PARTITION: Final = -1
"""The client's partitioner decides."""

NOW: Final = 0
"""The client puts in the time of writing."""

EARLIEST_MS: Final = 1
"""The timestamp of records with an earlier event time."""

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
        handle = native_of(self.client)
        if handle is not None and batch.headers is None:
            self._write_native(handle, batch)
            return
        values = list(batch.values)
        columns = _columns(batch)
        # No Python per record: `map` calls the client. What is left of `values` tells which record was refused.
        left = iter(values)
        calls = map(self.client.produce, repeat(batch.topic), left, *columns)
        while length_hint(left):
            try:
                deque(islice(calls, SLICE), maxlen=0)
            except BufferError:
                refused = len(values) - length_hint(left) - 1
                row = (values[refused], *(_at(column, refused) for column in columns))
                self._produce_when_there_is_room(batch.topic, row)
            self.client.poll(0)

    def _write_native(self, handle: Any, batch: OutputBatch) -> None:
        """Queue records without a call for each; ``write`` says what is raised."""
        partitions, times = batch.partitions, batch.timestamps
        one = isinstance(partitions, int)
        columns = {
            "values": batch.values,
            "keys": batch.keys,
            "partitions": None if partitions is None or one else np.asarray(partitions, np.int32),
            "partition": partitions if one else ANY_PARTITION,
            "timestamps": None if times is None else np.maximum(np.asarray(times, np.int64), EARLIEST_MS),
        }
        start, rows = 0, len(batch)
        deadline = Deadline(self._timeout)
        while start < rows:
            queued, code = handle.produce(batch.topic, start, rows, **columns)
            start += queued
            if code == QUEUE_FULL:
                if queued:
                    deadline = Deadline(self._timeout)
                if deadline.passed:
                    raise OutcomeUnknown(f"produce: the queue stays full for {self._timeout:g} s")
                self.client.poll(ROOM_SECONDS)
            elif code:
                raise KafkaException(KafkaError(code))
        self.client.poll(0)

    def write_changelog(self, records: ChangelogRecords) -> Written:
        """Write changelog records, and wait until everything that was queued is written or has failed.

        Raises:
            KafkaException, SystemError: As the client raises them.
            OutcomeUnknown: Not written in time.
        """
        written = {partition: records[partition] for partition in sorted(records) if records[partition]}
        self.topics.update(partition.topic for partition in written)
        handle = native_of(self.client)
        if handle is not None:
            return self._write_changelog_native(handle, written)
        ends: dict[TopicPartition, Offset] = {}
        failures: list[str] = []
        for partition in written:
            *before, (last_key, last_value) = records[partition]
            keys = [key for key, _ in before]
            values = [value for _, value in before]
            self.write(OutputBatch(topic=partition.topic, values=values, keys=keys, partitions=partition.partition))
            report = _offset_report(partition, ends, failures)
            self._produce_when_there_is_room(partition.topic, (last_value, last_key, partition.partition, report))
        self.flush()
        return Written(ends=ends, failures=failures)

    def _write_changelog_native(self, handle: Any, records: ChangelogRecords) -> Written:
        """Write changelog records; ``write_changelog`` says what is raised."""
        handle.watch([(partition.topic, partition.partition) for partition in records])
        for partition, entries in records.items():
            keys, values = zip(*entries, strict=True)
            self.write(OutputBatch(topic=partition.topic, values=values, keys=keys, partitions=partition.partition))
        self.flush()
        ends: dict[TopicPartition, Offset] = {}
        failures: list[str] = []
        for topic, number, offset, code in handle.fates():
            _note_end(TopicPartition(topic, number), offset, KafkaError(code) if code else None, ends, failures)
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


def _columns(batch: OutputBatch) -> list[Any]:
    """Return the further positional arguments of ``produce``, each a list or a repetition; no more than needed.

    The two callbacks are left out or ``None`` together: the client ignores the second when the first is there.
    """
    columns: list[Any] = [
        repeat(None) if batch.keys is None else list(batch.keys),
        repeat(ANY_PARTITION) if batch.partitions is None else _plain(batch.partitions),
    ]
    if batch.timestamps is not None or batch.headers is not None:
        columns += [repeat(None), repeat(None)]
        columns.append(repeat(NOW) if batch.timestamps is None else _times(batch.timestamps))
    if batch.headers is not None:
        columns.append([list(each) for each in batch.headers])
    return columns


def _times(timestamps: Sequence[int] | Int64Array) -> list[int]:
    """Return record timestamps that Kafka can hold: it knows no time before 1970, and 0 means ``NOW``."""
    return [time if time >= EARLIEST_MS else EARLIEST_MS for time in _plain(timestamps)]


def _at(column: Any, row: int) -> Any:
    return next(column) if isinstance(column, repeat) else column[row]


def _plain(numbers: Sequence[int] | Int64Array | int) -> Any:
    if isinstance(numbers, int):
        return repeat(numbers)
    # An array hands out numpy integers one by one, which the client refuses.
    return numbers.tolist() if isinstance(numbers, np.ndarray) else list(numbers)


def _offset_report(
    partition: TopicPartition, ends: dict[TopicPartition, Offset], failures: list[str]
) -> Callable[[KafkaError | None, Message], None]:
    def report(error: KafkaError | None, message: Message) -> None:
        _note_end(partition, message.offset(), error, ends, failures)

    return report


def _note_end(
    partition: TopicPartition,
    offset: int | None,
    error: KafkaError | None,
    ends: dict[TopicPartition, Offset],
    failures: list[str],
) -> None:
    if error is None and offset is not None and offset >= 0:
        ends[partition] = Offset(offset + 1)
    else:
        failures.append(f"changelog {partition}: {'no offset' if error is None else facts_of(error).text}")
