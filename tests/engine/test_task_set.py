"""Tasks come with their partitions, in the order of their ids, and leave when their work is decided."""

from __future__ import annotations

from streamframe.core.ids import TopicPartition
from streamframe.engine import commands as cmd
from streamframe.engine.portrait import WorkTally
from streamframe.engine.task import Task
from streamframe.engine.task_set import TaskSet
from tests.engine.worlds import IN0, IN1, T0, T1, topology


def tasks(tally: WorkTally | None = None) -> TaskSet:
    def no_program(*_: object) -> None:
        raise AssertionError("no task begins to work here")

    return TaskSet(topology(), {0: 2}, tally or WorkTally(), no_program)  # type: ignore[arg-type]


def test_tasks_are_in_the_order_of_their_ids_however_they_came() -> None:
    found = tasks()

    first = found.give([IN1], now=0)
    second = found.give([IN0], now=1)

    assert [task.id for task in first] == [T1]
    assert [task.id for task in second] == [T0]
    assert list(found) == [T0, T1]


def test_a_partition_that_is_given_again_makes_no_second_task() -> None:
    found = tasks()
    (made,) = found.give([IN0], now=0)

    assert found.give([IN0], now=1) == []
    assert found[T0] is made


def test_a_partition_leads_to_its_task() -> None:
    found = tasks()
    found.give([IN0], now=0)

    task = found.of(IN0)

    assert isinstance(task, Task)
    assert task.id == T0
    assert found.of(IN1) is None
    assert found.of(TopicPartition("unknown", 0)) is None


def test_a_task_whose_partition_is_gone_stays_until_it_is_retired() -> None:
    tally = WorkTally()
    found = tasks(tally)
    found.give([IN0, IN1], now=0)
    found[T1].counts["rows_in"] = 7

    found.take([IN1, TopicPartition("unknown", 0)])

    assert list(found) == [T0, T1]
    assert found.closing == {T1}
    assert not found.closing_ahead
    assert all(isinstance(command, cmd.Command) for command in found.retire_closing())
    assert list(found) == [T0]
    assert found.closing == set()
    assert tally.past == {"rows_in": 7}


def test_all_can_be_retired_at_once() -> None:
    found = tasks()
    found.give([IN0, IN1], now=0)

    found.retire_all()

    assert found == {}
    assert found.running == []
    assert found.changed_bytes == 0
    assert not found.ahead
