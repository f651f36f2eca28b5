"""What a worker decides: transcripts of events and commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest

from streamframe.core.errors import RecordError, StateError, StoreCorrupted, TopologyMismatch, Unavailable
from streamframe.core.ids import NO_OFFSET, TopicPartition
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.commit import LEAVING_MAX, WAITS_MAX
from streamframe.engine.ownership import PARTIAL_ASSIGNMENT_PATIENCE
from streamframe.engine.ports import Bounds, ChangelogBounds, Committed
from streamframe.engine.worker import (
    DAMAGED_MAX,
    ROLLBACKS_MAX,
    Worker,
)
from streamframe.state.memory import MemoryStore
from tests.engine.worlds import IN0, IN1, LOG0, LOG1, SECOND, T0, T1, CountingProgram, batch, offset, topology, worker

Kind = TypeVar("Kind")


def of(kind: type[Kind], commands: Sequence[object]) -> list[Kind]:
    return [command for command in commands if isinstance(command, kind)]


def answer_restores(found: Worker, commands: list[cmd.Command]) -> list[cmd.Command]:
    """Answer the questions of restores, with empty stores and changelogs, until none is left."""
    left: list[cmd.Command] = []
    pending = list(commands)
    while pending:
        command = pending.pop(0)
        match command:
            case cmd.FetchCommitted():
                committed = {tp: Committed(offset(0)) for tp in command.partitions}
                event: ev.Event = ev.CommittedFetched(task=command.task, epoch=command.epoch, committed=committed)
            case cmd.OpenStore():
                event = ev.StoreOpened(task=command.task, epoch=command.epoch, store=MemoryStore())
            case cmd.FindChangelogs():
                bounds = {tp: ChangelogBounds(b"t" * 16, offset(0), offset(0)) for tp in command.changelogs}
                event = ev.ChangelogsFound(task=command.task, epoch=command.epoch, bounds=bounds)
            case _:
                left.append(command)
                continue
        pending = found.handle(event) + pending
    return left


def running(*, bounded: bool | None = None) -> Worker:
    """A worker whose two tasks run, at wall clock 1 s."""
    found = worker(bounded=bounded)
    found.handle(ev.Tick(now=SECOND))
    answer_restores(found, found.handle(ev.PartitionsAssigned(partitions=(IN0, IN1))))
    assert all(task.running for task in found.tasks.values())
    return found


def program(found: Worker, task=T0) -> CountingProgram:
    return found.tasks[task].active_program  # type: ignore[return-value]


def commit_due(found: Worker) -> list[cmd.Command]:
    return found.handle(ev.Tick(now=found.now + 2 * SECOND))


def test_assigned_partitions_become_tasks_that_restore_first() -> None:
    found = worker()

    commands = found.handle(ev.PartitionsAssigned(partitions=(IN0, IN1)))

    assert sorted(found.tasks) == [T0, T1]
    assert len(of(cmd.FetchCommitted, commands)) == 2
    assert of(cmd.ResumeInputs, commands) == []


def test_records_of_a_task_that_does_not_run_are_ignored() -> None:
    found = worker()
    found.handle(ev.PartitionsAssigned(partitions=(IN0,)))

    assert found.handle(ev.RecordsRead(batch=batch(IN0, 0))) == []


def test_outputs_are_produced_at_once_and_committed_on_time() -> None:
    found = running()

    produced = found.handle(ev.RecordsRead(batch=batch(IN0, 0, 3)))
    too_early = found.handle(ev.Tick(now=SECOND + 1))
    commands = commit_due(found)

    assert len(of(cmd.Produce, produced)) == 1
    assert too_early == []
    [commit] = of(cmd.Commit, commands)
    assert commit.request.offsets == {IN0: Committed(offset(3), "1:3"), IN1: Committed(offset(0), "1:0")}
    assert commit.request.changelog == {LOG0: [(b"count", b"3")], LOG1: [(b"count", b"0")]}


def test_nothing_is_committed_when_nothing_happened() -> None:
    assert commit_due(running()) == []


def test_the_end_behind_control_records_is_committed() -> None:
    found = running()
    found.handle(ev.EndReached(partition=IN0, position=offset(5)))

    [commit] = of(cmd.Commit, commit_due(found))

    assert commit.request.offsets[IN0].offset == 5


def test_the_local_store_is_written_only_after_the_commit_succeeded() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0, 3)))
    commands = commit_due(found)
    assert of(cmd.WriteStore, commands) == []
    [commit] = of(cmd.Commit, commands)

    after = found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={LOG0: offset(1), LOG1: offset(1)}))

    assert [write.task for write in of(cmd.WriteStore, after)] == [T0, T1]
    assert not found.tasks[T0].ahead


def test_an_answer_to_a_stale_commit_is_ignored() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    [commit] = of(cmd.Commit, commit_due(found))

    assert found.handle(ev.CommitSucceeded(sequence=commit.sequence + 1, ends={})) == []
    assert found.commit.in_flight == commit.sequence


def test_work_between_the_decision_and_the_answer_belongs_to_the_next_commit() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    [commit] = of(cmd.Commit, commit_due(found))
    found.handle(ev.RecordsRead(batch=batch(IN0, 1)))

    found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={LOG0: offset(1), LOG1: offset(1)}))

    assert found.tasks[T0].ahead
    [following] = of(cmd.Commit, commit_due(found))
    assert following.request.offsets[IN0].offset == 2


def test_a_failed_transaction_sends_every_task_back_to_its_committed_offsets() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))

    commands = found.handle(ev.TransactionFailed(reason="illegal generation"))
    assert len(of(cmd.PauseInputs, commands)) == 2
    assert isinstance(commands[-1], cmd.Abort)
    assert found.handle(ev.RecordsRead(batch=batch(IN1, 0))) == []

    again = found.handle(ev.RolledBack(epoch=commands[-1].epoch))
    assert len(of(cmd.FetchCommitted, again)) == 2
    assert of(cmd.OpenStore, again) == []


def test_a_lost_producer_is_renewed_never_reused() -> None:
    found = running()

    commands = found.handle(ev.ProducerLost(reason="fenced"))

    assert isinstance(commands[-1], cmd.RenewProducer)


def test_a_worker_whose_transactions_keep_failing_gives_up() -> None:
    found = running()
    for _ in range(ROLLBACKS_MAX):
        [abort] = of(cmd.Abort, found.handle(ev.TransactionFailed(reason="x")))
        answer_restores(found, found.handle(ev.RolledBack(epoch=abort.epoch)))

    commands = found.handle(ev.TransactionFailed(reason="too large"))

    [fail] = of(cmd.Fail, commands)
    assert isinstance(fail.error, Unavailable)
    assert len(of(cmd.CloseStore, commands)) == 2


def test_a_revocation_commits_everything_then_closes_what_was_revoked() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))

    commands = found.handle(ev.PartitionsRevoked(partitions=(IN0,)))
    [commit] = of(cmd.Commit, commands)
    after = found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={LOG0: offset(1), LOG1: offset(1)}))

    assert [close.task for close in of(cmd.CloseStore, after)] == [T0]
    assert after.index(of(cmd.WriteStore, after)[0]) < after.index(of(cmd.CloseStore, after)[0])
    assert sorted(found.tasks) == [T1]


def test_a_revocation_with_nothing_to_commit_closes_at_once() -> None:
    found = running()

    commands = found.handle(ev.PartitionsRevoked(partitions=(IN1,)))

    assert [close.task for close in of(cmd.CloseStore, commands)] == [T1]


def test_a_revocation_while_a_commit_is_in_flight_waits_for_its_answer() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    [commit] = of(cmd.Commit, commit_due(found))

    assert found.handle(ev.PartitionsRevoked(partitions=(IN0,))) == []
    after = found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={LOG0: offset(1), LOG1: offset(1)}))

    assert [close.task for close in of(cmd.CloseStore, after)] == [T0]


def test_a_revocation_whose_commit_fails_closes_without_committing() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    found.handle(ev.PartitionsRevoked(partitions=(IN0,)))

    [abort] = of(cmd.Abort, found.handle(ev.TransactionFailed(reason="rebalanced")))
    after = found.handle(ev.RolledBack(epoch=abort.epoch))

    assert [close.task for close in of(cmd.CloseStore, after)] == [T0]
    assert [fetch.task for fetch in of(cmd.FetchCommitted, after)] == [T1]


def test_a_task_that_never_read_a_record_is_not_ahead_of_the_last_commit() -> None:
    found = worker(topology(stateful=False))
    found.handle(ev.Tick(now=SECOND))
    for command in of(cmd.FetchCommitted, found.handle(ev.PartitionsAssigned(partitions=(IN0,)))):
        found.handle(ev.CommittedFetched(task=T0, epoch=command.epoch, committed={IN0: Committed(NO_OFFSET)}))
    assert found.tasks[T0].running

    assert of(cmd.Commit, commit_due(found)) == []
    assert of(cmd.Commit, found.handle(ev.PartitionsRevoked(partitions=(IN0,)))) == []
    assert found.tasks == {}


def test_lost_partitions_are_closed_and_the_open_transaction_is_aborted() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))

    commands = found.handle(ev.PartitionsLost(partitions=(IN0,)))

    assert of(cmd.Commit, commands) == []
    assert [close.task for close in of(cmd.CloseStore, commands)] == [T0]
    assert isinstance(commands[-1], cmd.Abort)


def test_losing_partitions_without_work_in_hand_spares_the_others() -> None:
    found = running()

    commands = found.handle(ev.PartitionsLost(partitions=(IN0,)))

    assert of(cmd.Abort, commands) == []
    assert found.tasks[T1].running


def test_a_bad_record_under_the_policy_fail_ends_the_worker_with_its_error() -> None:
    found = running()
    program(found).failure = RecordError("cannot decode", topic="clicks", partition=0, offset=0)

    commands = found.handle(ev.RecordsRead(batch=batch(IN0, 0)))

    [fail] = of(cmd.Fail, commands)
    assert isinstance(fail.error, RecordError)
    assert found.handle(ev.RecordsRead(batch=batch(IN1, 0))) == []


def test_stopping_commits_closes_and_exits() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))

    [commit] = of(cmd.Commit, found.handle(ev.StopRequested()))
    after = found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={LOG0: offset(1), LOG1: offset(1)}))

    assert len(of(cmd.CloseStore, after)) == 2
    assert isinstance(after[-1], cmd.Exit)


def test_stopping_when_the_last_commit_fails_exits_without_it() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    found.handle(ev.StopRequested())

    [abort] = of(cmd.Abort, found.handle(ev.TransactionFailed(reason="rebalanced")))
    after = found.handle(ev.RolledBack(epoch=abort.epoch))

    assert isinstance(after[-1], cmd.Exit)


@pytest.mark.parametrize(
    "event",
    [
        ev.Failed(error=Unavailable("the disk is full")),
        ev.ProducerLost(reason="fenced"),
        ev.TransactionFailed(reason="rebalanced"),
    ],
)
def test_what_fails_among_the_last_commands_ends_the_worker(event: ev.Event) -> None:
    """The rest of the list, with the exit in it, was dropped: without another order the worker would never end."""
    found = running()
    found.handle(ev.StopRequested())

    assert of(cmd.Fail, found.handle(event))


def test_a_damaged_store_sends_all_tasks_back_when_there_is_uncommitted_work() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN1, 0)))

    commands = found.handle(ev.StoreDamaged(task=T0, reason="block checksum mismatch"))

    assert of(cmd.WipeStore, commands) == [cmd.WipeStore(task=T0)]
    assert isinstance(commands[-1], cmd.Abort)


def test_a_store_whose_damage_shows_when_its_task_begins_to_work_is_rebuilt() -> None:
    class Damaged(MemoryStore):
        def get(self, key: bytes) -> bytes | None:
            raise StoreCorrupted("block checksum mismatch")

    found = worker()
    found.handle(ev.PartitionsAssigned(partitions=(IN0, IN1)))
    task = found.tasks[T0]
    found.handle(ev.CommittedFetched(task=T0, epoch=task.epoch, committed={IN0: Committed(offset(0))}))
    found.handle(ev.StoreOpened(task=T0, epoch=task.epoch, store=Damaged()))
    bounds = {LOG0: ChangelogBounds(b"t" * 16, offset(0), offset(0))}

    commands = found.handle(ev.ChangelogsFound(task=T0, epoch=task.epoch, bounds=bounds))

    assert [type(command) for command in commands] == [
        cmd.Notice,
        cmd.CloseStore,
        cmd.WipeStore,
        cmd.StopChangelog,
        cmd.PauseInputs,
        cmd.FetchCommitted,
    ]


def test_a_store_whose_damage_shows_after_a_commit_is_rebuilt_and_the_others_are_written() -> None:
    found = running()
    for task, tp in ((T0, IN0), (T1, IN1)):
        found.handle(ev.RecordsRead(batch=batch(tp, 0)))
        assert program(found, task).dirty
    program(found, T0).apply_failure = StoreCorrupted("block checksum mismatch")
    [commit] = of(cmd.Commit, commit_due(found))

    commands = found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={LOG0: offset(1), LOG1: offset(1)}))

    assert [command.task for command in of(cmd.WriteStore, commands)] == [T0, T1]
    assert of(cmd.WipeStore, commands) == [cmd.WipeStore(task=T0)]


def test_a_store_damaged_once_too_often_after_the_commit_of_a_revocation_ends_the_worker() -> None:
    found = running()
    for _ in range(DAMAGED_MAX):
        answer_restores(found, found.handle(ev.StoreDamaged(task=T0, reason="bad disk")))
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    program(found, T0).apply_failure = StoreCorrupted("block checksum mismatch")
    [commit] = of(cmd.Commit, found.handle(ev.PartitionsRevoked(partitions=(IN0,))))

    commands = found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={LOG0: offset(1), LOG1: offset(1)}))

    assert isinstance(commands[-1], cmd.Fail)
    assert found.tasks == {}


def test_tasks_that_were_sealed_go_back_when_the_store_of_another_is_found_damaged() -> None:
    """With idle inputs windows close by the clock: nobody is ahead, and yet the first task has emitted them."""
    found = running()
    program(found, T0).idle = True
    program(found, T1).seal_failure = StoreCorrupted("block checksum mismatch", task=str(T1))

    commands = commit_due(found)

    assert isinstance(commands[-1], cmd.Abort)
    assert not any(task.running for task in found.tasks.values())


def test_a_store_damaged_again_and_again_ends_the_worker() -> None:
    found = running()
    for _ in range(DAMAGED_MAX):
        answer_restores(found, found.handle(ev.StoreDamaged(task=T0, reason="bad disk")))

    [fail] = of(cmd.Fail, found.handle(ev.StoreDamaged(task=T0, reason="bad disk")))

    assert isinstance(fail.error, StateError)


def test_many_changed_bytes_commit_before_the_interval() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    full_before = found.is_full
    assert of(cmd.Commit, found.handle(ev.Tick(now=found.now))) == []

    program(found).changed_bytes = found.spec.settings.commit.changed_bytes_max + 1

    assert (full_before, found.is_full) == (False, True)
    assert len(of(cmd.Commit, found.handle(ev.Tick(now=found.now)))) == 1


def test_a_commit_waits_while_very_much_leaves_and_the_task_with_most_goes_first() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    program(found, T0).leaving_rows, program(found, T1).leaving_rows = LEAVING_MAX, 1

    [left] = commit_due(found)
    assert isinstance(left, cmd.Produce)
    assert (program(found, T0).leaving_rows, program(found, T1).leaving_rows) == (LEAVING_MAX - 1, 1)

    assert isinstance(found.handle(ev.Tick(now=found.now))[-1], cmd.Commit), "no more than may leave in a commit"


def test_a_commit_does_not_wait_for_ever_nor_does_the_next_one_at_once() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    program(found).leaving_rows = 10 * LEAVING_MAX

    for _ in range(WAITS_MAX):
        assert of(cmd.Commit, commit_due(found)) == []
    [commit] = of(cmd.Commit, commit_due(found))
    found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={}))
    found.handle(ev.RecordsRead(batch=batch(IN0, 1)))
    assert of(cmd.Commit, commit_due(found)) == []


def test_a_flush_waits_as_long_as_it_takes_until_little_is_left() -> None:
    found = running(bounded=True)
    ends = {IN0: Bounds(offset(0), offset(1)), IN1: Bounds(offset(0), offset(0))}
    found.handle(ev.BoundsFetched(bounds=ends))
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    program(found).open_rows = LEAVING_MAX + 2 * WAITS_MAX

    for _ in range(2 * WAITS_MAX):
        assert [type(command) for command in commit_due(found)] == [cmd.Produce]

    [commit] = of(cmd.Commit, commit_due(found))
    assert found.bound is not None
    assert all(committed.metadata.endswith(found.bound.mark) for committed in commit.request.offsets.values())


def test_a_revocation_and_a_stop_do_not_wait_for_what_leaves() -> None:
    for event in (ev.PartitionsRevoked(partitions=(IN0,)), ev.StopRequested()):
        found = running()
        found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
        program(found).leaving_rows = 10 * LEAVING_MAX

        assert len(of(cmd.Commit, found.handle(event))) == 1


def test_what_fails_while_a_commit_waits_ends_the_worker() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0)))
    program(found).leaving_rows = 10 * LEAVING_MAX
    program(found).failure = RecordError("bad row")

    assert len(of(cmd.Fail, commit_due(found))) == 1


def test_records_fetched_before_the_last_seek_are_ignored() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 5)))

    assert found.handle(ev.RecordsRead(batch=batch(IN0, 3))) == []
    assert program(found).count == 1


def test_partitions_that_belong_together_must_come_together() -> None:
    from dataclasses import replace

    from tests.engine.worlds import CLICKS

    base = topology()
    views = replace(CLICKS, name="views", topic="views")
    sub = replace(base.sub_topologies[0], sources=(CLICKS, views))
    found = worker(replace(base, sub_topologies=(sub,)))
    found.handle(ev.Tick(now=SECOND))
    found.handle(ev.PartitionsAssigned(partitions=(IN0, TopicPartition("views", 1))))
    assert found.tasks == {}

    commands = found.handle(ev.Tick(now=SECOND + PARTIAL_ASSIGNMENT_PATIENCE))

    [fail] = of(cmd.Fail, commands)
    assert isinstance(fail.error, TopologyMismatch)
    assert "clicks[0]" in str(fail.error)


@pytest.mark.parametrize("flush", [False, True])
def test_a_bounded_run_ends_when_the_whole_group_has_committed_the_end(flush: bool) -> None:
    found = running(bounded=flush)
    [fetch] = found.start()
    assert isinstance(fetch, cmd.FetchBounds)
    from streamframe.engine.ports import Bounds

    found.handle(ev.BoundsFetched(bounds={tp: Bounds(offset(0), offset(1)) for tp in (IN0, IN1)}))
    for tp in (IN0, IN1):
        found.handle(ev.RecordsRead(batch=batch(tp, 0)))
    [commit] = of(cmd.Commit, found.handle(ev.Tick(now=found.now + 1)))
    assert all(c.metadata.endswith("|flushed:run") is flush for c in commit.request.offsets.values())
    found.handle(ev.CommitSucceeded(sequence=commit.sequence, ends={LOG0: offset(1), LOG1: offset(1)}))

    [ask] = of(cmd.FetchProgress, found.handle(ev.Tick(now=found.now + 2 * SECOND)))
    half = {**commit.request.offsets, IN1: Committed(offset(0))}
    assert of(cmd.Exit, found.handle(ev.ProgressFetched(committed=half))) == []
    [ask] = of(cmd.FetchProgress, found.handle(ev.Tick(now=found.now + 2 * SECOND)))
    assert ask.partitions == (IN0, IN1)
    after = found.handle(ev.ProgressFetched(committed=commit.request.offsets))

    assert isinstance(after[-1], cmd.Exit)


def test_a_snapshot_counts_tasks_that_are_gone_too() -> None:
    found = running()
    found.handle(ev.RecordsRead(batch=batch(IN0, 0, 4)))
    found.handle(ev.PartitionsLost(partitions=(IN0,)))

    snapshot = found.snapshot({"clicks[1]": 3})

    assert snapshot.counts["rows_in"] == 4
    assert [task.task for task in snapshot.tasks] == ["0_1"]
    assert snapshot.lag == {"clicks[1]": 3}
