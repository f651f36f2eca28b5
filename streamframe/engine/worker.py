"""All tasks of one consumer: events in, commands out.

``Worker.handle(event)`` decides; somebody else performs the commands and brings back the answers as
events. The worker knows no Kafka, no clock and no files, so a whole cluster of workers runs under one
seed in one thread.

Non-obvious, and the cause of bugs elsewhere:

* Tasks of a worker share one transaction. Whatever spoils it (a rebalance, a fenced producer, a damaged
  store in the middle of work) sends *all* tasks back to their committed offsets.
* A revocation is a barrier: commit, then close, before it is answered. Loss is not: nothing may be
  written for lost partitions, so an open transaction is aborted.
* The local stores are written only after ``CommitSucceeded``.
* A commit waits while very much is about to leave closing windows: that leaves between the batches before.
* Positions come from processed batches and from ``EndReached``, never from the consumer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, assert_never

from streamframe.core.errors import StateError, StoreCorrupted, StreamFrameError, TopologyMismatch, Unavailable
from streamframe.core.ids import Offset, TaskId, TopicPartition
from streamframe.core.settings import Settings
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.bounded import BoundedRun, without_mark
from streamframe.engine.commit import CommitCycle
from streamframe.engine.portrait import WorkTally, add_counts, worker_snapshot
from streamframe.engine.snapshot import Snapshot
from streamframe.engine.task import Task, TaskState, named_task
from streamframe.engine.task_set import TaskSet
from streamframe.operators.program import ColumnPruned, Produced, Program, TaskContext
from streamframe.plan.topology import Topology
from streamframe.state.store import StoreReader

ROLLBACKS_MAX: Final = 8
"""Transactions that may fail in a row before the worker gives up and is restarted."""

DAMAGED_MAX: Final = 3
"""Rebuilds of one task's local store before the cause is taken to be elsewhere."""

MakeProgram = Callable[[TaskContext, Mapping[str, StoreReader], Mapping[TopicPartition, str]], Program]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """What a worker needs to know, all of it values.

    Attributes:
        name: Its name, in snapshots and logs.
        topology: What runs.
        settings: Limits and intervals.
        partition_counts: Partitions of every topic that the topology reads or repartitions through.
        task_counts: Number of tasks of each sub-topology.
        bounded: ``None`` to run for ever, else whether to flush windows at the end.
        run_token: Names a bounded run; equal for all its workers.
    """

    name: str
    topology: Topology
    settings: Settings
    partition_counts: Mapping[str, int]
    task_counts: Mapping[int, int]
    bounded: bool | None = None
    run_token: str = ""


class Worker:
    """Decides for all tasks of one consumer. See the module docstring."""

    def __init__(self, spec: WorkerSpec, make_program: MakeProgram = Program) -> None:
        self.spec = spec
        self._make_program = make_program
        self.tally = WorkTally()
        self.tasks = TaskSet(spec.topology, spec.task_counts, self.tally, self._open_program)
        self.commit = CommitCycle()
        self.now = 0
        self.last_commit_at = 0
        self.last_commit_micros = 0
        self.epoch = 0
        self.rolling_back = False
        self.rollbacks_in_row = 0
        self.commits = 0
        self.rollbacks = 0
        self.full_projection = False
        self.stopping = False
        self.exited = False
        self.bound = self._bounded_run()

    def _bounded_run(self) -> BoundedRun | None:
        if self.spec.bounded is None:
            return None
        return BoundedRun(
            topology=self.spec.topology,
            partition_counts=self.spec.partition_counts,
            flush=self.spec.bounded,
            token=self.spec.run_token,
        )

    def start(self) -> list[cmd.Command]:
        """Return the commands with which the worker begins, before any event."""
        return self.bound.start() if self.bound else []

    def handle(self, event: ev.Event) -> list[cmd.Command]:  # noqa: C901
        """Return what must be done because ``event`` happened."""
        if self.exited:
            return self._after_exit(event)
        match event:
            case ev.Tick():
                return self._tick(event.now)
            case ev.RecordsRead():
                return self._records_read(event)
            case ev.EndReached():
                return self._end_reached(event)
            case ev.PartitionsAssigned():
                return self._assigned(event)
            case ev.PartitionsRevoked():
                return self._revoked(event)
            case ev.PartitionsLost():
                return self._lost(event)
            case ev.CommittedFetched() | ev.ChangelogsFound() | ev.StoreOpened() | ev.StoreWritten():
                return self._task_answer(event)
            case ev.CommittedUndecided() | ev.StoreBusy():
                return self._task_answer(event)
            case ev.ChangelogRead():
                return self._changelog_read(event)
            case ev.StoreDamaged():
                return self._store_damaged(event)
            case ev.CommitSucceeded():
                return self._commit_succeeded(event)
            case ev.TransactionFailed():
                return self._roll_back(event.reason, cmd.Abort(epoch=self.epoch + 1))
            case ev.ProducerLost():
                return self._roll_back(event.reason, cmd.RenewProducer(epoch=self.epoch + 1))
            case ev.RolledBack():
                return self._rolled_back(event)
            case ev.BoundsFetched():
                if self.bound:
                    self.bound.bounds_fetched(event.bounds)
                return []
            case ev.ProgressFetched():
                return self._progress_fetched(event)
            case ev.Delivered():
                task = self.tasks.get(event.task)
                if task and task.running:
                    task.active_program.delivered(event.step, event.batch_id)
                return []
            case ev.StopRequested():
                self.stopping = True
                return self._stop_when_possible()
            case ev.Failed():
                return self._fail(event.error)
            case _:
                assert_never(event)

    def _after_exit(self, event: ev.Event) -> list[cmd.Command]:
        """Answers that are still on their way, and failures of the last commands: those end the work badly."""
        match event:
            case ev.StoreOpened():
                return [cmd.CloseStore(task=event.task, store=event.store)]
            case ev.Failed():
                return [cmd.Fail(error=event.error)]
            case ev.TransactionFailed() | ev.ProducerLost():
                return [cmd.Fail(error=Unavailable("the worker could not end in order", reason=event.reason))]
            case _:
                return []

    # -- work --------------------------------------------------------------------------------------

    def _records_read(self, event: ev.RecordsRead) -> list[cmd.Command]:
        batch = event.batch
        task = self.tasks.of(batch.source)
        if task is None or not task.running or self.rolling_back or len(batch) == 0:
            return []  # Polled before the task was paused, revoked or rolled back.
        expected = task.positions[batch.source]
        if expected >= 0 and int(batch.offsets()[0]) < expected:
            return []  # Fetched before the last seek.
        program = task.active_program
        commands, done = self._worked(task, lambda: program.process(batch, self.now))
        if done:
            task.positions[batch.source] = batch.next_offset
            self.tally.batches += 1
        return commands

    def _worked(self, task: Task, work: Callable[[], Produced]) -> tuple[list[cmd.Command], bool]:
        """Let a program work; return what follows, and whether it has done what it was asked to."""
        try:
            produced = work()
        except ColumnPruned:
            # A user function wants a column that was never seen to be used: decode everything from now on.
            self.full_projection = True
            return self._roll_back("a user function reads another column", cmd.Abort(epoch=self.epoch + 1)), False
        except StoreCorrupted as error:
            return self._store_damaged(ev.StoreDamaged(task=task.id, reason=str(error))), False
        except StreamFrameError as error:
            return self._fail(error), False
        add_counts(task.counts, produced.counts)
        add_counts(self.tally.operators, produced.micros)
        return [cmd.Produce(batch=output) for output in produced.outputs], True

    def _end_reached(self, event: ev.EndReached) -> list[cmd.Command]:
        task = self.tasks.of(event.partition)
        if task is None or not task.running or self.rolling_back:
            return []
        if event.position > task.positions[event.partition]:
            task.positions[event.partition] = event.position
        return []

    def _tick(self, now: int) -> list[cmd.Command]:
        self.now = max(self.now, now)
        if self.last_commit_at == 0:
            self.last_commit_at = self.now
        commands: list[cmd.Command] = []
        for task in self.tasks.values():
            commands += task.retry(self.now)
        if self.rolling_back or self.commit.in_flight is not None:
            return commands
        commands += self._check_partial()
        if self.stopping:
            return [*commands, *self._stop_when_possible()]
        due = self.now - self.last_commit_at >= self.spec.settings.commit.interval
        commands += self._bounded_tick(due=due)
        if ((due and not self.commit.flushing) or self.is_full) and self.commit.in_flight is None:
            return [*commands, *self._release_or_commit()]
        return commands

    def _release_or_commit(self) -> list[cmd.Command]:
        """Commit, unless it is better to wait for results to leave; twice as much change as allowed does not wait."""
        patient = self.tasks.changed_bytes <= 2 * self.spec.settings.commit.changed_bytes_max
        task = self.commit.waits_for(self.tasks.running) if patient else None
        if task is None:
            return self._commit_if_needed()
        program = task.active_program
        return self._worked(task, lambda: program.release(self.now))[0]

    @property
    def is_full(self) -> bool:
        """Whether so much has changed that the next tick commits, whatever the time is."""
        return self.tasks.changed_bytes > self.spec.settings.commit.changed_bytes_max

    # -- commits -----------------------------------------------------------------------------------

    def _commit_if_needed(self, flush: AbstractSet[TaskId] = frozenset()) -> list[cmd.Command]:
        """Decide a commit when there is anything that the last one does not cover."""
        if self.commit.in_flight is not None or self.rolling_back:
            return []
        running = self.tasks.running
        wants = any(t.ahead or t.active_program.wants_seal(self.now) for t in running)
        if not running or not (wants or flush):
            self.last_commit_at = self.now
            return []
        try:
            return self.commit.decide(running, self.now, flush=flush, marks=self._marks(running))
        except StoreCorrupted as error:
            self.commit.drop()
            # Some tasks are sealed already: what they closed and emitted is nowhere but in the dropped commit.
            damaged = ev.StoreDamaged(task=named_task(error, running), reason=str(error))
            return self._store_damaged(damaged, sealed=True)
        except StreamFrameError as error:
            self.commit.drop()
            return self._fail(error)

    def _commit_succeeded(self, event: ev.CommitSucceeded) -> list[cmd.Command]:
        request = self.commit.answered(event.sequence)
        if request is None:
            return []
        self.commits += 1
        self.rollbacks_in_row = 0
        self.last_commit_at = self.now
        self.last_commit_micros = self.now - self.commit.started_at
        commands: list[cmd.Command] = []
        damaged: list[ev.StoreDamaged] = []
        running = [self.tasks[task_id] for task_id in self.commit.sealed if task_id in self.tasks]
        budget = self.spec.settings.state.memory // max(1, len(running))
        for task in running:
            sealed = self.commit.sealed[task.id]
            add_counts(task.counts, sealed.counts)
            add_counts(self.tally.operators, sealed.micros)
            for tp in task.inputs:
                if tp in request.offsets:
                    task.committed[tp] = request.offsets[tp].offset
            commands += task.apply_commit(sealed, event.ends)
            damaged += self._applied(task, budget)
            commands += [cmd.Deliver(task=task.id, delivery=delivery) for delivery in sealed.deliveries]
            commands += [cmd.Show(text=text) for text in sealed.prints]
        commands += self._purge(request.offsets)
        self.commit.sealed = {}
        for each in damaged:
            commands += self._store_damaged(each)
        # One damaged too often ends the worker: there is nobody left to close or to stop.
        return commands if self.exited else [*commands, *self._after_commit()]

    @staticmethod
    def _applied(task: Task, budget: int) -> list[ev.StoreDamaged]:
        """Let a program drop what it need not keep in memory; that looks into the store, and may find it damaged."""
        try:
            task.active_program.applied(budget)
        except StoreCorrupted as error:
            return [ev.StoreDamaged(task=task.id, reason=str(error))]
        return []

    def _after_commit(self) -> list[cmd.Command]:
        """What waited for the commit in flight: closing revoked tasks, stopping, the end of a bounded run."""
        commands: list[cmd.Command] = []
        if self.tasks.closing:
            if self.tasks.closing_ahead:
                return self._commit_if_needed()
            commands += self.tasks.retire_closing()
        if self.stopping:
            commands += self._stop_when_possible()
        return commands

    def _purge(self, offsets: Mapping[TopicPartition, object]) -> list[cmd.Command]:
        internal = {r.topic for r in self.spec.topology.repartitions}
        before: dict[TopicPartition, Offset] = {}
        for tp in offsets:
            task = self.tasks.of(tp)
            if tp.topic in internal and task is not None and task.committed.get(tp, -1) > 0:
                before[tp] = task.committed[tp]
        return [cmd.Purge(before=before)] if before else []

    # -- failures ----------------------------------------------------------------------------------

    def _roll_back(self, reason: str, remedy: cmd.Abort | cmd.RenewProducer) -> list[cmd.Command]:
        """Drop everything that is not committed; when no transaction is open any more, start again."""
        self.epoch += 1
        assert remedy.epoch == self.epoch
        self.rolling_back = True
        self.rollbacks += 1
        self.rollbacks_in_row += 1
        self.commit.drop()
        if self.rollbacks_in_row > ROLLBACKS_MAX:
            return self._fail(
                Unavailable(
                    "transactions keep failing",
                    hint="see the last reason; restarting is safe, nothing was lost",
                    reason=reason,
                )
            )
        commands: list[cmd.Command] = [
            cmd.Notice(level="warning", text="transaction rolled back", facts={"reason": reason})
        ]
        for task in self.tasks.running:
            commands += task.suspend()
        return [*commands, remedy]

    def _rolled_back(self, event: ev.RolledBack) -> list[cmd.Command]:
        if event.epoch != self.epoch or not self.rolling_back:
            return []
        self.rolling_back = False
        commands = self.tasks.retire_closing()
        if self.stopping:
            return [*commands, *self._exit()]
        for task in self.tasks.values():
            if task.state is TaskState.FETCHING:
                commands += task.begin()
        return commands

    def _store_damaged(self, event: ev.StoreDamaged, *, sealed: bool = False) -> list[cmd.Command]:
        task = self.tasks.get(event.task)
        if task is None:
            return []
        if task.damaged_count >= DAMAGED_MAX:
            return self._fail(
                StateError(
                    "local store is damaged again and again",
                    hint="check the disk below the state directory",
                    task=str(task.id),
                    reason=event.reason,
                )
            )
        # The other tasks share the open transaction with this one's outputs: if there is any, all go back.
        spoiled = not self.rolling_back and (sealed or self.tasks.ahead)
        commands = task.store_damaged(event.reason)
        if spoiled:
            commands += self._roll_back(event.reason, cmd.Abort(epoch=self.epoch + 1))
        return commands

    def _fail(self, error: StreamFrameError) -> list[cmd.Command]:
        commands = self.tasks.retire_all()
        self.exited = self.tally.failed = True
        return [*commands, cmd.Fail(error=error)]

    # -- ownership ---------------------------------------------------------------------------------

    def _assigned(self, event: ev.PartitionsAssigned) -> list[cmd.Command]:
        self.tally.ever_assigned = True
        commands: list[cmd.Command] = []
        for task in self.tasks.give(event.partitions, self.now):
            commands += task.suspend() if self.rolling_back else task.begin()
        return commands

    def _check_partial(self) -> list[cmd.Command]:
        try:
            self.tasks.ownership.check(self.now)
        except TopologyMismatch as error:
            return self._fail(error)
        return []

    def _revoked(self, event: ev.PartitionsRevoked) -> list[cmd.Command]:
        self.tasks.take(event.partitions)
        if self.rolling_back:
            return []  # They are closed, with nothing committed, when the rollback is answered.
        if self.commit.in_flight is not None:
            return []  # ``_after_commit`` goes on.
        if self.tasks.closing_ahead:
            return self._commit_if_needed()
        return self.tasks.retire_closing()

    def _lost(self, event: ev.PartitionsLost) -> list[cmd.Command]:
        spoiled = not self.rolling_back and self.tasks.ahead
        self.tasks.take(event.partitions)
        commands = self.tasks.retire_closing()
        if spoiled or self.commit.in_flight is not None:
            commands += self._roll_back("partitions were lost", cmd.Abort(epoch=self.epoch + 1))
        return commands

    # -- end ---------------------------------------------------------------------------------------

    def _stop_when_possible(self) -> list[cmd.Command]:
        if self.commit.in_flight is not None or self.rolling_back:
            return []
        if self.tasks.ahead:
            commands = self._commit_if_needed()
            if commands:
                return commands
        return self._exit()

    def _exit(self) -> list[cmd.Command]:
        commands = self.tasks.retire_all()
        self.exited = True
        return [*commands, cmd.Exit()]

    def _bounded_tick(self, *, due: bool) -> list[cmd.Command]:
        bound = self.bound
        if bound is None or not bound.targets:
            return []
        mine = [t for t in self.tasks.values() if t.sub_topology.depth == bound.depth]
        if not all(task.running and bound.at_end(task) for task in mine):
            return []
        flush = {task.id for task in mine if bound.flush and not bound.flushed(task)}
        if flush:
            slow = self.commit.waits_for([task for task in mine if task.id in flush], flush=True)
            if slow is not None:
                program = slow.active_program
                return self._worked(slow, lambda: program.release(self.now, flush=True))[0]
            for task_id in sorted(flush):
                self.tasks[task_id].metadata = dict.fromkeys(self.tasks[task_id].inputs, bound.mark)
            return self._commit_if_needed(flush)
        if any(task.ahead for task in mine):
            return self._commit_if_needed()
        return bound.ask() if due else []

    def _marks(self, running: Sequence[Task]) -> dict[TaskId, str]:
        """Marks stay with the offsets of a flushed task, whatever it commits afterwards."""
        bound = self.bound
        return {task.id: bound.mark for task in running if bound and bound.flush and bound.flushed(task)}

    def _progress_fetched(self, event: ev.ProgressFetched) -> list[cmd.Command]:
        if self.bound is None:
            return []
        commands = self.bound.progress_fetched(event.committed)
        if self.bound.finished:
            self.stopping = True
            commands += self._stop_when_possible()
        return commands

    # -- looking up --------------------------------------------------------------------------------

    def _task_answer(self, event: ev.TaskAnswer) -> list[cmd.Command]:
        task = self.tasks.get(event.task)
        if task is None:
            return self._after_exit(event)
        try:
            return task.answered(event, self.now)
        except StoreCorrupted as error:
            # A damaged store can often be opened; what is read of it when the task begins to work finds out.
            return self._store_damaged(ev.StoreDamaged(task=event.task, reason=str(error)))
        except StreamFrameError as error:
            return self._fail(error)

    def _changelog_read(self, event: ev.ChangelogRead) -> list[cmd.Command]:
        for task in self.tasks.values():
            restore = task.restores.get(event.changelog)
            if restore is not None:
                commands = task.changelog_read(event)
                if commands:
                    add_counts(self.tally.restored, {restore.store: len(event.records)})
                return commands
        return []

    def _open_program(
        self, task_id: TaskId, readers: Mapping[str, StoreReader], metadata: Mapping[TopicPartition, str]
    ) -> Program:
        context = TaskContext(
            topology=self.spec.topology,
            sub_topology=self.spec.topology.sub_topologies[task_id.sub_topology],
            partition=task_id.partition,
            partition_counts=self.spec.partition_counts,
            task_counts=self.spec.task_counts,
            full_projection=self.full_projection,
        )
        return self._make_program(context, readers, {tp: without_mark(text) for tp, text in metadata.items()})

    @property
    def state(self) -> str:
        """What the worker is doing, one of ``metric_catalogue.WORKER_STATES``."""
        if self.exited:
            return "failed" if self.tally.failed else "stopped"
        if self.stopping:
            return "draining"
        if not self.tally.ever_assigned:
            return "starting"
        if self.tasks.ownership.is_partial or self.tasks.closing:
            return "rebalancing"
        return "running" if all(task.running for task in self.tasks.values()) else "restoring"

    def snapshot(self, lag: Mapping[str, int]) -> Snapshot:
        """Return what the worker looks like now; ``lag`` comes from the log."""
        seen = worker_snapshot(list(self.tasks.values()), self.tally, lag)
        return replace(
            seen,
            worker=self.spec.name,
            now=self.now,
            commits=self.commits,
            rollbacks=self.rollbacks,
            commit_micros=self.last_commit_micros,
            finished=bool(self.bound and self.bound.finished),
            state=self.state,
        )
