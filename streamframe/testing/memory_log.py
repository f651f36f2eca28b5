"""The engine's ``Log`` port on a ``MemoryBroker``: one consumer, one transactional producer.

Everything is synchronous and decided by the caller: which partition is read next and how many records
at once comes from a ``Chooser``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from streamframe.core.batch import ListBatch, OutputBatch
from streamframe.core.errors import StateError, StreamFrameError, TopologyMismatch, Unavailable
from streamframe.core.ids import Offset, TopicPartition
from streamframe.engine import events as ev
from streamframe.engine.ports import (
    EARLIEST,
    LATEST,
    Bounds,
    ChangelogBounds,
    CommitRequest,
    Committed,
    OffsetsUndecided,
    ProducerFenced,
    TransactionAborted,
)
from streamframe.testing.memory_broker import Fate, MemoryBroker, Transaction
from streamframe.testing.memory_group import Consumer

Chooser = Callable[[Mapping[TopicPartition, int]], Sequence[tuple[TopicPartition, int]]]
"""Given the readable records per partition, which partitions to read now and how many records of each."""

RESTORE_SLICE = 64


def read_everything(available: Mapping[TopicPartition, int]) -> list[tuple[TopicPartition, int]]:
    """Read all partitions to their ends, in order."""
    return sorted(available.items())


class MemoryLog(Consumer):
    """One worker's access to a ``MemoryBroker``.

    Args:
        broker: Where everything is.
        identity: Name of the worker, its transactional id.
        partitioner: Returns the partition of a keyed record, given the key and the partition count.
        chooser: Decides what is read next.

    Attributes:
        restore_slice: Most changelog records of a partition delivered at once.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        identity: str,
        *,
        partitioner: Callable[[bytes | None, int], int],
        chooser: Chooser = read_everything,
    ) -> None:
        super().__init__()
        self._broker = broker
        self.identity = identity
        self._partitioner = partitioner
        self.chooser = chooser
        self.restore_slice = RESTORE_SLICE
        self._epoch = broker.init_producer(identity)
        self._transaction: Transaction | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._touched: set[TopicPartition] = set()
        self._told_end: dict[TopicPartition, int] = {}
        self._restoring: dict[TopicPartition, int] = {}

    # -- inputs ------------------------------------------------------------------------------------

    def poll(self, wait: int) -> Sequence[ev.Event]:
        """Return changelog slices, records and partition ends. Never waits."""
        self._touched.clear()
        events: list[ev.Event] = self._poll_restores()
        failure = self._poll_group()
        if failure is not None:
            return [*events, ev.Failed(error=failure)]
        moved = self._paused | self._touched
        active = {tp: p for tp, p in self._positions.items() if tp not in moved}
        available = {tp: n for tp, p in sorted(active.items()) if (n := self._readable(tp, p)) > 0}
        gone = [tp for tp, p in active.items() if p < self._broker.partition(tp).begin]
        if gone:
            hint = "the topic's retention deleted records before they were read"
            error = TopologyMismatch("committed offset is no longer in the log", hint=hint, partition=str(gone[0]))
            return [*events, ev.Failed(error=error)]
        for tp, count in self.chooser(available) if available else ():
            batch, position = self._read(tp, self._positions[tp], count)
            self._positions[tp] = position
            if batch is not None:
                events.append(ev.RecordsRead(batch=batch))
        for tp in sorted(active):
            position = self._positions[tp]
            at_end = position >= self._broker.partition(tp).last_stable
            if at_end and self._told_end.get(tp) != position:
                self._told_end[tp] = position
                events.append(ev.EndReached(partition=tp, position=Offset(position)))
        return events

    def _poll_group(self) -> StreamFrameError | None:
        """Where a client hears of its group: between gathering changelog slices and gathering records.

        Returns:
            What ends the membership for good, if anything does.
        """
        return None

    def _readable(self, tp: TopicPartition, position: int) -> int:
        return self._broker.partition(tp).last_stable - position

    def _read(self, tp: TopicPartition, position: int, count: int) -> tuple[ListBatch | None, int]:
        entries, position = self._broker.partition(tp).read(position, count)
        if not entries:
            return None, position
        batch = ListBatch(
            tp,
            values=[e.value for e in entries],
            keys=[e.key for e in entries],
            offsets=[e.offset for e in entries],
            timestamps=[e.timestamp for e in entries],
            headers=[e.headers for e in entries],
        )
        return batch, position

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """The group gave us these partitions; they start paused."""
        super().assign(partitions)
        for tp in partitions:
            self._positions[tp] = 0
            self._paused.add(tp)

    def unassign(self, partitions: Sequence[TopicPartition]) -> None:
        """The group took these partitions."""
        super().unassign(partitions)
        for tp in partitions:
            self._positions.pop(tp, None)
            self._paused.discard(tp)
            self._told_end.pop(tp, None)

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """See ``Log.pause``."""
        self._paused |= {tp for tp in partitions if tp in self._positions}

    def resume(self, positions: Mapping[TopicPartition, Offset]) -> None:
        """See ``Log.resume``."""
        for tp, offset in positions.items():
            if tp not in self._positions:
                continue
            bounds = self._broker.bounds(tp)
            start = {EARLIEST: bounds.begin, LATEST: bounds.end}.get(offset, offset)
            self._positions[tp] = int(start)
            self._paused.discard(tp)
            self._touched.add(tp)
            self._told_end.pop(tp, None)

    def committed(
        self, partitions: Sequence[TopicPartition], *, wait: int | None = None
    ) -> Mapping[TopicPartition, Committed]:
        """See ``Log.committed``; an undecided transaction cannot be waited for in one thread."""
        found = self._broker.fetch_committed(partitions)
        if found is None:
            held = "offsets are held by an undecided transaction"
            raise Unavailable(held) if wait is None else OffsetsUndecided(held)
        return found

    def bounds(
        self, partitions: Sequence[TopicPartition], *, appended: bool = False
    ) -> Mapping[TopicPartition, Bounds]:
        """See ``Log.bounds``."""
        found = {tp: self._broker.bounds(tp) for tp in partitions}
        return {
            tp: Bounds(b.begin, Offset(self._broker.partition(tp).end) if appended else b.end)
            for tp, b in found.items()
        }

    # -- changelogs --------------------------------------------------------------------------------

    def start_restore(self, changelog: TopicPartition, offset: Offset) -> None:
        """See ``Log.start_restore``."""
        self._restoring[changelog] = offset

    def changelog_bounds(self, changelog: TopicPartition) -> ChangelogBounds:
        """See ``Log.changelog_bounds``."""
        partition = self._broker.partition(changelog)
        topic_id = self._broker.topic_ids[changelog.topic]
        return ChangelogBounds(topic_id, Offset(partition.begin), Offset(partition.end))

    def stop_restore(self, changelog: TopicPartition) -> None:
        """See ``Log.stop_restore``."""
        self._restoring.pop(changelog, None)

    def _poll_restores(self) -> list[ev.Event]:
        events: list[ev.Event] = []
        for tp, position in sorted(self._restoring.items()):
            if position < self._broker.partition(tp).begin:
                gone = StateError("changelog records were deleted while they were read", changelog=str(tp))
                return [*events, ev.Failed(error=gone)]
            entries, after = self._broker.partition(tp).read(position, self.restore_slice)
            if after > position:
                self._restoring[tp] = after
                records = [(e.key or b"", e.value) for e in entries]
                events.append(ev.ChangelogRead(changelog=tp, records=records, position=Offset(after)))
        return events

    # -- outputs -----------------------------------------------------------------------------------

    def _begin(self) -> Transaction:
        if self._transaction is None:
            self._transaction = self._broker.begin(self.identity, self._epoch)
        return self._transaction

    def produce(self, batch: OutputBatch) -> None:
        """See ``Log.produce``."""
        self._append(batch, self._begin())

    def _append(self, batch: OutputBatch, transaction: Transaction | None) -> None:
        count = len(self._broker.topics[batch.topic])
        for row, value in enumerate(batch.values):
            key = batch.keys[row] if batch.keys is not None else None
            if batch.partitions is None:
                partition = self._partitioner(key, count)
            else:
                partition = batch.partitions if isinstance(batch.partitions, int) else batch.partitions[row]
            self._broker.append(
                TopicPartition(batch.topic, int(partition)),
                value,
                key=key,
                timestamp=int(batch.timestamps[row]) if batch.timestamps is not None else -1,
                headers=batch.headers[row] if batch.headers is not None else (),
                transaction=transaction,
            )

    def commit(self, request: CommitRequest) -> Mapping[TopicPartition, Offset]:
        """See ``Log.commit``."""
        transaction = self._begin()
        ends = self._write_changelog(transaction, request)
        if request.offsets:
            self._send_offsets(transaction, request)
        self._end(transaction, Fate.COMMITTED)
        return ends

    def _write_changelog(self, transaction: Transaction, request: CommitRequest) -> dict[TopicPartition, Offset]:
        ends: dict[TopicPartition, Offset] = {}
        for tp, records in request.changelog.items():
            for key, value in records:
                last = self._broker.append(tp, value, key=key, transaction=transaction)
                ends[tp] = Offset(last + 1)
        return ends

    def _send_offsets(self, transaction: Transaction, request: CommitRequest) -> None:
        if not self.member_id:
            # The broker takes offsets of somebody who never joined without asking for a generation.
            raise TransactionAborted("not a member of the group")
        self._broker.add_offsets(transaction, request.offsets, self.member_id, self.generation)

    def _end(self, transaction: Transaction, fate: Fate) -> None:
        self._broker.end(transaction, fate)
        self._transaction = None

    def abort(self) -> None:
        """See ``Log.abort``."""
        if self._transaction is not None:
            self._end(self._transaction, Fate.ABORTED)

    def renew_producer(self) -> None:
        """See ``Log.renew_producer``."""
        self._transaction = None
        self._epoch = self._broker.init_producer(self.identity)

    def purge(self, before: Mapping[TopicPartition, Offset]) -> None:
        """See ``Log.purge``."""
        for tp, offset in sorted(before.items()):
            self._broker.partition(tp).delete_before(offset)

    def await_visible(self) -> None:
        """See ``Log.await_visible``: what is committed here is visible at once."""

    def close(self) -> None:
        """See ``Log.close``."""
        with suppress(ProducerFenced):
            self.abort()
        self._positions = {}
        self._restoring = {}

    def lag(self) -> dict[str, int]:
        """Records not yet read, per input partition."""
        return {str(tp): max(0, self._readable(tp, p)) for tp, p in sorted(self._positions.items())}
