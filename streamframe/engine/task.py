"""The life of one task.

::

    CREATED ─> FETCHING ─> OPENING ─> LOCATING ─> RESTORING ─> RUNNING
                  ^                                               │
                  └────────────── rolled back ────────────────────┘
    any state ─> CLOSED

* FETCHING: the committed offsets of its inputs were asked for. Always the first question: the answer
  waits for a dead owner's transaction to be decided, so the changelog read afterwards is complete.
* OPENING: its local store was asked for. Skipped when the store is open, or there is none.
* LOCATING: identity and end of its changelogs were asked for.
* RESTORING: changelogs are read from the local position to the log end.
* RUNNING: its program exists and its inputs are delivered.

Rule 1: every transition is in ``TRANSITIONS``; ``Task._to`` is the only writer of ``Task.state``.
Rule 2: this file knows no Kafka, no RocksDB, no clock. If it needs one, an event is missing.
Rule 3: questions carry ``epoch``; answers to an older epoch are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, assert_never

from streamframe.core.errors import StoreCorrupted, StoreIncompatible, Unavailable
from streamframe.core.ids import NO_OFFSET, Offset, TaskId, TopicPartition
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.positions import EARLIEST, LATEST
from streamframe.engine.versions import check_versions, versions_of
from streamframe.operators.program import Program, SealedTask
from streamframe.plan.topology import SubTopology
from streamframe.state.changelog import POSITION_KEY, LocalPosition, apply_records
from streamframe.state.namespace import NamespaceReader, prefixed
from streamframe.state.store import Changes, Store, StoreReader


class TaskState(Enum):
    """Where a task is in its life."""

    CREATED = "created"
    FETCHING = "fetching"
    OPENING = "opening"
    LOCATING = "locating"
    RESTORING = "restoring"
    RUNNING = "running"
    CLOSED = "closed"


_S = TaskState
TRANSITIONS: Final[Mapping[TaskState, frozenset[TaskState]]] = {
    _S.CREATED: frozenset({_S.FETCHING, _S.CLOSED}),
    _S.FETCHING: frozenset({_S.FETCHING, _S.OPENING, _S.LOCATING, _S.RUNNING, _S.CLOSED}),
    _S.OPENING: frozenset({_S.FETCHING, _S.LOCATING, _S.CLOSED}),
    _S.LOCATING: frozenset({_S.FETCHING, _S.RESTORING, _S.RUNNING, _S.CLOSED}),
    _S.RESTORING: frozenset({_S.FETCHING, _S.RUNNING, _S.CLOSED}),
    _S.RUNNING: frozenset({_S.FETCHING, _S.CLOSED}),
    _S.CLOSED: frozenset(),
}

START_OFFSET: Final = Offset(0)

STORE_PATIENCE: Final = 60 * MICROS_PER_SECOND
"""How long a store may be held by the previous owner on the same machine."""

UNDECIDED_WAIT: Final = MICROS_PER_SECOND // 2
"""First wait for offsets that a transaction of somebody else may hold, and rest before asking again. Both double."""

UNDECIDED_WAIT_MAX: Final = 4 * MICROS_PER_SECOND
"""Longest wait: the other tasks of the worker stand still meanwhile, and half of the time is theirs."""

UNDECIDED_PATIENCE: Final = 300 * MICROS_PER_SECOND
"""When to give up: longer than transactions usually may stay open."""

OpenProgram = Callable[[TaskId, Mapping[str, StoreReader], Mapping[TopicPartition, str]], Program]


class IllegalTransition(AssertionError):
    """A task was asked to go where its table does not allow: a bug of ours."""


@dataclass(slots=True)
class Restore:
    """How far one changelog partition is.

    Attributes:
        store: Name of the store it mirrors.
        topic_id: Identity of the topic that was found.
        begin: Local position at the start of the restore.
        written: Position up to which the local store holds it.
        end: Log end captured when the restore began.
        local: Whether the local store already held something of it.
    """

    store: str
    topic_id: bytes = b""
    begin: Offset = START_OFFSET
    written: Offset = START_OFFSET
    end: Offset = START_OFFSET
    local: bool = False

    @property
    def done(self) -> bool:
        """Whether the local store holds everything up to the captured end."""
        return self.written >= self.end


@dataclass(slots=True)
class Task:
    """One sub-topology on one partition number. See the module docstring for its life."""

    id: TaskId
    sub_topology: SubTopology
    open_program: OpenProgram
    epoch: int = 0
    state: TaskState = TaskState.CREATED
    store: Store | None = None
    program: Program | None = None
    positions: dict[TopicPartition, Offset] = field(default_factory=dict)
    committed: dict[TopicPartition, Offset] = field(default_factory=dict)
    metadata: dict[TopicPartition, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    restores: dict[TopicPartition, Restore] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    damaged_count: int = 0
    retry_at: int | None = None
    busy_since: int | None = None
    asked: int = 0

    @property
    def inputs(self) -> tuple[TopicPartition, ...]:
        """Its input partitions, in the order of the sub-topology's topics."""
        return tuple(TopicPartition(t, self.id.partition) for t in self.sub_topology.topics)

    @property
    def running(self) -> bool:
        """Whether batches may be processed."""
        return self.state is TaskState.RUNNING

    @property
    def active_program(self) -> Program:
        """The program of a running task."""
        assert self.program is not None, f"task {self.id} has no program in {self.state}"
        return self.program

    @property
    def ahead(self) -> bool:
        """Whether there is something that the last commit does not cover."""
        if not self.running:
            return False
        # A negative position is a rule (``EARLIEST``), not a place: nothing was read there yet.
        return self.active_program.dirty or any(
            position >= 0 and self.committed.get(tp) != position for tp, position in self.positions.items()
        )

    def _to(self, state: TaskState) -> None:
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"task {self.id}: {self.state.name} -> {state.name}")
        self.state = state

    # -- questions and answers of a restore --------------------------------------------------------

    def begin(self) -> list[cmd.Command]:
        """Start, or start again after a rollback: forget everything uncommitted and ask for the offsets."""
        stop = [cmd.StopChangelog(changelog=changelog) for changelog in self.restores]
        self._to(TaskState.FETCHING)
        self.epoch += 1
        self.program = None
        self.positions, self.committed, self.metadata, self.restores = {}, {}, {}, {}
        self.retry_at = self.busy_since = None
        self.asked = 0
        return [*stop, cmd.PauseInputs(partitions=self.inputs), self._fetch_committed()]

    def answered(self, event: ev.TaskAnswer, now: int) -> list[cmd.Command]:
        """Return what follows from the answer to a question of this task.

        Raises:
            StoreCorrupted: What is read of the store when the work begins is damaged.
            StreamFrameError: The task cannot work.
        """
        match event:
            case ev.CommittedFetched():
                return self.committed_fetched(event)
            case ev.CommittedUndecided():
                return self.undecided(event, now)
            case ev.ChangelogsFound():
                return self.changelogs_found(event)
            case ev.StoreOpened():
                return self.store_opened(event)
            case ev.StoreBusy():
                return self.store_busy(event, now)
            case ev.StoreWritten():
                return self.store_written(event)
            case _:
                assert_never(event)

    def _fetch_committed(self) -> cmd.Command:
        wait = min(UNDECIDED_WAIT << self.asked, UNDECIDED_WAIT_MAX)
        self.asked = min(self.asked + 1, 8)
        return cmd.FetchCommitted(task=self.id, epoch=self.epoch, partitions=self.inputs, wait=wait)

    def suspend(self) -> list[cmd.Command]:
        """Stop processing until ``begin``: a rollback is under way and the program's state is worthless."""
        self.program = None
        self.epoch += 1
        self.retry_at = None
        stop = [cmd.StopChangelog(changelog=changelog) for changelog in self.restores]
        self.restores = {}
        if self.state is not TaskState.FETCHING:
            self._to(TaskState.FETCHING)
        return [*stop, cmd.PauseInputs(partitions=self.inputs)]

    def committed_fetched(self, event: ev.CommittedFetched) -> list[cmd.Command]:
        """The offsets are known: go on to the store, or to work when there is none."""
        if event.epoch != self.epoch or self.state is not TaskState.FETCHING:
            return []
        for tp in self.inputs:
            found = event.committed[tp]
            self.positions[tp] = found.offset if found.offset != NO_OFFSET else self._reset(tp)
            self.committed[tp] = found.offset
            self.metadata[tp] = found.metadata
        self.versions = versions_of(self.metadata.values())
        self.busy_since = None
        if not self.sub_topology.stores:
            return self._run()
        if self.store is None:
            self._to(TaskState.OPENING)
            return [cmd.OpenStore(task=self.id, epoch=self.epoch)]
        return self._locate()

    def undecided(self, event: ev.CommittedUndecided, now: int) -> list[cmd.Command]:
        """Somebody's transaction holds the offsets: the other tasks go on, and this one asks again."""
        if event.epoch != self.epoch or self.state is not TaskState.FETCHING:
            return []
        self.busy_since = self.busy_since if self.busy_since is not None else now
        if now - self.busy_since > UNDECIDED_PATIENCE:
            hint = "a transaction of another producer stays open: see its timeout; restarting is safe"
            error = Unavailable("committed offsets stay undecided", hint=hint, task=str(self.id), reason=event.reason)
            return [cmd.Fail(error=error)]
        self.retry_at = now + min(UNDECIDED_WAIT << self.asked >> 1, UNDECIDED_WAIT_MAX)
        return []

    def store_opened(self, event: ev.StoreOpened) -> list[cmd.Command]:
        """The local store is open; find out where the changelogs end."""
        if event.epoch != self.epoch or self.state is not TaskState.OPENING:
            return [cmd.CloseStore(task=self.id, store=event.store)]
        self.store = event.store
        self.busy_since = None
        return self._locate()

    def store_busy(self, event: ev.StoreBusy, now: int, patience: int = STORE_PATIENCE) -> list[cmd.Command]:
        """The local store is held by somebody else or has no space: ask again, for a while."""
        if event.epoch != self.epoch or self.state is not TaskState.OPENING:
            return []
        self.busy_since = self.busy_since if self.busy_since is not None else now
        if now - self.busy_since > patience:
            return [cmd.Fail(error=event.error)]
        self.retry_at = now + patience // 100
        return []

    def retry(self, now: int) -> list[cmd.Command]:
        """Ask again for undecided offsets or a busy store when it is time."""
        if self.retry_at is None or now < self.retry_at:
            return []
        self.retry_at = None
        if self.state is TaskState.FETCHING:
            return [self._fetch_committed()]
        return [cmd.OpenStore(task=self.id, epoch=self.epoch)] if self.state is TaskState.OPENING else []

    def _locate(self) -> list[cmd.Command]:
        self._to(TaskState.LOCATING)
        self.restores = {
            TopicPartition(d.changelog, self.id.partition): Restore(store=d.name) for d in self.sub_topology.stores
        }
        changelogs = tuple(self.restores)
        return [cmd.FindChangelogs(task=self.id, epoch=self.epoch, changelogs=changelogs)]

    def changelogs_found(self, event: ev.ChangelogsFound) -> list[cmd.Command]:
        """The ends are known: read what the local store lacks, or distrust it."""
        if event.epoch != self.epoch or self.state is not TaskState.LOCATING:
            return []
        assert self.store is not None
        for changelog, bounds in event.bounds.items():
            restore = self.restores[changelog]
            local = _local_position(NamespaceReader(self.store, restore.store))
            if local is not None and _unusable(local, bounds.topic_id, bounds.begin, bounds.end):
                return self.store_damaged("local position does not fit the changelog topic")
            restore.topic_id = bounds.topic_id
            restore.local = local is not None
            restore.begin = restore.written = Offset(local.offset) if local else bounds.begin
            restore.end = bounds.end
        self._to(TaskState.RESTORING)
        if all(restore.done for restore in self.restores.values()):
            return self._run()
        return [
            cmd.ReadChangelog(changelog=changelog, offset=restore.begin)
            for changelog, restore in self.restores.items()
            if not restore.done
        ]

    def changelog_read(self, event: ev.ChangelogRead) -> list[cmd.Command]:
        """A slice of a changelog: write it to the local store, with its position."""
        restore = self.restores.get(event.changelog)
        if restore is None or self.state is not TaskState.RESTORING or event.position <= restore.written:
            return []
        assert self.store is not None
        changes = self._located(restore, apply_records(event.records), event.position)
        return [
            cmd.WriteStore(
                task=self.id,
                store=self.store,
                changes=changes,
                answer=(self.epoch, event.changelog, event.position),
            )
        ]

    def store_written(self, event: ev.StoreWritten) -> list[cmd.Command]:
        """A slice is in the local store; run when it was the last one."""
        if event.epoch != self.epoch or self.state is not TaskState.RESTORING:
            return []
        restore = self.restores[event.changelog]
        restore.written = max(restore.written, event.position)
        stop: list[cmd.Command] = [cmd.StopChangelog(changelog=event.changelog)] if restore.done else []
        if all(restore.done for restore in self.restores.values()):
            return [*stop, *self._run()]
        return stop

    def store_damaged(self, reason: str) -> list[cmd.Command]:
        """The local store cannot be trusted: wipe it and restore everything from the changelog."""
        if self.state is TaskState.CLOSED:
            return []
        self.damaged_count += 1
        close: list[cmd.Command] = []
        if self.store is not None:
            close = [cmd.CloseStore(task=self.id, store=self.store)]
            self.store = None
        notice = cmd.Notice(
            level="warning",
            text="local store is rebuilt from its changelog",
            facts={"task": str(self.id), "reason": reason},
        )
        return [notice, *close, cmd.WipeStore(task=self.id), *self.begin()]

    def _run(self) -> list[cmd.Command]:
        readers: dict[str, StoreReader] = {}
        if self.store is not None:
            names = [d.name for d in self.sub_topology.stores]
            readers = {name: NamespaceReader(self.store, name) for name in names}
            local = any(restore.local for restore in self.restores.values())
            check_versions(self.id, self.versions, readers, from_changelog=not local)
        self.program = self.open_program(self.id, readers, self.metadata)
        self._to(TaskState.RUNNING)
        return [cmd.ResumeInputs(positions=dict(self.positions))]

    def _reset(self, tp: TopicPartition) -> Offset:
        for source in self.sub_topology.sources:
            if source.topic == tp.topic and source.offset_reset == "latest":
                return LATEST
        return EARLIEST

    # -- commits -----------------------------------------------------------------------------------

    def apply_commit(self, sealed: SealedTask, ends: Mapping[TopicPartition, Offset]) -> list[cmd.Command]:
        """The commit is known to have succeeded: the same changes may now enter the local store."""
        puts: list[tuple[bytes, bytes]] = []
        deletes: list[bytes] = []
        ranges: list[tuple[bytes, bytes]] = []
        by_store = {restore.store: (tp, restore) for tp, restore in self.restores.items()}
        for sealed_store in sealed.stores:
            changelog, restore = by_store[sealed_store.name]
            if changelog not in ends:
                continue
            changes = self._located(restore, sealed_store.changes, ends[changelog])
            puts += changes.puts
            deletes += changes.deletes
            ranges += changes.ranges
        if not (puts or deletes or ranges):
            return []
        assert self.store is not None
        changes = Changes(puts=puts, deletes=deletes, ranges=ranges)
        return [cmd.WriteStore(task=self.id, store=self.store, changes=changes)]

    def _located(self, restore: Restore, changes: Changes, position: Offset) -> Changes:
        """Put changes under the store's name, with the changelog position in the same batch."""
        local = LocalPosition(topic_id=restore.topic_id, offset=position)
        located = Changes(
            puts=[*changes.puts, (POSITION_KEY, local.encode())],
            deletes=changes.deletes,
            ranges=changes.ranges,
        )
        return prefixed(located, restore.store)

    def close(self) -> list[cmd.Command]:
        """Give everything back. What is not committed is forgotten."""
        stop: Sequence[cmd.Command] = [cmd.StopChangelog(changelog=c) for c in self.restores]
        self._to(TaskState.CLOSED)
        self.program = None
        if self.store is None:
            return list(stop)
        store, self.store = self.store, None
        return [*stop, cmd.CloseStore(task=self.id, store=store)]


def _local_position(reader: StoreReader) -> LocalPosition | None:
    """Return how far a local store is; ``None`` when it is new or of a format that nobody reads any more."""
    stored = reader.get(POSITION_KEY)
    if stored is None:
        return None
    try:
        return LocalPosition.decode(stored)
    except StoreIncompatible:
        return LocalPosition(topic_id=None, offset=-1)


def _unusable(local: LocalPosition, topic_id: bytes, begin: Offset, end: Offset) -> bool:
    """Another topic of the same name, a position beyond the log, or one whose successors are gone."""
    if local.topic_id != topic_id:
        return True
    return local.offset > end or local.offset < begin


def named_task(error: StoreCorrupted, running: Sequence[Task]) -> TaskId:
    """Return the task an error names, else the first: rebuilding one too many is safe."""
    for task in running:
        if str(task.id) == error.facts.get("task"):
            return task.id
    return running[0].id
