"""What a worker looks like from outside: plain numbers, taken about once a second.

Snapshots cross process borders (worker to supervisor), so they hold only numbers, text and tuples. Nothing in them
changes once they were taken: whoever serves a page reads the last one and disturbs nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamframe.core.metric_values import HistogramSnapshot, UserMetricSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """One task.

    Attributes:
        task: ``0_3``.
        state: Name of its ``TaskState``.
        watermark: Event time in microseconds up to which its windows are closed, less grace.
        state_bytes: Memory of its tables.
        restored: Changelog offsets restored so far.
        restore_total: Changelog offsets to restore.
        counts: Rows by what became of them, since the start of the worker.
    """

    task: str
    state: str
    watermark: int = 0
    state_bytes: int = 0
    restored: int = 0
    restore_total: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSnapshot:
    """One input partition.

    Attributes:
        topic: Its topic.
        partition: Its number.
        task: The task that reads it.
        running: Whether that task processes.
        position: The next offset to process; ``None`` while it is not known.
        committed: The next offset that counts; ``None`` when nothing was committed.
        lag: Offsets between the end and the position; ``None`` while it is not known.
        record_time: Kafka timestamp of the record processed last, microseconds; ``None`` before the first.
        stream_time: Highest event time seen, microseconds; ``None`` before the first.
    """

    topic: str
    partition: int
    task: str
    running: bool = False
    position: int | None = None
    committed: int | None = None
    lag: int | None = None
    record_time: int | None = None
    stream_time: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSnapshot:
    """One store of one task.

    Attributes:
        store: Its name.
        partition: The number of the task's partitions, and of the changelog's.
        memory_bytes: Memory of its tables.
        remaining: Changelog offsets still to be read; ``None`` when it is not being restored.
    """

    store: str
    partition: int
    memory_bytes: int = 0
    remaining: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSnapshot:
    """The local databases of a worker, as RocksDB tells.

    Attributes:
        size: Bytes of files and write buffers.
        entries: Entries, an estimate.
        memtables: Bytes of write buffers.
        pending: Bytes that are still to be compacted.
        errors: Errors in the background.
    """

    size: int = 0
    entries: int = 0
    memtables: int = 0
    pending: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSnapshot:
    """One Kafka client, by its own statistics; ``None``: it does not say.

    Attributes:
        client: ``consumer``, ``restore`` or ``producer``.
        rtt_seconds: Mean time from request to answer.
        fetch_queue_bytes: Fetched and not taken yet.
        queue_records: Handed over and not acknowledged yet.
    """

    client: str
    rtt_seconds: float | None = None
    fetch_queue_bytes: int | None = None
    queue_records: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSnapshot:
    """One commit and the work since the one before it; durations in microseconds.

    Attributes:
        at: When it succeeded, microseconds.
        records: Records processed.
        batches: In so many batches.
        processing: Time in the program.
        sealing: Time to close windows and encode changes.
        committing: Time at the broker.
        stalled: From the decision to commit until the loop went on: sealing, handing over results, the broker, the
            local stores. For so long nothing was read or processed.
    """

    at: int
    records: int
    batches: int
    processing: int
    sealing: int
    committing: int
    stalled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterSnapshot:
    """Where a record is that was set aside, and why. Nothing of its content: that may be confidential.

    Attributes:
        at: When, microseconds.
        step: The step that could not use it.
        topic: Its topic.
        partition: Its partition.
        offset: Its offset.
        error: A short word for the reason.
    """

    at: int
    step: str
    topic: str
    partition: str
    offset: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the driver measured since the start of the worker; durations in microseconds.

    Attributes:
        loop: Time by phase.
        consumed: Records and bytes of values processed, by topic.
        produced: Records and bytes of values written, by topic.
        changelog: Records written to changelogs, by topic.
        rebalances: Changes of the assignment, by kind.
        notices: Lines of the log, by level.
        histograms: By metric and, behind a colon, the value of its label.
        commits: The latest commits.
        dead_letters: The latest dead letters.
        progress_at: When the loop last took a turn.
        commit_at: When the last commit succeeded; 0 before the first.
    """

    loop: Mapping[str, int] = field(default_factory=dict)
    consumed: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    produced: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    changelog: Mapping[str, int] = field(default_factory=dict)
    rebalances: Mapping[str, int] = field(default_factory=dict)
    notices: Mapping[str, int] = field(default_factory=dict)
    histograms: Mapping[str, HistogramSnapshot] = field(default_factory=dict)
    commits: tuple[CommitSnapshot, ...] = ()
    dead_letters: tuple[DeadLetterSnapshot, ...] = ()
    progress_at: int = 0
    commit_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One worker.

    Attributes:
        worker: Its name.
        now: Wall clock, microseconds.
        tasks: Its tasks.
        counts: Sum over all tasks it ever had, since its start.
        commits: Successful commits.
        rollbacks: Transactions that were aborted or lost.
        commit_micros: Duration of the last commit, microseconds.
        lag: Records not yet read, per input partition (``topic[partition]``).
        finished: A bounded run has reached its end.
        state: One of ``metric_catalogue.WORKER_STATES``.
        partitions: Its input partitions.
        stores: The stores of its tasks.
        operators: Microseconds spent in each step.
        restored: Changelog records restored, by store.
        disk: The local databases; ``None`` while they are not known.
        measured: What the driver measured.
        user: The program's own metrics.
        clients: The Kafka clients, with ``telemetry.metrics = "debug"``.
        address: ``host:port`` where it serves its page; empty when it serves none.
    """

    worker: str
    now: int
    tasks: tuple[TaskSnapshot, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    commits: int = 0
    rollbacks: int = 0
    commit_micros: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)
    finished: bool = False
    state: str = "starting"
    partitions: tuple[PartitionSnapshot, ...] = ()
    stores: tuple[StoreSnapshot, ...] = ()
    operators: Mapping[str, int] = field(default_factory=dict)
    restored: Mapping[str, int] = field(default_factory=dict)
    disk: DiskSnapshot | None = None
    measured: Measured = field(default_factory=Measured)
    user: tuple[UserMetricSnapshot, ...] = ()
    clients: tuple[ClientSnapshot, ...] = ()
    address: str = ""
