"""Planted mistakes: each is a plausible way to write the engine wrong, and the simulator must find every one.

A mutant replaces one function of production code (or of what stands for the client library) while it is
active. Nothing in production code knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from streamframe.core.ids import Offset, TopicPartition
from streamframe.core.time import MIN_TIME
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine import task as task_module
from streamframe.engine.commit import CommitCycle
from streamframe.engine.positions import ChangelogBounds, Committed
from streamframe.engine.task import Task
from streamframe.engine.worker import Worker
from streamframe.operators import program as program_module
from streamframe.operators import watermarks as watermarks_module
from streamframe.operators.aggregate import AggregateState
from streamframe.operators.outbox import Outbox
from streamframe.operators.receive import BlockReader
from streamframe.operators.watermarks import StreamClock, Watermark
from streamframe.runtime.performer import Performer
from streamframe.state import table_log as table_log_module
from streamframe.state.meta import StateMeta
from streamframe.testing.memory_broker import MemoryBroker
from streamframe.testing.memory_log import MemoryLog
from streamframe.testing.memory_partition import Partition
from streamframe.testing.sim.log import SimLog

_INHERITED: Final = object()


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted mistake.

    Attributes:
        says: What is wrong, in one sentence.
        hazards: Rows of ``docs/hazards.md`` that it stands for.
        patches: What is replaced: owner, attribute, and a function from the original to the replacement.
        program: The topology that is run, when not all can show it.
    """

    says: str
    hazards: str
    patches: tuple[tuple[Any, str, Callable[[Any], Any]], ...]
    program: str | None = None


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Activate a mutant."""
    undo: list[tuple[Any, str, Any]] = []
    try:
        for owner, name, wrap in mutant.patches:
            undo.append((owner, name, vars(owner).get(name, _INHERITED)))
            setattr(owner, name, wrap(getattr(owner, name)))
        yield
    finally:
        for owner, name, original in reversed(undo):
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def _offsets_outside(_original: Any) -> Any:
    def send(self: MemoryLog, _transaction: Any, request: Any) -> None:
        self._broker.commit_offsets(request.offsets, self.member_id, self.generation)

    return send


def _no_generation_check(_original: Any) -> Any:
    def add(self: MemoryBroker, transaction: Any, offsets: Any, _member: str, _generation: int) -> None:
        self._check_epoch(transaction.producer, transaction.epoch)
        transaction.offsets.update(offsets)

    return add


def _as_nobody(_original: Any) -> Any:
    def send(self: MemoryLog, transaction: Any, request: Any) -> None:
        self._broker.add_offsets(transaction, request.offsets, "", -1)

    return send


def _until_last_stable(original: Any) -> Any:
    def bounds(self: MemoryLog, changelog: TopicPartition) -> ChangelogBounds:
        found: ChangelogBounds = original(self, changelog)
        return replace(found, end=Offset(self._broker.partition(changelog).last_stable))

    return bounds


def _offsets_not_awaited(_original: Any) -> Any:
    def fetch(self: MemoryBroker, partitions: Any) -> dict[TopicPartition, Committed]:
        return {tp: self.committed.get(tp, Committed(Offset(-1))) for tp in partitions}

    return fetch


def _store_first(original: Any) -> Any:
    def decide(self: CommitCycle, tasks: Any, now: int, **how: Any) -> list[cmd.Command]:
        commands: list[cmd.Command] = original(self, tasks, now, **how)
        early: list[cmd.Command] = []
        for task in tasks:
            early += task.apply_commit(self.sealed[task.id], {tp: r.written for tp, r in task.restores.items()})
        return [*commands[:-1], *early, commands[-1]]

    return decide


def _purge_first(original: Any) -> Any:
    def decide(self: CommitCycle, tasks: Any, now: int, **how: Any) -> list[cmd.Command]:
        commands: list[cmd.Command] = original(self, tasks, now, **how)
        assert self.request is not None
        before = {tp: c.offset for tp, c in self.request.offsets.items() if tp.topic.endswith("-repartition")}
        return [*([cmd.Purge(before=before)] if before else []), *commands]

    return decide


def _only_dirty(_original: Any) -> Any:
    return property(lambda task: task.running and task.active_program.dirty)


def _no_reload(_original: Any) -> Any:
    def roll_back(self: Worker, reason: str, remedy: Any) -> list[cmd.Command]:
        self.epoch += 1
        self.rolling_back = True
        self.commit.drop()
        return [remedy]

    return roll_back


def _reuse_producer(original: Any) -> Any:
    def handle(self: Worker, event: ev.Event) -> list[cmd.Command]:
        if isinstance(event, ev.ProducerLost) and "OutcomeUnknown" in event.reason:
            event = ev.TransactionFailed(reason=event.reason)
        commands: list[cmd.Command] = original(self, event)
        return commands

    return handle


def _always_usable(_original: Any) -> Any:
    return lambda _self: None


def _consumer_position(original: Any) -> Any:
    def commit(self: SimLog, request: Any) -> Any:
        positions = self._positions
        moved = {tp: replace(c, offset=Offset(positions.get(tp, c.offset))) for tp, c in request.offsets.items()}
        return original(self, replace(request, offsets=moved))

    return commit


def _uncommitted_read(_original: Any) -> Any:
    def read(self: Partition, offset: int, limit: int) -> Any:
        found = [entry for entry in self.between(offset, self.end) if not entry.control][:limit]
        return found, found[-1].offset + 1 if len(found) == limit else self.end

    return read


def _slices_of_records(_original: Any) -> Any:
    def poll_restores(self: MemoryLog) -> list[ev.Event]:
        events: list[ev.Event] = []
        for tp, position in sorted(self._restoring.items()):
            entries, _ = self._broker.partition(tp).read(position, self.restore_slice)
            if entries:
                after = self._restoring[tp] = entries[-1].offset + 1
                records = [(e.key or b"", e.value) for e in entries]
                events.append(ev.ChangelogRead(changelog=tp, records=records, position=Offset(after)))
        return events

    return poll_restores


def _one_too_far(original: Any) -> Any:
    def found(self: Task, event: ev.ChangelogsFound) -> Any:
        commands = original(self, event)
        return [
            replace(c, offset=Offset(c.offset + 1)) if isinstance(c, cmd.ReadChangelog) and c.offset > 0 else c
            for c in commands
        ]

    return found


def _batch_maximum(original: Any) -> Any:
    def observe(self: StreamClock, source: Any, times: Any, now: int) -> Any:
        observed = original(self, source, times, now)
        return np.full_like(observed, observed[-1]) if len(observed) else observed

    return observe


def _fastest(_original: Any) -> Any:
    def fastest(watermarks: Any) -> Watermark:
        all_of_them = list(watermarks)
        times = [each.time for each in all_of_them if each.time > MIN_TIME]
        return Watermark(max(times, default=MIN_TIME), all(each.flushed for each in all_of_them))

    return fastest


def _forgets_time(original: Any) -> Any:
    def init(self: StreamClock, timeouts: Any, metadata: Mapping[TopicPartition, str]) -> None:
        original(self, timeouts, {})

    return init


def _trusts_tombstones(_original: Any) -> Any:
    return property(lambda _self: 0)


def _forgets_senders(_original: Any) -> Any:
    return property(lambda _self: ())


def _old_over_new(_original: Any) -> Any:
    def assemble(entries: Any, page_seqs: Any, types: Any, specs: Any, layout: Any) -> Any:
        return _original(entries, np.full_like(page_seqs, -1), types, specs, layout)

    return assemble


def _kept_nowhere(original: Any) -> Any:
    def seal(self: Outbox) -> Any:
        sealed, deliveries = original(self)
        if sealed is not None:
            puts = [(key, value) for key, value in sealed.changes.puts if key[:1] != b"e"]
            records = [(key, value) for key, value in sealed.records if value is None or key[:1] != b"e"]
            sealed = replace(sealed, changes=replace(sealed.changes, puts=puts), records=records)
        return sealed, deliveries

    return seal


def _not_again(original: Any) -> Any:
    def find(self: Outbox, reader: Any) -> None:
        original(self, reader)
        self._waiting.clear()

    return find


def _always_new(_original: Any) -> Any:
    def outdated(_self: Performer, _event: ev.Event) -> bool:
        return False

    return outdated


def _no_chain(original: Any) -> Any:
    def decode(cls: type[StateMeta], stored: bytes) -> StateMeta:
        return replace(original(stored), closed_until=MIN_TIME)

    return classmethod(decode)


def _half_closed(_original: Any) -> Any:
    def close(self: AggregateState, watermark: Watermark, turn: Any) -> None:
        if self.folding.node.emit == "final":
            self.release(watermark, turn, 1)
        else:
            _original(self, watermark, turn)

    return close


def _nothing_to_deliver(_original: Any) -> Any:
    return property(lambda self: False)


def _stable_only(original: Any) -> Any:
    def bounds(self: MemoryLog, partitions: Any, **_how: Any) -> Any:
        return original(self, partitions)

    return bounds


def _state_outside(_original: Any) -> Any:
    def write(self: MemoryLog, _transaction: Any, request: Any) -> dict[TopicPartition, Offset]:
        return {
            tp: Offset(self._broker.append(tp, value, key=key) + 1)
            for tp, records in request.changelog.items()
            for key, value in records
        }

    return write


def _believes(_original: Any) -> Any:
    def check(*_args: Any, **_how: Any) -> None:
        pass

    return check


def _skips_the_gap(original: Any) -> Any:
    def poll(self: MemoryLog, wait: int) -> Any:
        for tp, position in list(self._positions.items()):
            self._positions[tp] = max(position, self._broker.partition(tp).begin)
        return original(self, wait)

    return poll


MUTANTS: Final[Mapping[str, Mutant]] = {
    "offsets-outside": Mutant(
        "input offsets are committed beside the transaction, not in it",
        "T-05, T-07",
        ((MemoryLog, "_send_offsets", _offsets_outside),),
    ),
    "no-generation-check": Mutant(
        "offsets of a member that was evicted are accepted",
        "T-08",
        ((MemoryBroker, "add_offsets", _no_generation_check),),
    ),
    "nobody-commits": Mutant(
        "offsets are sent with the metadata of a consumer that never joined",
        "T-43",
        ((MemoryLog, "_send_offsets", _as_nobody),),
    ),
    "restore-to-last-stable": Mutant(
        "restoring ends at the last stable offset instead of the log end",
        "T-01, T-46",
        ((MemoryLog, "changelog_bounds", _until_last_stable),),
    ),
    "offsets-not-awaited": Mutant(
        "committed offsets are read past a transaction that holds newer ones",
        "T-46",
        ((MemoryBroker, "fetch_committed", _offsets_not_awaited),),
    ),
    "store-before-commit": Mutant(
        "the local store is written before the commit is known to have succeeded",
        "T-04",
        ((CommitCycle, "decide", _store_first),),
    ),
    "purge-before-commit": Mutant(
        "repartition records are deleted before the commit that consumed them",
        "T-28",
        ((CommitCycle, "decide", _purge_first),),
        program="partials",
    ),
    "dirty-as-a-boolean": Mutant(
        "a position that moved without a record is not worth a commit",
        "T-25",
        ((Task, "ahead", _only_dirty),),
    ),
    "abort-without-reload": Mutant(
        "after an abort work goes on with the state that was to be thrown away",
        "T-12, T-13",
        ((Worker, "_roll_back", _no_reload),),
    ),
    "producer-reused": Mutant(
        "after an unknown outcome the same producer aborts and goes on",
        "T-05, T-37",
        ((Worker, "handle", _reuse_producer), (SimLog, "_check_usable", _always_usable)),
    ),
    "consumer-position": Mutant(
        "the position of the consumer is committed, not that of the processed batches",
        "T-25",
        ((SimLog, "commit", _consumer_position),),
    ),
    "stale-batch": Mutant(
        "what was polled before a rollback is processed after it",
        "T-13",
        ((Performer, "outdated", _always_new),),
    ),
    "read-uncommitted": Mutant(
        "aborted and open records are read",
        "T-03",
        ((Partition, "read", _uncommitted_read),),
    ),
    "last-record-is-the-end": Mutant(
        "restoring waits for a record at the end, where only markers are",
        "T-02",
        ((MemoryLog, "_poll_restores", _slices_of_records),),
    ),
    "restore-one-too-far": Mutant(
        "restoring begins one behind the position of the local store",
        "T-14",
        ((Task, "changelogs_found", _one_too_far),),
    ),
    "batch-maximum": Mutant(
        "lateness is judged by the latest time of the batch",
        "T-48",
        ((StreamClock, "observe", _batch_maximum),),
    ),
    "fastest-input": Mutant(
        "windows close by the fastest input instead of the slowest",
        "T-48",
        ((watermarks_module, "slowest", _fastest), (program_module, "slowest", _fastest)),
        program="union",
    ),
    "fastest-sender": Mutant(
        "behind a repartition topic windows close by the fastest sender",
        "T-48",
        ((BlockReader, "watermark", lambda _o: property(lambda self: _fastest(None)(self._watermarks.values()))),),
    ),
    "stream-time-forgotten": Mutant(
        "stream times begin anew after a restart",
        "T-27",
        ((StreamClock, "__init__", _forgets_time),),
    ),
    "closed-until-forgotten": Mutant(
        "how far windows are closed is not read back",
        "T-26",
        ((StateMeta, "decode", _no_chain),),
    ),
    "tombstones-trusted": Mutant(
        "a batch that was delivered is gone only if its tombstone was seen",
        "T-18",
        ((Outbox, "_delivered_through", _trusts_tombstones),),
        program="batches",
    ),
    "undelivered-forgotten": Mutant(
        "a bounded run ends with batches that were committed and that no function has taken",
        "T-07",
        ((Outbox, "has_entries", _nothing_to_deliver),),
        program="batches",
    ),
    "senders-forgotten": Mutant(
        "how far the senders of a repartition topic were is not saved",
        "T-27",
        ((BlockReader, "sources", _forgets_senders),),
        program="rows",
    ),
    "old-delta-wins": Mutant(
        "a delta is applied over a page that is newer",
        "T-18",
        ((table_log_module, "_assemble", _old_over_new),),
        program="table",
    ),
    "half-closed": Mutant(
        "a commit forgets windows of which not everything has left",
        "T-26",
        ((AggregateState, "close", _half_closed),),
    ),
    "bounded-to-last-stable": Mutant(
        "a bounded run takes the last stable offset for the end of what its own tasks have sent",
        "T-45, T-46",
        ((SimLog, "bounds", _stable_only),),
        program="chained",
    ),
    "state-outside": Mutant(
        "changelogs are written beside the transaction, not in it",
        "T-03, T-07",
        ((MemoryLog, "_write_changelog", _state_outside),),
    ),
    "results-not-awaited": Mutant(
        "under at_least_once a commit does not wait until the results are written",
        "T-07",
        ((SimLog, "_await_results", _believes),),
    ),
    "versions-not-compared": Mutant(
        "whether the restored state belongs to the committed offsets is not looked at",
        "T-24, T-42",
        ((task_module, "check_versions", _believes),),
    ),
    "gaps-skipped": Mutant(
        "records of an input that are gone before they were read are passed over",
        "T-20",
        ((MemoryLog, "poll", _skips_the_gap),),
    ),
    "batches-not-kept": Mutant(
        "a batch for a user's function is kept in memory only until it is delivered",
        "T-07",
        ((Outbox, "seal", _kept_nowhere),),
        program="batches",
    ),
    "delivery-not-repeated": Mutant(
        "a batch that was committed but not delivered is not delivered by the next owner",
        "T-07",
        ((Outbox, "_find", _not_again),),
        program="batches",
    ),
}
