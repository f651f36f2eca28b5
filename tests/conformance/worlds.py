"""Two Kafkas with one face: the one in memory, and a real broker."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from confluent_kafka import Consumer, IsolationLevel, KafkaException, Producer
from confluent_kafka import TopicPartition as ClientPartition
from confluent_kafka.admin import AdminClient

from streamframe.core.errors import Unavailable
from streamframe.core.ids import NO_OFFSET, Offset, TopicPartition
from streamframe.engine.ports import Committed, LogError
from streamframe.kafka.admin import EARLIEST_SPEC, LATEST_SPEC
from streamframe.kafka.errors import facts_of, input_failure, transaction_error
from streamframe.testing.broker import KafkaBroker
from streamframe.testing.memory_broker import Fate, MemoryBroker, Transaction
from streamframe.testing.memory_group import Consumer as MemoryConsumer
from streamframe.testing.memory_group import Group, InstanceTaken
from streamframe.testing.memory_group import Protocol as GroupProtocol
from tests.kafka.cluster import read_whole

SECONDS_MAX = 30.0
Membership = Any
"""What a member sends along with offsets."""


class Writer(Protocol):
    """A transactional producer."""

    def begin(self) -> None: ...
    def write(self, tp: TopicPartition, value: bytes | None, key: bytes | None = None) -> None: ...
    def add_offsets(self, offsets: Mapping[TopicPartition, int], membership: Membership) -> None: ...
    def commit(self) -> None: ...
    def abort(self) -> None: ...


class Member(Protocol):
    """A member of a group that reads one topic."""

    def poll(self) -> None: ...
    @property
    def owned(self) -> set[TopicPartition]: ...
    @property
    def membership(self) -> Membership: ...
    @property
    def fenced(self) -> bool: ...
    def leave(self) -> None: ...


class Kafka(Protocol):
    """What the checks need."""

    def topic(self, partitions: int = 1, **config: str) -> str: ...
    def write(self, tp: TopicPartition, *values: bytes) -> None: ...
    def writer(self, identity: str) -> Writer: ...
    def read(self, tp: TopicPartition) -> list[bytes | None]: ...
    def bounds(self, tp: TopicPartition) -> tuple[int, int, int]: ...
    def use_group(self, topic: str, protocol: GroupProtocol) -> None: ...
    def member(self, instance: str = "") -> Member: ...
    def nobody(self) -> Membership: ...
    def committed(self, tp: TopicPartition) -> int | None: ...
    def delete_before(self, tp: TopicPartition, offset: int) -> None: ...
    def compact(self, tp: TopicPartition) -> None: ...


def until(condition: Callable[[], object], turn: Callable[[], object] = lambda: time.sleep(0.02)) -> None:
    """Take turns until a condition holds."""
    end = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        turn()


# -- in memory ---------------------------------------------------------------------------------------


class MemoryWriter:
    def __init__(self, broker: MemoryBroker, identity: str) -> None:
        self._broker = broker
        self._identity = identity
        self._epoch = broker.init_producer(identity)
        self._transaction: Transaction | None = None

    def begin(self) -> None:
        self._transaction = self._broker.begin(self._identity, self._epoch)

    def write(self, tp: TopicPartition, value: bytes | None, key: bytes | None = None) -> None:
        self._broker.append(tp, value, key=key, transaction=self._transaction)

    def add_offsets(self, offsets: Mapping[TopicPartition, int], membership: Membership) -> None:
        assert self._transaction is not None
        given = {tp: Committed(Offset(offset)) for tp, offset in offsets.items()}
        self._broker.add_offsets(self._transaction, given, *membership)

    def commit(self) -> None:
        assert self._transaction is not None
        self._broker.end(self._transaction, Fate.COMMITTED)

    def abort(self) -> None:
        assert self._transaction is not None
        self._broker.end(self._transaction, Fate.ABORTED)


class MemoryMember:
    def __init__(self, group: Group, instance: str) -> None:
        self._group = group
        self._consumer = MemoryConsumer()
        self._consumer.instance = instance
        self.fenced = False

    def poll(self) -> None:
        try:
            self._group.poll(self._consumer, lambda _event: None)
        except InstanceTaken:
            self.fenced = True

    @property
    def owned(self) -> set[TopicPartition]:
        return set(self._consumer.owned)

    @property
    def membership(self) -> Membership:
        return self._consumer.member_id, self._consumer.generation

    def leave(self) -> None:
        self._group.leave(self._consumer)


class MemoryKafka:
    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.broker.late_markers = True
        self._topics = 0

    def topic(self, partitions: int = 1, **config: str) -> str:
        self._topics += 1
        self.broker.create_topic(f"topic-{self._topics}", partitions)
        return f"topic-{self._topics}"

    def write(self, tp: TopicPartition, *values: bytes) -> None:
        for value in values:
            self.broker.append(tp, value)

    def writer(self, identity: str) -> MemoryWriter:
        return MemoryWriter(self.broker, identity)

    def read(self, tp: TopicPartition) -> list[bytes | None]:
        self._let_markers_through()
        partition = self.broker.partition(tp)
        return [entry.value for entry in partition.read(partition.begin, 1_000)[0]]

    def bounds(self, tp: TopicPartition) -> tuple[int, int, int]:
        self._let_markers_through()
        partition = self.broker.partition(tp)
        return partition.begin, partition.last_stable, partition.end

    def use_group(self, topic: str, protocol: GroupProtocol) -> None:
        counts = {topic: len(self.broker.topics[topic])}
        self._group = Group(self.broker, counts, protocol=protocol)

    def member(self, instance: str = "") -> MemoryMember:
        return MemoryMember(self._group, instance)

    def nobody(self) -> Membership:
        return "", -1

    def committed(self, tp: TopicPartition) -> int | None:
        self._let_markers_through()
        found = self.broker.fetch_committed([tp])
        return None if found is None else int(found[tp].offset)

    def delete_before(self, tp: TopicPartition, offset: int) -> None:
        self.broker.partition(tp).delete_before(offset)

    def compact(self, tp: TopicPartition) -> None:
        self.broker.partition(tp).compact(self.broker.partition(tp).last_stable, tombstones=False)

    def _let_markers_through(self) -> None:
        for producer, tp in self.broker.waiting_markers():
            self.broker.write_marker(producer, tp)


# -- for real ----------------------------------------------------------------------------------------

_RUN = f"{os.getpid()}-{time.time_ns() % 1_000_000}"
_NUMBERS = itertools.count()


@contextmanager
def named() -> Iterator[None]:
    """Raise what the engine is told when a call of a real producer fails."""
    try:
        yield
    except (KafkaException, SystemError) as error:
        raised = transaction_error(error, "call")
        raise raised from error


class RealWriter:
    def __init__(self, client: Producer) -> None:
        self._client = client

    def begin(self) -> None:
        with named():
            self._client.begin_transaction()

    def write(self, tp: TopicPartition, value: bytes | None, key: bytes | None = None) -> None:
        with named():
            self._client.produce(tp.topic, value, key, tp.partition)
            self._client.flush(SECONDS_MAX)

    def add_offsets(self, offsets: Mapping[TopicPartition, int], membership: Membership) -> None:
        given = [ClientPartition(tp.topic, tp.partition, offset) for tp, offset in offsets.items()]
        with named():
            self._client.send_offsets_to_transaction(given, membership, SECONDS_MAX)

    def commit(self) -> None:
        with named():
            self._client.commit_transaction(SECONDS_MAX)

    def abort(self) -> None:
        with named():
            self._client.abort_transaction(SECONDS_MAX)


class RealMember:
    def __init__(self, client: Consumer) -> None:
        self._client = client
        self.fenced = False

    def poll(self) -> None:
        message = self._client.poll(0.05)
        error = None if message is None else message.error()
        # As a worker takes it: what ends its membership ends the worker.
        self.fenced = self.fenced or (error is not None and isinstance(input_failure(error), Unavailable))

    @property
    def owned(self) -> set[TopicPartition]:
        return {TopicPartition(each.topic, each.partition) for each in self._client.assignment()}

    @property
    def membership(self) -> Membership:
        return self._client.consumer_group_metadata()

    def leave(self) -> None:
        self._client.close()


class RealKafka:
    def __init__(self, broker: KafkaBroker) -> None:
        self._broker = broker
        self._admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        self._close: list[Callable[[], object]] = []

    def close(self) -> None:
        for close in reversed(self._close):
            with suppress(KafkaException, RuntimeError):
                close()

    def topic(self, partitions: int = 1, **config: str) -> str:
        name = f"conformance-{_RUN}-{next(_NUMBERS)}"
        self._broker.create_topic(name, partitions, {key.replace("_", "."): value for key, value in config.items()})
        return name

    def write(self, tp: TopicPartition, *values: bytes) -> None:
        client = Producer({"bootstrap.servers": self._broker.bootstrap, "log_level": 0, "enable.idempotence": True})
        for value in values:
            client.produce(tp.topic, value, None, tp.partition)
        assert client.flush(SECONDS_MAX) == 0

    def writer(self, identity: str) -> RealWriter:
        client = Producer(
            {
                "bootstrap.servers": self._broker.bootstrap,
                "transactional.id": f"{identity}-{_RUN}-{id(self)}",
                "linger.ms": 0,
                "log_level": 0,
            }
        )
        client.init_transactions(SECONDS_MAX)
        self._close.append(lambda: client.purge(blocking=False))
        return RealWriter(client)

    def read(self, tp: TopicPartition) -> list[bytes | None]:
        return read_whole(self._broker.bootstrap, f"reader-{_RUN}-{next(_NUMBERS)}", tp)

    def bounds(self, tp: TopicPartition) -> tuple[int, int, int]:
        place = ClientPartition(tp.topic, tp.partition)
        committed, uncommitted = IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED

        def ask(spec: Any, isolation: IsolationLevel) -> int:
            asked = self._admin.list_offsets({place: spec}, isolation_level=isolation)
            return int(asked[place].result(SECONDS_MAX).offset)

        return (
            ask(EARLIEST_SPEC, uncommitted),
            ask(LATEST_SPEC, committed),
            ask(LATEST_SPEC, uncommitted),
        )

    def use_group(self, topic: str, protocol: GroupProtocol) -> None:
        self._group = f"group-{_RUN}-{next(_NUMBERS)}"
        self._topic, self._protocol = topic, protocol

    def _consumer(self, instance: str = "") -> Consumer:
        how: dict[str, Any] = {"group.instance.id": instance} if instance else {}
        if self._protocol == "consumer":
            how |= {"group.protocol": "consumer", "group.remote.assignor": "range"}
        else:
            assignor = "range" if self._protocol == "classic" else "cooperative-sticky"
            how |= {"partition.assignment.strategy": assignor, "session.timeout.ms": 6_000}
        client = Consumer(
            {
                "bootstrap.servers": self._broker.bootstrap,
                "group.id": self._group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
                **how,
            }
        )
        self._close.append(client.close)
        return client

    def member(self, instance: str = "") -> RealMember:
        client = self._consumer(instance)
        client.subscribe([self._topic])
        return RealMember(client)

    def nobody(self) -> Membership:
        return self._consumer().consumer_group_metadata()

    def committed(self, tp: TopicPartition) -> int | None:
        """Return the committed offset, or ``None`` while a transaction holds it."""
        client = self._consumer()
        try:
            answer: Sequence[ClientPartition] = client.committed([ClientPartition(tp.topic, tp.partition)], 1.0)
        except KafkaException as error:
            if facts_of(error).code not in _HELD:
                raise
            return None
        offset = answer[0].offset
        return int(offset) if offset >= 0 else int(NO_OFFSET)

    def delete_before(self, tp: TopicPartition, offset: int) -> None:
        place = ClientPartition(tp.topic, tp.partition, offset)
        self._admin.delete_records([place])[place].result(SECONDS_MAX)

    def compact(self, tp: TopicPartition) -> None:
        """The cleaner works by itself on a topic that asks for it; a later write must roll the segment."""


_HELD = frozenset({-185, 88})
"""Timed out, and "unstable offset commit": what the client says of held offsets."""

__all__ = ["GroupProtocol", "Kafka", "LogError", "MemoryKafka", "RealKafka", "until"]
