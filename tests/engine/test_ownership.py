"""Which tasks the owned partitions make."""

from dataclasses import replace

import pytest

from streamframe.core.errors import TopologyMismatch
from streamframe.core.ids import TopicPartition
from streamframe.engine.ownership import PARTIAL_ASSIGNMENT_PATIENCE, Ownership
from tests.engine.worlds import CLICKS, IN0, IN1, T0, T1, topology

VIEWS0 = TopicPartition("views", 0)


def joined() -> Ownership:
    """A part that reads two co-partitioned topics."""
    base = topology()
    views = replace(CLICKS, name="views", topic="views")
    sub = replace(base.sub_topologies[0], sources=(CLICKS, views))
    return Ownership(replace(base, sub_topologies=(sub,)), {0: 2})


def test_a_task_is_there_when_all_its_partitions_are() -> None:
    ownership = joined()

    assert ownership.give([IN0], now=0) == []
    assert ownership.is_partial
    assert ownership.give([VIEWS0], now=1) == [T0]
    assert not ownership.is_partial


def test_a_task_goes_with_the_first_of_its_partitions() -> None:
    ownership = Ownership(topology(), {0: 2})
    assert ownership.give([IN0, IN1], now=0) == [T0, T1]

    assert ownership.take([IN1, TopicPartition("unknown", 0)]) == [T1]
    assert ownership.give([], now=1) == [T0]


def test_partitions_without_their_co_partitions_are_an_error_after_a_while() -> None:
    ownership = joined()
    ownership.give([IN0], now=10)

    ownership.check(now=9 + PARTIAL_ASSIGNMENT_PATIENCE)
    with pytest.raises(TopologyMismatch, match="range"):
        ownership.check(now=10 + PARTIAL_ASSIGNMENT_PATIENCE)


def test_a_lonely_partition_that_was_taken_away_in_time_is_none() -> None:
    ownership = joined()
    ownership.give([IN0], now=10)
    ownership.take([IN0])

    ownership.check(now=10 + PARTIAL_ASSIGNMENT_PATIENCE)
    assert not ownership.is_partial
