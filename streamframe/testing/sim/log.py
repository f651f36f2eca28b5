"""The engine's ``Log`` port in the simulator: the in-memory Kafka, a group coordinator, and faults.

A call may be cut before and after everything it does to the broker; an answer may be lost, be wrong, or the
request may arrive when nobody waits for it any more. As in production, a producer whose fate is unknown is
refused until it is renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from streamframe.core.batch import OutputBatch
from streamframe.core.errors import StreamFrameError, Unavailable
from streamframe.core.ids import Offset, TopicPartition
from streamframe.engine import events as ev
from streamframe.engine.ports import (
    Bounds,
    ChangelogBounds,
    CommitRequest,
    Committed,
    OffsetsUndecided,
    OutcomeUnknown,
    ProducerFenced,
    TransactionAborted,
)
from streamframe.testing.memory_broker import Fate, MemoryBroker, Transaction
from streamframe.testing.memory_cluster import partition_of
from streamframe.testing.memory_group import Group, InstanceTaken
from streamframe.testing.memory_log import Chooser, MemoryLog
from streamframe.testing.sim.faults import Faults

LateRequest = tuple[str, int, Fate]
"""Producer, epoch, and how it wants its transaction to end."""


class SimLog(MemoryLog):
    """One process's access to the broker.

    Args:
        broker: Where everything is.
        group: The coordinator.
        process: Name of the process.
        identity: Its transactional id.
        faults: What goes wrong.
        chooser: What is read next.

    Attributes:
        barrier: Takes assignment changes; set once the driver exists.
        wait_for: Called while an undecided transaction holds offsets that are asked for; it lets time pass.
        late_requests: Takes requests that arrive later.
        inside: Topics that are written in transactions; ``None``: all. Under ``at_least_once`` results are not.
        purged, offsets_sent: Are shown what was asked for and accepted.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        group: Group,
        *,
        process: str,
        identity: str,
        faults: Faults,
        chooser: Chooser,
    ) -> None:
        super().__init__(broker, identity, partitioner=partition_of, chooser=chooser)
        self._group = group
        self.process = process
        self._faults = faults
        self.inside: frozenset[str] | None = None
        self._queued: list[OutputBatch] = []
        self._lost = False
        self.barrier: Callable[[ev.Event], None] = lambda _event: None
        self.wait_for: Callable[[Sequence[TopicPartition]], None] = lambda _partitions: None
        self.late_requests: list[LateRequest] = []
        self.purged: Callable[[Mapping[TopicPartition, Offset]], None] = lambda _before: None
        self.offsets_sent: Callable[[str, Mapping[TopicPartition, str | None]], None] = lambda _member, _owners: None

    def _point(self, call: str) -> None:
        self._faults.point(self.process, call)

    # -- reading -----------------------------------------------------------------------------------

    def poll(self, wait: int) -> Sequence[ev.Event]:
        """See ``Log.poll``."""
        self._point("poll")
        if self._queued and self._faults.strikes("queue delivered"):
            self.deliver_queued(len(self._queued))
        events = super().poll(wait)
        self._point("polled")
        return events

    def _poll_group(self) -> StreamFrameError | None:
        try:
            self._group.poll(self, self.barrier)
        except InstanceTaken as taken:
            return Unavailable("another member of the group has this worker's name", instance=str(taken))
        return None

    def _poll_restores(self) -> list[ev.Event]:
        return [] if self._restoring and self._faults.strikes("restore slow") else super()._poll_restores()

    def committed(
        self, partitions: Sequence[TopicPartition], *, wait: int | None = None
    ) -> Mapping[TopicPartition, Committed]:
        """See ``Log.committed``: waits for transactions that hold offsets, or gives up."""
        self._point("committed")
        if self._faults.strikes("committed unavailable"):
            raise Unavailable("no stable answer within the limit")
        found = self._broker.fetch_committed(partitions)
        if found is None and wait is not None:
            raise OffsetsUndecided("offsets are held by an undecided transaction")
        if found is None:
            self.wait_for(partitions)
            found = self._broker.fetch_committed(partitions)
        assert found is not None
        self._point("committed answered")
        return found

    def bounds(
        self, partitions: Sequence[TopicPartition], *, appended: bool = False
    ) -> Mapping[TopicPartition, Bounds]:
        """See ``Log.bounds``."""
        self._may_be_away()
        return super().bounds(partitions, appended=appended)

    def changelog_bounds(self, changelog: TopicPartition) -> ChangelogBounds:
        """See ``Log.changelog_bounds``."""
        self._may_be_away()
        return super().changelog_bounds(changelog)

    def _may_be_away(self) -> None:
        self._point("bounds")
        if self._faults.strikes("bounds unavailable"):
            raise Unavailable("no answer within the limit")

    # -- writing -----------------------------------------------------------------------------------

    def _begin(self) -> Transaction:
        self._check_usable()
        return super()._begin()

    def produce(self, batch: OutputBatch) -> None:
        """See ``Log.produce``; may write some of the records, then fail."""
        self._point("produce")
        if self.inside is not None and batch.topic not in self.inside:
            self._check_usable()
            self._queued.append(batch)
            return
        if self._faults.strikes("produce torn"):
            half = len(batch) // 2
            super().produce(_first(batch, half))
            raise self._failed("produce", unknown=True)
        if self._faults.strikes("produce aborted"):
            raise TransactionAborted("produce: the transaction must be aborted")
        with self._remembered():
            super().produce(batch)

    def commit(self, request: CommitRequest) -> Mapping[TopicPartition, Offset]:
        """See ``Log.commit``."""
        self._point("commit")
        self._await_results()
        with self._remembered():
            ends = super().commit(request)
        self._point("committed to the broker")
        return ends

    def _await_results(self) -> None:
        """Results that are outside of the transaction must be written before what they follow from is committed."""
        self.deliver_queued(len(self._queued))

    def deliver_queued(self, count: int) -> None:
        """Results that are written outside of transactions reach the broker; the client has queued them till now."""
        for batch in self._queued[:count]:
            self._append(batch, None)
        del self._queued[:count]

    @property
    def queued(self) -> int:
        """How many batches of results are still in the client's queue."""
        return len(self._queued)

    def _write_changelog(self, transaction: Transaction, request: CommitRequest) -> dict[TopicPartition, Offset]:
        ends = super()._write_changelog(transaction, request)
        self._point("changelog written")
        return ends

    def _send_offsets(self, transaction: Transaction, request: CommitRequest) -> None:
        if self._faults.strikes("offsets aborted"):
            raise TransactionAborted("send_offsets: the transaction must be aborted")
        super()._send_offsets(transaction, request)
        self.offsets_sent(self.member_id, {tp: self._group.owner(tp) for tp in request.offsets})
        self._point("offsets sent")
        if self._faults.strikes("offsets unknown"):
            raise self._failed("send_offsets", unknown=True)

    def _end(self, transaction: Transaction, fate: Fate) -> None:
        if fate is Fate.ABORTED:
            self._abort(transaction)
            return
        if self._faults.strikes("commit aborted"):
            raise TransactionAborted("commit: the transaction must be aborted")
        if self._faults.strikes("commit not done"):
            raise self._failed("commit", unknown=True)
        if self._faults.strikes("commit late"):
            self.late_requests.append((self.identity, self._epoch, fate))
            raise self._failed("commit", unknown=True)
        super()._end(transaction, fate)
        if self._faults.strikes("commit lost"):
            raise self._failed("commit", unknown=True)
        if self._faults.strikes("commit fenced"):
            raise self._failed("commit", unknown=False)

    def _abort(self, transaction: Transaction) -> None:
        self._point("abort")
        if self._faults.strikes("abort fails"):
            raise self._failed("abort", unknown=False)
        with self._remembered():
            super()._end(transaction, Fate.ABORTED)
        self._point("aborted")

    def abort(self) -> None:
        """See ``Log.abort``."""
        self._check_usable()
        super().abort()

    def renew_producer(self) -> None:
        """See ``Log.renew_producer``."""
        self._point("renew")
        if self._faults.strikes("renew unavailable"):
            raise Unavailable("no answer within the limit")
        super().renew_producer()
        self._queued.clear()
        self._lost = False
        self._point("renewed")

    def purge(self, before: Mapping[TopicPartition, Offset]) -> None:
        """See ``Log.purge``: best effort."""
        self._point("purge")
        self.purged(before)
        if not self._faults.strikes("purge lost"):
            super().purge(before)

    def close(self) -> None:
        """See ``Log.close``."""
        self._queued.clear()
        if not self._lost:
            super().close()
        self._group.leave(self)

    def _check_usable(self) -> None:
        if self._lost:
            raise ProducerFenced("the producer is lost")

    def _failed(self, call: str, *, unknown: bool) -> OutcomeUnknown | ProducerFenced:
        """Return what a call raises whose producer is not to be used again."""
        self._lost = True
        return OutcomeUnknown(f"{call}: no answer") if unknown else ProducerFenced(f"{call}: fenced")

    def _remembered(self) -> _Remembered:
        return _Remembered(self)

    def forget_producer(self) -> None:
        """The producer met a fatal error: refuse everything until it is renewed."""
        self._lost = True


class _Remembered:
    """Notes that a producer was fenced, whoever found out."""

    def __init__(self, log: SimLog) -> None:
        self._log = log

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ProducerFenced):
            self._log.forget_producer()


def _first(batch: OutputBatch, count: int) -> OutputBatch:
    """Return the first records of a batch."""
    partitions = batch.partitions
    return replace(
        batch,
        values=batch.values[:count],
        keys=None if batch.keys is None else batch.keys[:count],
        partitions=partitions if partitions is None or isinstance(partitions, int) else partitions[:count],
        timestamps=None if batch.timestamps is None else batch.timestamps[:count],
        headers=None if batch.headers is None else batch.headers[:count],
    )
