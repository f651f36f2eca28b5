"""The world as the engine sees it: four ports.

Production and simulation implement the same four. Nothing here does anything; adapters import this
file, never the reverse. Errors that the engine must tell apart are declared beside the port that
raises them; everything else an adapter raises ends the worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from streamframe.core.batch import OutputBatch
from streamframe.core.ids import Offset, TaskId, TopicPartition
from streamframe.engine.events import Event
from streamframe.engine.positions import (
    EARLIEST,
    LATEST,
    Bounds,
    ChangelogBounds,
    CommitRequest,
    Committed,
)
from streamframe.engine.snapshot import Snapshot
from streamframe.state.store import Store

__all__ = [
    "EARLIEST",
    "LATEST",
    "Bounds",
    "ChangelogBounds",
    "Clock",
    "CommitRequest",
    "Committed",
    "Log",
    "LogError",
    "OffsetsUndecided",
    "OutcomeUnknown",
    "ProducerFenced",
    "Stores",
    "Telemetry",
    "TransactionAborted",
]


class LogError(Exception):
    """Base of what a ``Log`` raises for the engine to react to."""


class TransactionAborted(LogError):
    """The open transaction cannot be committed (rebalanced, stale generation): abort, go back, go on."""


class ProducerFenced(LogError):
    """This producer has lost its identity or met a fatal error: make a new one."""


class OffsetsUndecided(LogError):
    """An open transaction holds the offsets that were asked for, or the broker is slow: ask again."""


class OutcomeUnknown(LogError):
    """A commit was not answered: it may have happened. Never reuse that producer."""


class Clock(Protocol):
    """Time from outside."""

    def now(self) -> int:
        """Return wall-clock microseconds since the epoch; never less than before."""


class Log(Protocol):
    """Kafka: one consumer, one producer, one restore consumer."""

    def poll(self, wait: int) -> Sequence[Event]:
        """Return what happened: records, partition ends, changelog records; wait up to ``wait`` µs.

        Assignment changes are delivered through the barrier given at construction, from inside this call.
        Nothing is returned of partitions that were paused or resumed, and of changelogs that were started or
        stopped, during this very call.
        """

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver nothing more of these partitions."""

    def resume(self, positions: Mapping[TopicPartition, Offset]) -> None:
        """Deliver these partitions from the given offsets (or ``EARLIEST``/``LATEST``)."""

    def committed(
        self, partitions: Sequence[TopicPartition], *, wait: int | None = None
    ) -> Mapping[TopicPartition, Committed]:
        """Return what the group has committed; waits for undecided transactions that hold offsets.

        Args:
            partitions: Input partitions.
            wait: Microseconds; ``None``: as long as any request may take.

        Raises:
            OffsetsUndecided: No answer within ``wait``.
            Unavailable: No answer within the limit of requests.
        """

    def bounds(
        self, partitions: Sequence[TopicPartition], *, appended: bool = False
    ) -> Mapping[TopicPartition, Bounds]:
        """Return first and last stable offsets of input partitions; ``appended``: log ends in place of the latter."""

    def start_restore(self, changelog: TopicPartition, offset: Offset) -> None:
        """Deliver ``ChangelogRead`` for this partition from ``offset`` on (``read_committed``)."""

    def changelog_bounds(self, changelog: TopicPartition) -> ChangelogBounds:
        """Return topic id, first offset and log end (high watermark) of a changelog partition."""

    def stop_restore(self, changelog: TopicPartition) -> None:
        """Deliver nothing more of this changelog partition."""

    def produce(self, batch: OutputBatch) -> None:
        """Hand records to the producer, beginning a transaction when none is open.

        Raises:
            TransactionAborted, ProducerFenced: As their docstrings say.
        """

    def commit(self, request: CommitRequest) -> Mapping[TopicPartition, Offset]:
        """Write the changelog, add the offsets, commit; return the next offset of each changelog partition.

        Order: changelog records first, then the offsets with group metadata fetched now, then the
        commit. Under ``at_least_once`` results are outside: wait until they are written, then the same.

        Raises:
            TransactionAborted, ProducerFenced, OutcomeUnknown: As their docstrings say.
        """

    def abort(self) -> None:
        """Abort the open transaction, if any.

        Raises:
            ProducerFenced: It cannot be aborted by this producer.
        """

    def renew_producer(self) -> None:
        """Replace the producer by a new one of the same identity; ends what the old one left open."""

    def purge(self, before: Mapping[TopicPartition, Offset]) -> None:
        """Delete records before these offsets; best effort, asynchronous."""

    def await_visible(self) -> None:
        """Return when everything committed so far can be read by a ``read_committed`` reader."""

    def close(self) -> None:
        """Leave the group and release everything; an open transaction is aborted."""


class Stores(Protocol):
    """Local stores, one per task."""

    def open(self, task: TaskId) -> Store:
        """Open or create the store of a task.

        Raises:
            StoreCorrupted: It is damaged or foreign; ``wipe`` it and open again.
            StoreUnavailable: It cannot be used now.
        """

    def wipe(self, task: TaskId) -> None:
        """Remove the (closed) store of a task; a damaged one is moved aside for diagnosis."""


class Telemetry(Protocol):
    """Where facts about the work go."""

    def publish(self, snapshot: Snapshot) -> None:
        """Take a snapshot of all counters, about once a second."""

    def notice(self, level: str, text: str, facts: Mapping[str, object]) -> None:
        """Take one line for the log."""
