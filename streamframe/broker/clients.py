"""Plain clients of a local broker: topics, records in, records out.

The demo writes its input and reads the results back with these. They know nothing of topologies and share no code
with the engine's own clients, so that what they read can judge the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import confluent_kafka.admin as _admin
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streamframe.core.errors import ConfigError, Unavailable

ANSWER_SECONDS_MAX: Final = 30.0
_BATCH_RECORDS: Final = 2_000
_RETRY_SECONDS: Final = 0.05
_NOT_NOW: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""Answers of a broker that is busy with what was asked of it before. `retriable()` is about transactions only."""
_LATEST: Final[Any] = vars(_admin)["OffsetSpec"].latest()  # Not in the client's list of public names.
_PARTITION_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - documented under this name


@dataclass(frozen=True, slots=True)
class Record:
    """What was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


class TopicObserver:
    """Makes topics and tells how far they and a group are.

    Args:
        bootstrap: Broker addresses.
    """

    def __init__(self, bootstrap: str) -> None:
        # Its log is of no use to anybody: whatever it cannot do is raised where it was asked.
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def create(self, names: Sequence[str], *, partitions: int) -> None:
        """Create topics that keep their records whatever their timestamps say.

        Raises:
            ConfigError: The broker refuses one, for example because it exists.
        """
        topics = [NewTopic(name, partitions, config={"retention.ms": "-1"}) for name in names]
        for name, created in self._admin.create_topics(topics, operation_timeout=ANSWER_SECONDS_MAX).items():
            try:
                created.result(ANSWER_SECONDS_MAX)
            except KafkaException as error:
                reason = error.args[0]
                raise ConfigError("the topic could not be created", topic=name, reason=reason.str()) from error

    def end_offsets(self, topic: str) -> dict[int, int]:
        """Return the end offset of each partition: open transactions included.

        Raises:
            Unavailable: The broker does not answer.
        """

        def ask() -> dict[int, int]:
            found = self._admin.list_topics(topic, timeout=ANSWER_SECONDS_MAX).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
            asked = {TopicPartition(topic, partition): _LATEST for partition in found.partitions}
            answers = self._admin.list_offsets(asked, request_timeout=ANSWER_SECONDS_MAX)
            return {at.partition: answer.result(ANSWER_SECONDS_MAX).offset for at, answer in answers.items()}

        return _patiently(ask, f"the end of {topic}")

    def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        """Return the next offset of a group for each partition that it has committed.

        Raises:
            Unavailable: The broker does not answer.
        """

        def ask() -> dict[int, int]:
            asked = [ConsumerGroupTopicPartitions(group)]
            answers = self._admin.list_consumer_group_offsets(asked, request_timeout=ANSWER_SECONDS_MAX)
            found = answers[group].result(ANSWER_SECONDS_MAX).topic_partitions or []
            return {at.partition: at.offset for at in found if at.topic == topic and at.offset >= 0}

        return _patiently(ask, f"the offsets of {group}")


def _patiently(ask: Callable[[], dict[int, int]], what: str) -> dict[int, int]:
    """Ask again while the answer is "not now": a topic that was just made has no leader for a moment."""
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    while True:
        try:
            return ask()
        except (KafkaException, TimeoutError) as error:
            busy = isinstance(error, KafkaException) and error.args[0].code() in _NOT_NOW
            if not busy or time.monotonic() > deadline:
                raise Unavailable("the broker did not answer", asked=what, reason=str(error)) from error
            time.sleep(_RETRY_SECONDS)


class RecordReader:
    """Reads topics from their beginning, committed records only, without a group.

    Args:
        bootstrap: Broker addresses.
        topics: Topics to read, with the number of their partitions.
    """

    def __init__(self, bootstrap: str, topics: Mapping[str, int]) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "streamframe-reader",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 5,
            }
        )
        self._reached: dict[tuple[str, int], int] = {}
        self._consumer.assign(
            [TopicPartition(topic, number, 0) for topic, count in topics.items() for number in range(count)]
        )

    def poll(self, seconds: float) -> list[Record]:
        """Return records that arrive within so long; none is an answer too.

        Raises:
            Unavailable: The client gave up.
        """
        records = []
        for message in self._consumer.consume(_BATCH_RECORDS, seconds):
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            error = message.error()
            if error is None:
                records.append(_record(topic, partition, offset, message))
            elif error.code() == _PARTITION_EOF:
                self._reached[topic, partition] = offset
            elif error.fatal():
                raise Unavailable("records could not be read", topic=topic, reason=error.str())
        return records

    def read_to(self, topic: str, ends: Mapping[int, int], *, seconds_max: float) -> Iterator[Record]:
        """Yield the records of a topic up to its end offsets; those of one partition come in order.

        Transaction markers occupy offsets, so it is the position that must reach the end, not a record.

        Raises:
            Unavailable: The end was not reached in time: a transaction is still open, or the broker is gone.
        """
        deadline = time.monotonic() + seconds_max
        while any(self._reached.get((topic, partition), 0) < end for partition, end in ends.items()):
            if time.monotonic() > deadline:
                raise Unavailable("the end of a topic was not reached in time", topic=topic, seconds=seconds_max)
            yield from self.poll(0.2)

    def close(self) -> None:
        """Give everything back."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _record(topic: str, partition: int, offset: int, message: Message) -> Record:
    headers: Any = message.headers() or []
    return Record(topic, partition, offset, message.key(), message.value(), dict(headers))


class RecordWriter:
    """Writes records to one topic, partitioned as Java's producers do.

    Args:
        bootstrap: Broker addresses.
        topic: The topic.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 10,
                "queue.buffering.max.messages": 500_000,
            }
        )

    def write(self, key: str, value: bytes, *, partition: int = -1) -> None:
        """Write a record; -1: the partition that follows from the key."""
        while True:
            try:
                self._producer.produce(self._topic, value, key, partition)
                return
            except BufferError:
                self._producer.poll(0.05)

    def settle(self) -> None:
        """Take note of what has been delivered; to be called now and then."""
        self._producer.poll(0)

    def flush(self) -> None:
        """Return when everything is written.

        Raises:
            Unavailable: It was not in time.
        """
        left = self._producer.flush(ANSWER_SECONDS_MAX)
        if left:
            raise Unavailable("records were not written", topic=self._topic, left=left)
