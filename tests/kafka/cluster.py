"""What the tests of the adapter talk to: topics, foreign producers and readers, and members that they script."""

import itertools
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.batch import OutputBatch
from streamframe.core.ids import Offset, TopicPartition
from streamframe.core.settings import KafkaSettings, Limits
from streamframe.engine.events import (
    ChangelogRead,
    EndReached,
    Event,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    RecordsRead,
)
from streamframe.engine.ports import EARLIEST, CommitRequest, Committed
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.log import KafkaLog, LogOptions
from streamframe.testing.broker import KafkaBroker
from tests.kafka.mock_cluster import MockCluster

SECONDS_MAX = 20.0
_RUN = f"{os.getpid()}-{time.time_ns() % 1_000_000}"
_NUMBERS = itertools.count()
SOURCE, SINK = TopicPartition("in", 0), TopicPartition("out", 0)
"""Of a mock cluster."""


def until(condition: Callable[[], object], turn: Callable[[], object] = lambda: time.sleep(0.01)) -> None:
    """Take turns until the condition holds."""
    end = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        turn()


def read_whole(
    bootstrap: str, group: str, partition: TopicPartition, isolation: str = "read_committed"
) -> list[bytes | None]:
    """Return the values that a reader gets of a partition at this moment."""
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    values: list[bytes | None] = []
    try:
        reader.assign([ClientPartition(partition.topic, partition.partition, 0)])
        end = time.monotonic() + SECONDS_MAX
        while time.monotonic() < end:
            message = reader.poll(0.1)
            if message is not None:
                if message.error() is not None:
                    return values
                values.append(message.value())
        raise AssertionError("no end of the partition")
    finally:
        reader.close()


class Calls:
    """A watchdog that remembers, and insists that calls do not nest."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._inside: str | None = None

    def enter(self, name: str, seconds: float) -> None:
        assert self._inside is None, f"{name} inside {self._inside}"
        assert seconds > 0
        self._inside = name
        self.names.append(name)

    def leave(self) -> None:
        assert self._inside is not None
        self._inside = None


class Member:
    """A worker without an engine: it resumes what it is given, and remembers what it reads."""

    def __init__(self, options: LogOptions, start: Offset = EARLIEST) -> None:
        self.start = start
        self.watchdog = Calls()
        self.changes: list[Event] = []
        self.events: list[Event] = []
        self.records: dict[TopicPartition, list[bytes | None]] = {}
        self.positions: dict[TopicPartition, Offset] = {}
        self.ends: dict[TopicPartition, Offset] = {}
        self.owned: set[TopicPartition] = set()
        self.on_change: Callable[[Event], object] = self.resume_all
        self.log = KafkaLog(options, barrier=self._barrier, watchdog=self.watchdog, logger=logging.getLogger("test"))

    def resume_all(self, event: Event) -> None:
        if isinstance(event, PartitionsAssigned):
            self.log.resume(dict.fromkeys(event.partitions, self.start))

    def _barrier(self, event: Event) -> None:
        self.changes.append(event)
        match event:
            case PartitionsAssigned():
                self.owned |= set(event.partitions)
            case PartitionsRevoked() | PartitionsLost():
                self.owned -= set(event.partitions)
        self.on_change(event)

    def turn(self) -> None:
        """Poll once."""
        for event in self.log.poll(20_000):
            self.events.append(event)
            match event:
                case RecordsRead():
                    self.records.setdefault(event.batch.source, []).extend(event.batch.values())
                    self.positions[event.batch.source] = event.batch.next_offset
                case EndReached():
                    self.ends[event.partition] = self.positions[event.partition] = event.position

    def until(self, condition: Callable[[], object]) -> None:
        until(condition, self.turn)

    def read(self, partition: TopicPartition, count: int) -> list[bytes | None]:
        """Poll until a partition has delivered that many records."""
        self.until(lambda: len(self.records.get(partition, ())) >= count)
        return self.records[partition]


class Cluster:
    """A broker as one test sees it; everything it makes is closed at the end of the test."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.broker = broker
        self.settings = KafkaSettings(
            bootstrap=broker.bootstrap,
            request_timeout_ms=15_000,
            session_timeout_ms=6_000,
            transaction_timeout_ms=15_000,
        )
        self.admin = TopicAdmin(self.settings, ClientLog(logging.getLogger("test")))
        self._open: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for close in reversed(self._open):
            close()
        self.admin.close()

    def name(self, word: str) -> str:
        """Return a name that nobody else has."""
        return f"{word}-{_RUN}-{next(_NUMBERS)}"

    def topic(self, partitions: int = 1, **config: str) -> str:
        name = self.name("topic")
        self.broker.create_topic(name, partitions, {key.replace("_", "."): value for key, value in config.items()})
        return name

    def partition(self, **config: str) -> TopicPartition:
        """Return the only partition of a new topic."""
        return TopicPartition(self.topic(1, **config), 0)

    def options(self, *topics: str, group: str | None = None, member: str | None = None, **given: Any) -> LogOptions:
        limits = given.pop("limits", Limits())
        guarantee = given.pop("guarantee", "exactly_once")
        return LogOptions(
            group=group or self.name("group"),
            member=member or self.name("member"),
            topics=topics,
            kafka=KafkaSettings(**{**_fields(self.settings), **given}),
            limits=limits,
            guarantee=guarantee,
        )

    def member(self, options: LogOptions, start: Offset = EARLIEST, *, connect: bool = True) -> Member:
        member = Member(options, start)
        self._open.append(member.log.close)
        if connect:
            member.log.connect()
        return member

    def producer(self, transactional_id: str | None = None, **properties: Any) -> Producer:
        """Return a foreign producer, transactional and initialised if it has an id."""
        identity = {} if transactional_id is None else {"transactional.id": transactional_id}
        made = Producer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "linger.ms": 0,
                "log_level": 0,
                # Or what is refused by a leader that is not ready yet comes behind what was written after it.
                "enable.idempotence": True,
                **identity,
                **properties,
            }
        )
        if transactional_id is not None:
            made.init_transactions(SECONDS_MAX)
        self._open.append(lambda: _close(made))
        return made

    def write(self, partition: TopicPartition, *values: bytes) -> None:
        producer = self.producer()
        for value in values:
            producer.produce(partition.topic, value, partition=partition.partition)
        assert producer.flush(SECONDS_MAX) == 0

    def read(self, partition: TopicPartition, isolation: str = "read_committed") -> list[bytes | None]:
        """Return everything that a reader gets of a partition at this moment."""
        return read_whole(self.broker.bootstrap, self.name("reader"), partition, isolation)

    def until_read(self, partition: TopicPartition, *values: bytes) -> None:
        """Wait until a reader gets exactly these: a commit is answered before its records are visible."""
        until(lambda: self.read(partition) == list(values))


def _close(producer: Producer) -> None:
    # One that was fenced on purpose says so once more.
    with suppress(KafkaException):
        producer.close()


def output(partition: TopicPartition, *values: bytes) -> OutputBatch:
    return OutputBatch(topic=partition.topic, values=values, partitions=partition.partition)


def request(
    offsets: Mapping[TopicPartition, int | tuple[int, str]] | None = None,
    changelog: Mapping[TopicPartition, Sequence[tuple[bytes, bytes | None]]] | None = None,
) -> CommitRequest:
    committed = {}
    for partition, given in (offsets or {}).items():
        offset, text = given if isinstance(given, tuple) else (given, "")
        committed[partition] = Committed(Offset(offset), text)
    return CommitRequest(offsets=committed, changelog=changelog or {})


def changelog_reads(member: Member, changelog: TopicPartition) -> list[ChangelogRead]:
    """Return the slices of a changelog that a member has read so far."""
    return [event for event in member.events if isinstance(event, ChangelogRead) and event.changelog == changelog]


def restored(member: Member, changelog: TopicPartition) -> list[tuple[bytes, bytes | None]]:
    """Return the changelog records that a member has read so far."""
    return [pair for event in changelog_reads(member, changelog) for pair in event.records]


def restore_position(member: Member, changelog: TopicPartition) -> int:
    """Return how far a member has read a changelog."""
    reads = changelog_reads(member, changelog)
    return reads[-1].position if reads else -1


def _fields(settings: KafkaSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in type(settings).__dataclass_fields__}


def joined(mocked: MockCluster, **given) -> Member:
    """Return a member that owns ``SOURCE`` of a mock cluster; ``given`` are its guarantee and settings of Kafka."""
    guarantee = given.pop("guarantee", "exactly_once")
    kafka = KafkaSettings(**{"bootstrap": mocked.bootstrap, "request_timeout_ms": 5_000, **given})
    options = LogOptions(group="group", member="member", topics=(SOURCE.topic,), kafka=kafka, guarantee=guarantee)
    member = Member(options)
    member.log.connect()
    member.until(lambda: member.owned)
    return member
