"""What must be done: the engine's output.

Commands are performed in the order given, each completely before the next. When one fails, the rest of
the list is dropped and the failure is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamframe.core.batch import OutputBatch
from streamframe.core.errors import StreamFrameError
from streamframe.core.ids import Offset, TaskId, TopicPartition
from streamframe.engine.positions import CommitRequest
from streamframe.operators.program import Delivery
from streamframe.state.store import Changes, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseInputs:
    """Deliver nothing of these partitions until they are resumed."""

    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeInputs:
    """Deliver these partitions from the given offsets. Before: the task is restored completely."""

    positions: Mapping[TopicPartition, Offset]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchCommitted:
    """Ask for the committed offsets of a task's inputs. The first question of every restore.

    There is no answer before a dead owner's transaction that holds offsets is decided, so whatever that owner has
    committed is in the changelog once it arrives. Answer: ``CommittedFetched``, or ``CommittedUndecided`` after
    ``wait`` microseconds: the other tasks of the worker stand still meanwhile.
    """

    task: TaskId
    epoch: int
    partitions: tuple[TopicPartition, ...]
    wait: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStore:
    """Open the local store of a task. Answer: ``StoreOpened``, ``StoreDamaged`` or ``StoreBusy``."""

    task: TaskId
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStore:
    """Flush and release the store of a task. Nothing of the task is used afterwards."""

    task: TaskId
    store: Store


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeStore:
    """Remove the (closed) local store of a task. The changelog holds all of it."""

    task: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class FindChangelogs:
    """Ask for identity and bounds of changelog partitions. Answer: ``ChangelogsFound``.

    Before: ``CommittedFetched`` was answered, so the end covers everything that the committed offsets depend on.
    """

    task: TaskId
    epoch: int
    changelogs: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChangelog:
    """Start reading a changelog partition at ``offset``. Answers: ``ChangelogRead``, many."""

    changelog: TopicPartition
    offset: Offset


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChangelog:
    """Stop reading a changelog partition."""

    changelog: TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStore:
    """Apply changes to the local store, in one batch. Before: they count (committed or read back).

    Answer: ``StoreWritten`` when ``answer`` is given, ``StoreDamaged`` on failure.
    """

    task: TaskId
    store: Store
    changes: Changes
    answer: tuple[int, TopicPartition, Offset] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Produce:
    """Hand output records to the producer; a transaction begins when none is open."""

    batch: OutputBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Make inputs, outputs and changes count together.

    Before: all outputs of the processed batches were produced. After ``CommitSucceeded`` and not
    earlier, the same changes are written to the local stores.
    """

    sequence: int
    request: CommitRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Abort the open transaction. Answer: ``RolledBack`` or ``ProducerLost``."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewProducer:
    """Replace the producer by a new one of the same identity. Answer: ``RolledBack``."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Delete repartition records before these offsets. Before: the commit that consumed them counts."""

    before: Mapping[TopicPartition, Offset]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Call the user's function with a batch. Before: the commit that made it counts."""

    task: TaskId
    delivery: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """Print rows of a ``print`` step. Before: the commit that made them counts."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchBounds:
    """Ask for the bounds of input partitions (bounded runs). Answer: ``BoundsFetched``.

    ``appended``: the end is the log end, undecided transactions included, instead of the last stable offset.
    """

    partitions: tuple[TopicPartition, ...]
    appended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchProgress:
    """Ask what the whole group has committed (bounded runs). Answer: ``ProgressFetched``."""

    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Write one line to the log."""

    level: str
    text: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The work is done: wait until everything is visible, leave the group, end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The work cannot go on: abort what is open, leave the group, raise the error."""

    error: StreamFrameError


Command = (
    PauseInputs
    | ResumeInputs
    | FetchCommitted
    | OpenStore
    | CloseStore
    | WipeStore
    | FindChangelogs
    | ReadChangelog
    | StopChangelog
    | WriteStore
    | Produce
    | Commit
    | Abort
    | RenewProducer
    | Purge
    | Deliver
    | Show
    | FetchBounds
    | FetchProgress
    | Notice
    | Exit
    | Fail
)

Commands = Sequence[Command]
