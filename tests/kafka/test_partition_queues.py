"""Which partitions' queues are drained, in which order, and when somebody may wait; the client is a fake."""

from dataclasses import dataclass, field

import pytest

from streamframe.core.ids import TopicPartition
from streamframe.kafka.codes import PARTITION_EOF
from streamframe.kafka.partition_queues import PartitionQueues

A, B, C = (TopicPartition("t", number) for number in range(3))


@dataclass
class Records:
    """So many records, as far as anybody looks at them here."""

    count: int
    first: int = 0

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    def __len__(self) -> int:
        return self.count


@dataclass
class Handle:
    """A native client: queues by number, each with a number of records, and a note at the end of it."""

    waiting: list[int] = field(default_factory=list)
    given_back: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    released: bool = False

    def take_partition(self, topic: str, partition: int) -> int:
        self.waiting.append(0)
        return len(self.waiting) - 1

    def drop_partition(self, number: int) -> None:
        self.given_back.append(number)

    def drain(self, numbers: list[int], records_max: int, bytes_max: int):
        found: list[tuple[int, Records, list[tuple[int, str, int]]]] = []
        for number in numbers:
            if not records_max:
                return found, True
            taken = min(self.waiting[number], records_max)
            if taken:
                self.waiting[number] -= taken
                records_max -= taken
                ends = [] if self.waiting[number] else [(PARTITION_EOF, "the end", 7)]
                found.append((number, Records(taken), ends))
        return found, not records_max

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def release(self) -> None:
        self.released = True


@pytest.fixture
def handle() -> Handle:
    return Handle()


@pytest.fixture
def queues(handle) -> PartitionQueues:
    made = PartitionQueues(handle)
    made.take([A, B, C])
    return made


def test_partitions_take_turns_when_one_has_enough_for_a_whole_turn(handle, queues):
    handle.waiting = [100, 100, 100]
    turns = [each.partition for _ in range(6) for each in queues.drain([C, B, A], 10)]
    assert turns == [A, B, C, A, B, C]


def test_a_partition_that_does_not_flow_is_left_alone(handle, queues):
    handle.waiting = [5, 5, 5]
    assert [each.partition for each in queues.drain([B], 100)] == [B]
    assert handle.waiting == [5, 0, 5]


def test_notes_come_with_the_records_before_them(handle, queues):
    handle.waiting = [0, 3, 0]
    (drained,) = queues.drain([A, B, C], 100)
    assert drained.batch is not None
    assert (len(drained.batch), drained.batch.next_offset) == (3, 3)
    assert [(error.code(), offset) for error, offset in drained.notes] == [(PARTITION_EOF, 7)]


def test_nobody_waits_while_something_was_left_behind(handle, queues):
    handle.waiting = [20, 0, 0]
    queues.drain([A, B, C], 10)
    queues.wait(0.5)
    assert handle.waits == []
    queues.drain([A, B, C], 100)
    queues.wait(0.5)
    assert handle.waits == [0.5]


def test_after_a_change_of_flow_the_queues_are_looked_at_at_once(handle, queues):
    queues.drain([A, B, C], 10)
    queues.look_again()
    queues.wait(0.5)
    assert handle.waits == []


def test_a_queue_is_given_back_once_and_taken_anew_when_the_partition_comes_again(handle, queues):
    queues.drop([A])
    queues.drop([A])
    queues.take([A])
    queues.take([A])
    assert handle.given_back == [0, 3]
    handle.waiting = [0, 0, 0, 0, 4]
    assert [each.partition for each in queues.drain([A], 10)] == [A]


def test_closing_gives_everything_back(handle, queues):
    queues.close()
    assert handle.released
    assert queues.drain([A, B, C], 10) == []
