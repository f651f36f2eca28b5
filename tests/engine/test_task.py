"""The life of one task: every question, every answer, every wrong turn."""

from __future__ import annotations

import pytest

from streamframe.core.errors import StoreUnavailable
from streamframe.core.ids import NO_OFFSET
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.ports import EARLIEST, ChangelogBounds, Committed
from streamframe.engine.task import (
    TRANSITIONS,
    UNDECIDED_PATIENCE,
    UNDECIDED_WAIT,
    UNDECIDED_WAIT_MAX,
    IllegalTransition,
    Task,
    TaskState,
)
from streamframe.operators.program import TaskContext
from streamframe.state.changelog import POSITION_KEY, LocalPosition
from streamframe.state.memory import MemoryStore
from streamframe.state.namespace import prefixed
from streamframe.state.store import Changes
from tests.engine.worlds import IN0, LOG0, T0, CountingProgram, offset, topology

TOPIC_ID = b"t" * 16


def counted(task: Task) -> int:
    program = task.active_program
    assert isinstance(program, CountingProgram)
    return program.count


def open_program(task_id, readers, metadata):
    found = topology()
    context = TaskContext(
        topology=found,
        sub_topology=found.sub_topologies[0],
        partition=task_id.partition,
        partition_counts={"clicks": 2},
        task_counts={0: 2},
    )
    return CountingProgram(context, readers, metadata)


def a_task(*, stateful: bool = True) -> Task:
    return Task(id=T0, sub_topology=topology(stateful=stateful).sub_topologies[0], open_program=open_program)


def committed(task: Task, position: int = 7) -> ev.CommittedFetched:
    return ev.CommittedFetched(task=T0, epoch=task.epoch, committed={IN0: Committed(offset(position), "1:5")})


def located(task: Task, end: int, *, begin: int = 0, topic_id: bytes = TOPIC_ID) -> ev.ChangelogsFound:
    bounds = ChangelogBounds(topic_id, offset(begin), offset(end))
    return ev.ChangelogsFound(task=T0, epoch=task.epoch, bounds={LOG0: bounds})


def store_at(position: int, *, topic_id: bytes = TOPIC_ID) -> MemoryStore:
    store = MemoryStore()
    local = LocalPosition(topic_id=topic_id, offset=position)
    store.write(prefixed(Changes(puts=[(POSITION_KEY, local.encode()), (b"count", b"3")]), "totals"))
    return store


def restoring_task(store: MemoryStore, end: int) -> tuple[Task, list[cmd.Command]]:
    task = a_task()
    task.begin()
    task.committed_fetched(committed(task))
    task.store_opened(ev.StoreOpened(task=T0, epoch=task.epoch, store=store))
    return task, task.changelogs_found(located(task, end))


def test_asks_for_the_committed_offsets_before_anything_else() -> None:
    task = a_task()

    commands = task.begin()

    assert commands == [
        cmd.PauseInputs(partitions=(IN0,)),
        cmd.FetchCommitted(task=T0, epoch=1, partitions=(IN0,), wait=UNDECIDED_WAIT),
    ]


def test_a_task_without_state_runs_once_its_offsets_are_known() -> None:
    task = a_task(stateful=False)
    task.begin()

    commands = task.committed_fetched(committed(task))

    assert task.state is TaskState.RUNNING
    assert commands == [cmd.ResumeInputs(positions={IN0: offset(7)})]


def test_starts_at_the_beginning_when_nothing_was_committed() -> None:
    task = a_task(stateful=False)
    task.begin()

    commands = task.committed_fetched(committed(task, NO_OFFSET))

    assert commands == [cmd.ResumeInputs(positions={IN0: EARLIEST})]


def test_looks_for_the_end_of_the_changelog_only_after_the_offsets_are_known() -> None:
    task = a_task()
    task.begin()
    assert task.committed_fetched(committed(task)) == [cmd.OpenStore(task=T0, epoch=1)]

    commands = task.store_opened(ev.StoreOpened(task=T0, epoch=1, store=MemoryStore()))

    assert commands == [cmd.FindChangelogs(task=T0, epoch=1, changelogs=(LOG0,))]


def test_an_empty_changelog_needs_no_restore() -> None:
    task, commands = restoring_task(MemoryStore(), end=0)

    assert task.state is TaskState.RUNNING
    assert commands == [cmd.ResumeInputs(positions={IN0: offset(7)})]


def test_reads_the_changelog_from_the_local_position() -> None:
    task, commands = restoring_task(store_at(4), end=9)

    assert task.state is TaskState.RESTORING
    assert commands == [cmd.ReadChangelog(changelog=LOG0, offset=offset(4))]


def test_runs_when_the_position_reaches_the_end_even_without_a_record() -> None:
    task, _ = restoring_task(store_at(4), end=9)
    [write] = task.changelog_read(ev.ChangelogRead(changelog=LOG0, records=[], position=offset(9)))
    assert isinstance(write, cmd.WriteStore)
    assert write.answer == (1, LOG0, offset(9))
    write.store.write(write.changes)

    commands = task.store_written(ev.StoreWritten(task=T0, epoch=1, changelog=LOG0, position=offset(9)))

    assert commands == [cmd.StopChangelog(changelog=LOG0), cmd.ResumeInputs(positions={IN0: offset(7)})]
    assert counted(task) == 3


def test_restored_records_are_in_the_store_before_the_program_opens() -> None:
    store = store_at(4)
    task, _ = restoring_task(store, end=9)
    [write] = task.changelog_read(ev.ChangelogRead(changelog=LOG0, records=[(b"count", b"8")], position=offset(9)))
    assert isinstance(write, cmd.WriteStore)

    assert task.state is TaskState.RESTORING
    store.write(write.changes)
    task.store_written(ev.StoreWritten(task=T0, epoch=1, changelog=LOG0, position=offset(9)))

    assert counted(task) == 8


@pytest.mark.parametrize(
    ("store", "begin"),
    [
        (store_at(12), 0),
        (store_at(4, topic_id=b"x" * 16), 0),
        (store_at(4), 5),
    ],
    ids=["beyond the log", "another topic of that name", "its successors are gone"],
)
def test_a_local_store_that_does_not_fit_its_changelog_is_wiped(store: MemoryStore, begin: int) -> None:
    task = a_task()
    task.begin()
    task.committed_fetched(committed(task))
    task.store_opened(ev.StoreOpened(task=T0, epoch=1, store=store))

    commands = task.changelogs_found(located(task, 9, begin=begin))

    kinds = [type(command) for command in commands]
    assert kinds == [cmd.Notice, cmd.CloseStore, cmd.WipeStore, cmd.StopChangelog, cmd.PauseInputs, cmd.FetchCommitted]
    assert task.state is TaskState.FETCHING
    assert task.epoch == 2


def test_answers_to_an_older_epoch_are_ignored() -> None:
    task = a_task()
    task.begin()
    stale = committed(task)
    task.suspend()

    assert task.committed_fetched(stale) == []
    assert task.state is TaskState.FETCHING


def test_a_store_opened_for_an_older_epoch_is_given_back() -> None:
    task = a_task()
    task.begin()
    task.committed_fetched(committed(task))
    store = MemoryStore()
    stale = ev.StoreOpened(task=T0, epoch=task.epoch, store=store)
    task.suspend()

    assert task.store_opened(stale) == [cmd.CloseStore(task=T0, store=store)]


def test_asks_again_for_a_busy_store_and_gives_up_in_the_end() -> None:
    task = a_task()
    task.begin()
    task.committed_fetched(committed(task))
    busy = ev.StoreBusy(task=T0, epoch=1, error=StoreUnavailable("held"))

    assert task.store_busy(busy, now=1_000, patience=10_000) == []
    assert task.retry(1_050) == []
    assert task.retry(1_100) == [cmd.OpenStore(task=T0, epoch=1)]
    assert task.store_busy(busy, now=20_000, patience=10_000) == [cmd.Fail(error=busy.error)]


def test_asks_again_for_undecided_offsets_waiting_longer_each_time_up_to_a_bound() -> None:
    task = a_task()
    [*_, question] = task.begin()
    waits, now = [], 0
    for _ in range(6):
        assert isinstance(question, cmd.FetchCommitted)
        waits.append(question.wait)
        assert task.undecided(ev.CommittedUndecided(task=T0, epoch=task.epoch, reason="held"), now) == []
        assert task.retry(now) == []
        now += UNDECIDED_WAIT_MAX
        [question] = task.retry(now)

    assert waits == [min(UNDECIDED_WAIT * 2**n, UNDECIDED_WAIT_MAX) for n in range(6)]
    [opened] = task.committed_fetched(committed(task))
    assert isinstance(opened, cmd.OpenStore)


def test_offsets_that_stay_undecided_end_the_work_with_a_hint() -> None:
    task = a_task()
    task.begin()
    undecided = ev.CommittedUndecided(task=T0, epoch=task.epoch, reason="held")
    task.undecided(undecided, 0)

    [fail] = task.undecided(undecided, UNDECIDED_PATIENCE + 1)

    assert isinstance(fail, cmd.Fail)
    assert "transaction" in str(fail.error)


def test_nothing_is_asked_again_while_a_rollback_is_under_way() -> None:
    task = a_task()
    task.begin()
    task.undecided(ev.CommittedUndecided(task=T0, epoch=task.epoch, reason="held"), 0)
    task.suspend()

    assert task.retry(UNDECIDED_PATIENCE) == []


def test_a_task_that_goes_back_keeps_its_store_open() -> None:
    task, _ = restoring_task(store_at(9), end=9)
    task.suspend()
    task.begin()

    commands = task.committed_fetched(committed(task))

    assert commands == [cmd.FindChangelogs(task=T0, epoch=task.epoch, changelogs=(LOG0,))]


def test_closing_gives_the_store_back() -> None:
    store = store_at(9)
    task, _ = restoring_task(store, end=9)

    commands = task.close()

    assert commands == [cmd.StopChangelog(changelog=LOG0), cmd.CloseStore(task=T0, store=store)]
    assert task.state is TaskState.CLOSED


def test_every_state_has_its_transitions_and_closed_has_none() -> None:
    assert set(TRANSITIONS) == set(TaskState)
    assert TRANSITIONS[TaskState.CLOSED] == frozenset()
    assert all(TaskState.CLOSED in targets for state, targets in TRANSITIONS.items() if state is not TaskState.CLOSED)


def test_an_unlisted_transition_raises() -> None:
    task = a_task()
    task.begin()
    task.close()

    with pytest.raises(IllegalTransition, match="CLOSED -> FETCHING"):
        task.begin()
