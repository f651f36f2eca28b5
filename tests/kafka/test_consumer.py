"""The consumer over a client that does exactly what a test says: callbacks in the middle of gathering."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.errors import Unavailable
from streamframe.core.ids import Offset, TopicPartition
from streamframe.engine.events import (
    EndReached,
    Event,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    RecordsRead,
)
from streamframe.engine.ports import EARLIEST, LATEST, TransactionAborted
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.consumer import InputConsumer, is_member

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


class FakeClient:
    """Hands out what is queued, calling what is queued between; remembers every order."""

    def __init__(self) -> None:
        self.queue: deque[Message | Callable[[], object]] = deque()
        self.orders: list[tuple[str, Any]] = []
        self.not_ready = 0
        self.failure: KafkaException | None = None
        self.metadata: object = b"CGMDv2:\x01\0\0\0g\0member\0\0"

    def subscribe(self, topics: Sequence[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def consume(self, count: int, timeout: float) -> list[Message]:
        taken: list[Message] = []
        while self.queue and len(taken) < count:
            each = self.queue.popleft()
            if isinstance(each, Message):
                taken.append(each)
            else:
                each()
        if self.failure is not None and not taken:
            failure, self.failure = self.failure, None
            raise failure
        return taken

    def poll(self, timeout: float) -> Message | None:
        taken = self.consume(1, timeout)
        return taken[0] if taken else None

    def seek(self, place: ClientPartition) -> None:
        if self.not_ready:
            self.not_ready -= 1
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.orders.append(("seek", (place.partition, place.offset)))

    def offsets_for_times(self, places: list[ClientPartition], timeout: float) -> list[ClientPartition]:
        return places

    def get_watermark_offsets(self, place: ClientPartition, *, cached: bool) -> tuple[int, int]:
        return 0, 100

    def consumer_group_metadata(self) -> object:
        return self.metadata

    def _note(self, name: str) -> Callable[[list[ClientPartition]], None]:
        return lambda places: self.orders.append((name, [(each.partition, each.offset) for each in places]))

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name in {"assign", "incremental_assign", "incremental_unassign", "pause", "resume"}:
            return self._note(name)
        if name in {"unassign", "close"}:
            return lambda: self.orders.append((name, None))
        raise AttributeError(name)


class Scene:
    """A consumer, its client, and what reached the barrier."""

    def __init__(self, *, incremental: bool = True) -> None:
        self.client = FakeClient()
        self.changes: list[Event] = []
        self.react: Callable[[Event], object] = lambda event: None
        self.resolved: list[tuple[list[TopicPartition], Offset]] = []
        self.consumer = InputConsumer(
            lambda protocol: (self.client, incremental),  # type: ignore[arg-type, return-value]
            topics=["t"],
            barrier=self.barrier,
            resolve=self.resolve,
            log=ClientLog(logging.getLogger("test")),
            protocols=["consumer"],
        )
        self.consumer.subscribe()

    def barrier(self, event: Event) -> None:
        self.changes.append(event)
        self.react(event)

    def resolve(self, partitions: Sequence[TopicPartition], logical: Offset) -> dict[TopicPartition, Offset]:
        self.resolved.append((list(partitions), logical))
        return dict.fromkeys(partitions, Offset(10 if logical == EARLIEST else 90))

    def rebalance(self, what: str, *partitions: TopicPartition) -> None:
        places = [ClientPartition(each.topic, each.partition) for each in partitions]
        self.client.queue.append(lambda: self.client.callbacks[what](self.client, places))

    def records(self, partition: TopicPartition, *offsets: int) -> None:
        for offset in offsets:
            self.client.queue.append(Message(topic="t", partition=partition.partition, offset=offset, value=b"v"))

    def note(self, code: int, partition: TopicPartition, offset: int) -> None:
        self.client.queue.append(
            Message(topic="t", partition=partition.partition, offset=offset, error=KafkaError(code))
        )

    def flowing(self, **positions: int) -> None:
        """Bring partitions to where records of them are delivered."""
        places = {{"A": A, "B": B}[name]: Offset(offset) for name, offset in positions.items()}
        self.rebalance("on_assign", *places)
        assert self.polled() == []
        self.consumer.resume(places)
        self.client.orders.clear()

    def polled(self, records_max: int = 1_000) -> list[tuple[TopicPartition, list[int]] | Event]:
        """Poll until nothing comes; return what came, batches as partition and offsets."""
        found: list[tuple[TopicPartition, list[int]] | Event] = []
        while events := self.consumer.poll(0.0, records_max):
            for event in events:
                if isinstance(event, RecordsRead):
                    found.append((event.batch.source, event.batch.offsets().tolist()))
                else:
                    found.append(event)
        return found


def test_assigned_partitions_start_paused_at_an_explicit_offset():
    scene = Scene()
    scene.rebalance("on_assign", B, A)
    scene.polled()
    assert scene.changes == [PartitionsAssigned(partitions=(A, B))]
    assert scene.client.orders == [("incremental_assign", [(0, 10), (1, 10)]), ("pause", [(0, 10), (1, 10)])]


@pytest.mark.parametrize(("incremental", "orders"), [(True, "incremental_unassign"), (False, "unassign")])
def test_revoked_partitions_are_given_back_after_the_barrier(incremental, orders):
    scene = Scene(incremental=incremental)
    scene.flowing(A=0)
    scene.react = lambda event: scene.client.orders.append(("barrier", None))
    scene.rebalance("on_revoke", A)
    scene.polled()
    assert scene.changes[-1] == PartitionsRevoked(partitions=(A,))
    assert [name for name, _ in scene.client.orders] == ["barrier", orders]


def test_lost_partitions_are_gone_before_the_barrier():
    scene = Scene()
    scene.flowing(A=0)
    scene.react = lambda event: scene.client.orders.append(("barrier", None))
    scene.rebalance("on_lost", A)
    scene.polled()
    assert scene.changes[-1] == PartitionsLost(partitions=(A,))
    assert [name for name, _ in scene.client.orders] == ["incremental_unassign", "barrier"]


def test_what_was_gathered_of_a_partition_before_it_is_revoked_is_dropped():
    scene = Scene()
    scene.flowing(A=0, B=0)
    scene.records(A, 0, 1)
    scene.records(B, 0)
    scene.rebalance("on_revoke", A)
    scene.records(B, 1)
    assert scene.polled() == [(B, [0, 1])]


def test_what_was_gathered_before_the_barrier_goes_back_is_dropped_and_the_seek_comes_after_gathering():
    scene = Scene()
    scene.flowing(A=5, B=5)
    scene.react = lambda event: scene.consumer.resume({B: Offset(2)})
    scene.records(B, 5, 6)
    scene.rebalance("on_revoke", A)
    gathered = len(scene.client.orders)
    assert scene.polled() == []
    assert scene.client.orders[gathered:] == [
        ("pause", [(1, -1001)]),
        ("incremental_unassign", [(0, -1001)]),
        ("resume", [(1, 2)]),
        ("seek", (1, 2)),
    ]
    scene.records(B, 2, 3)
    assert scene.polled() == [(B, [2, 3])]


def test_events_leave_one_by_one_and_going_back_drops_the_others():
    scene = Scene()
    scene.flowing(A=0, B=0)
    scene.records(A, 0)
    scene.records(B, 0)
    scene.note(KafkaError._PARTITION_EOF, B, 1)
    assert len(scene.consumer.poll(0.0, 1_000)) == 1
    scene.consumer.resume({A: Offset(0), B: Offset(0)})
    assert scene.polled() == []
    scene.records(A, 0)
    assert scene.polled() == [(A, [0])]


def test_pausing_drops_only_what_belongs_to_the_paused():
    scene = Scene()
    scene.flowing(A=0, B=0)
    scene.records(A, 0)
    scene.records(B, 0)
    assert len(scene.consumer.poll(0.0, 1_000)) == 1
    scene.consumer.pause([A])
    assert scene.polled() == [(B, [0])]
    scene.records(A, 1)
    assert scene.polled() == []


def test_logical_positions_are_resolved_and_never_given_to_the_client():
    scene = Scene()
    scene.rebalance("on_assign", A, B)
    scene.polled()
    scene.resolved.clear()
    scene.consumer.resume({A: EARLIEST, B: LATEST})
    assert scene.resolved == [([A], EARLIEST), ([B], LATEST)]
    assert [value for name, value in scene.client.orders if name == "seek"] == [(0, 10), (1, 90)]


def test_a_partition_that_is_not_ready_to_be_sought_is_tried_again():
    scene = Scene()
    scene.rebalance("on_assign", A)
    scene.polled()
    scene.client.not_ready = 2
    scene.consumer.resume({A: Offset(3)})
    # Unpaused and not yet sought, it delivers from its old place.
    scene.records(A, 10)
    assert scene.polled() == []
    scene.records(A, 3)
    assert scene.polled() == [(A, [3])]


def test_a_partition_that_was_taken_meanwhile_is_not_resumed():
    scene = Scene()
    scene.flowing(A=0)
    scene.rebalance("on_lost", A)
    scene.polled()
    scene.client.orders.clear()
    scene.consumer.resume({A: Offset(0)})
    assert scene.client.orders == []


@pytest.mark.parametrize("code", [KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET])
def test_notes_about_a_partition_that_does_not_flow_are_dropped(code):
    scene = Scene()
    scene.flowing(A=0)
    scene.consumer.pause([A])
    scene.note(code, A, 7)
    assert scene.polled() == []


def test_the_end_is_told_behind_the_records_before_it_and_not_when_more_followed():
    scene = Scene()
    scene.flowing(A=0)
    scene.records(A, 0)
    scene.note(KafkaError._PARTITION_EOF, A, 1)
    scene.records(A, 1)
    scene.note(KafkaError._PARTITION_EOF, A, 4)
    assert scene.polled() == [(A, [0, 1]), EndReached(partition=A, position=Offset(4))]


def test_an_exception_of_the_client_does_not_cost_what_was_gathered_before_it():
    scene = Scene()
    scene.flowing(A=0)
    scene.records(A, *range(1_001))
    scene.client.failure = KafkaException(KafkaError(KafkaError._FATAL, fatal=True))
    batch, failed = scene.polled(records_max=5_000)
    assert batch == (A, list(range(1_001)))
    assert isinstance(failed.error, Unavailable)  # type: ignore[union-attr]


def test_what_the_barrier_raises_does_not_cost_the_client_its_assignment():
    scene = Scene()
    scene.flowing(A=0)

    def fail(event: Event) -> None:
        raise LookupError

    scene.react = fail
    scene.rebalance("on_revoke", A)
    with pytest.raises(LookupError):
        scene.polled()
    assert scene.client.orders == [("incremental_unassign", [(0, -1001)])]


@pytest.mark.parametrize(
    ("metadata", "member"),
    [
        (b"CGMDv2:\x01\0\0\0group\0member\0\0", True),
        (b"CGMDv2:\0\0\0\0group\0member\0instance\0", True),
        (b"CGMDv2:\xff\xff\xff\xffgroup\0member\0\0", False),
        # What a classic consumer has after it was thrown out for not polling.
        (b"CGMDv2:\x01\0\0\0group\0\0\0", False),
        (None, False),
        (b"another version", True),
    ],
)
def test_only_a_living_member_may_commit(metadata, member):
    assert is_member(metadata) is member
    scene = Scene()
    scene.flowing(A=0)
    scene.client.metadata = metadata
    if member:
        assert scene.consumer.group_metadata() == metadata
    else:
        with pytest.raises(TransactionAborted):
            scene.consumer.group_metadata()
