"""What the group gives and takes: callbacks of the consumer, made into events for the engine.

Rules:
    1. A callback raises nothing: an exception here would cost the records that the client has in hand. What
       the barrier raises is kept and raised by ``InputConsumer.poll`` behind them.
    2. Assigned partitions start paused, at the first record that is there. Never at a logical place (beginning,
       end, committed): the client would ask the broker for it, and when the answer is delayed or asked for
       again, it overwrites a seek made meanwhile. Records were skipped that way.
    3. Revoked partitions are given back when the barrier returns, not before: it commits.
    4. ``flowing`` are the partitions whose records are delivered. A callback only takes away from it: what the
       client had gathered of a partition by then is stale, and is dropped because it does not flow any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.ids import Offset, TopicPartition
from streamframe.engine.events import Event, PartitionsAssigned, PartitionsLost, PartitionsRevoked
from streamframe.engine.ports import EARLIEST
from streamframe.kafka.partition_queues import PartitionQueues

Barrier = Callable[[Event], None]

Resolve = Callable[[Sequence[TopicPartition], Offset], Mapping[TopicPartition, Offset]]
"""Asks the broker where ``EARLIEST`` or ``LATEST`` is at this moment."""


class Rebalance:
    """The three callbacks, and what they know.

    Args:
        barrier: Is given every change and returns when the engine's answer has been performed.
        resolve: Tells where partitions begin.
        incremental: Whether the protocol adds and takes away (KIP-848, cooperative) or replaces everything.
        queues: Takes the queues of partitions; ``None``: their records come with everything else.
    """

    def __init__(
        self, barrier: Barrier, resolve: Resolve, *, incremental: bool, queues: PartitionQueues | None = None
    ) -> None:
        self._barrier = barrier
        self._resolve = resolve
        self._incremental = incremental
        self._queues = queues
        self._failure: BaseException | None = None
        self.inside = False
        self.leaving = False
        self.assigned_once = False
        self.owned: set[TopicPartition] = set()
        self.flowing: set[TopicPartition] = set()

    def take_failure(self) -> BaseException | None:
        """Return what the barrier raised since the last question, and forget it."""
        failure, self._failure = self._failure, None
        return failure

    def on_assign(self, consumer: Consumer, partitions: list[ClientPartition]) -> None:
        """Take partitions, paused, and tell the engine."""
        given = _ours(partitions)
        if self.leaving:
            return
        with self._callback():
            begins = self._resolve(given, EARLIEST)
            explicit = [ClientPartition(each.topic, each.partition, int(begins[each])) for each in given]
            if self._queues is not None:
                # Before they are assigned, or records would get into the consumer's own queue.
                self._queues.take(given)
            if self._incremental:
                consumer.incremental_assign(explicit)
            else:
                consumer.assign(explicit)
            if explicit:
                consumer.pause(explicit)
            self.assigned_once = True
            self.owned.update(given)
            self.flowing.difference_update(given)
            self._barrier(PartitionsAssigned(partitions=given))

    def on_revoke(self, consumer: Consumer, partitions: list[ClientPartition]) -> None:
        """Let the engine commit, then give partitions back."""
        taken = _ours(partitions)
        with self._callback():
            if not self.leaving:
                self._barrier(PartitionsRevoked(partitions=taken))
        with self._callback():
            self._give_back(consumer, partitions, taken)

    def on_lost(self, consumer: Consumer, partitions: list[ClientPartition]) -> None:
        """Forget partitions that belong to somebody else already, and tell the engine."""
        taken = _ours(partitions)
        with self._callback():
            self._give_back(consumer, partitions, taken)
        with self._callback():
            if not self.leaving:
                self._barrier(PartitionsLost(partitions=taken))

    def _give_back(
        self, consumer: Consumer, partitions: list[ClientPartition], taken: tuple[TopicPartition, ...]
    ) -> None:
        self.flowing.difference_update(taken)
        self.owned.difference_update(taken)
        if self._queues is not None:
            self._queues.drop(taken)
        if self._incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def _callback(self) -> _Callback:
        return _Callback(self)

    def keep(self, failure: BaseException) -> None:
        """Keep the first exception of a callback for ``take_failure``."""
        self._failure = self._failure or failure


class _Callback:
    """Marks the time inside a callback, and keeps what is raised there."""

    def __init__(self, rebalance: Rebalance) -> None:
        self._rebalance = rebalance

    def __enter__(self) -> None:
        self._rebalance.inside = True

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._rebalance.inside = False
        if error is not None:
            self._rebalance.keep(error)
        return True


def _ours(partitions: list[ClientPartition]) -> tuple[TopicPartition, ...]:
    return tuple(sorted(TopicPartition(each.topic, each.partition) for each in partitions))
