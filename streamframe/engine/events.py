"""What happened: the engine's input.

Answers to commands carry the ``epoch`` or ``sequence`` of the question; an answer to a question that
is no longer asked is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamframe.core.batch import RecordBatch
from streamframe.core.errors import StoreUnavailable, StreamFrameError
from streamframe.core.ids import Offset, TaskId, TopicPartition
from streamframe.engine.positions import Bounds, ChangelogBounds, Committed
from streamframe.state.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time has passed: wall clock in microseconds."""

    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionsAssigned:
    """The group gave us these input partitions; nothing of them is delivered until ``ResumeInputs``."""

    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionsRevoked:
    """These partitions are to be given back. Barrier: still ours until the answer has been performed."""

    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionsLost:
    """These partitions already belong to somebody else: nothing may be written for them."""

    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsRead:
    """Records of one input partition arrived, in order."""

    batch: RecordBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class EndReached:
    """Nothing more to read now: the position is here, behind control records and aborted ones."""

    partition: TopicPartition
    position: Offset


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedFetched:
    """Answer to ``FetchCommitted``."""

    task: TaskId
    epoch: int
    committed: Mapping[TopicPartition, Committed]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedUndecided:
    """Answer to ``FetchCommitted``: somebody's open transaction holds the offsets; asked again after a while."""

    task: TaskId
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOpened:
    """Answer to ``OpenStore``."""

    task: TaskId
    epoch: int
    store: Store


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDamaged:
    """Answer to ``OpenStore`` or to a failed write or read: the local store cannot be trusted."""

    task: TaskId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBusy:
    """Answer to ``OpenStore``: held by another process or no space; asked again after a while."""

    task: TaskId
    epoch: int
    error: StoreUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangelogsFound:
    """Answer to ``FindChangelogs``."""

    task: TaskId
    epoch: int
    bounds: Mapping[TopicPartition, ChangelogBounds]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangelogRead:
    """A slice of a changelog; ``position`` is where the reader stands behind it (markers included)."""

    changelog: TopicPartition
    records: Sequence[tuple[bytes, bytes | None]]
    position: Offset


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreWritten:
    """Answer to a ``WriteStore`` that asked for one: changes up to ``position`` are in the local store."""

    task: TaskId
    epoch: int
    changelog: TopicPartition
    position: Offset


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSucceeded:
    """Answer to ``Commit``: it counts. ``ends``: next offset of each changelog partition written."""

    sequence: int
    ends: Mapping[TopicPartition, Offset]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFailed:
    """A produce or commit failed; the transaction must be aborted, then everything goes back."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerLost:
    """The producer is fenced, broken, or its last commit has an unknown outcome."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """Answer to ``Abort`` or ``RenewProducer``: no transaction is open, the producer is usable."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundsFetched:
    """Answer to ``FetchBounds`` (bounded runs)."""

    bounds: Mapping[TopicPartition, Bounds]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressFetched:
    """Answer to ``FetchProgress`` (bounded runs): what the whole group has committed."""

    committed: Mapping[TopicPartition, Committed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Answer to ``Deliver``: the user's function took the batch."""

    task: TaskId
    step: str
    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """Finish: commit what is done, give everything back, exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Something ended the work for good."""

    error: StreamFrameError


TaskAnswer = CommittedFetched | CommittedUndecided | ChangelogsFound | StoreOpened | StoreBusy | StoreWritten
"""Answers to the questions of one task."""

Event = (
    Tick
    | PartitionsAssigned
    | PartitionsRevoked
    | PartitionsLost
    | RecordsRead
    | EndReached
    | CommittedFetched
    | StoreOpened
    | StoreDamaged
    | StoreBusy
    | CommittedUndecided
    | ChangelogsFound
    | ChangelogRead
    | StoreWritten
    | CommitSucceeded
    | TransactionFailed
    | ProducerLost
    | RolledBack
    | BoundsFetched
    | ProgressFetched
    | Delivered
    | StopRequested
    | Failed
)
