"""Every metric that a process exposes: name, type, labels, unit, meaning. Pure description, no measuring.

Whatever is exposed is looked up here, ``streamframe metrics list`` and ``docs/metrics.md`` are printed from here, and
the tests of dashboards and alert rules ask here whether a metric exists with these labels.

Rules:
    1. Base units, named at the end: ``_seconds``, ``_bytes``, ``_records``. Moments are ``_timestamp_seconds``.
    2. Labels are bounded by what the program names: topics, steps, stores, partitions, words of a closed list.
       Never a key, a window, an offset, an error text.
    3. What is not known is left out; there are no -1.
    4. Every metric of a worker carries ``application``; the worker itself is the ``instance`` of the scrape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]
Level = Literal["info", "debug"]
Process = Literal["worker", "supervisor"]

PREFIX: Final = "streamframe_"
APPLICATION: Final = "application"

LATENCY_EDGES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Upper bounds of the buckets of latencies, seconds; the limits of the alert rules are among them."""

DURATION_EDGES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations, seconds."""

LONG_EDGES: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Upper bounds of the buckets of restores and rebalances, seconds."""

SIZE_EDGES: Final = (1.0, 10.0, 100.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 50000.0)
"""Upper bounds of the buckets of batch sizes, records."""

WORKER_STATES: Final = ("starting", "restoring", "rebalancing", "running", "draining", "stopped", "failed")
"""What a worker can be doing; ``failed`` and ``stopped`` are seen in its last snapshot only."""

PHASES: Final = ("poll", "process", "seal", "produce", "commit", "state", "restore", "idle", "other")
"""Where the loop of a worker spends its time; each moment belongs to exactly one phase."""

REBALANCES: Final = ("assigned", "revoked", "lost")
TRANSACTIONS: Final = ("committed", "rolled_back")
LEVELS: Final = ("warning", "error")
DROP_REASONS: Final = ("null_value", "skipped", "null_key", "outside", "late")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: Full name; that of a counter ends in ``_total``.
        kind: Its type.
        meaning: One or more sentences for people: what is counted, and what that means.
        labels: Labels, ``application`` first where there is one.
        edges: Upper bounds of the buckets of a histogram.
        process: Who exposes it.
        level: ``info``: always; ``debug``: only with ``telemetry.metrics = "debug"``.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...]
    edges: tuple[float, ...] = ()
    process: Process = "worker"
    level: Level = "info"

    @property
    def series(self) -> tuple[str, ...]:
        """Names of its time series: a histogram has three."""
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        return (self.name,)


def _counter(name: str, meaning: str, *labels: str) -> MetricSpec:
    return MetricSpec(name=f"{PREFIX}{name}_total", kind="counter", meaning=meaning, labels=(APPLICATION, *labels))


def _gauge(name: str, meaning: str, *labels: str, level: Level = "info") -> MetricSpec:
    return MetricSpec(name=f"{PREFIX}{name}", kind="gauge", meaning=meaning, labels=(APPLICATION, *labels), level=level)


def _histogram(name: str, meaning: str, edges: tuple[float, ...], *labels: str) -> MetricSpec:
    return MetricSpec(
        name=f"{PREFIX}{name}", kind="histogram", meaning=meaning, labels=(APPLICATION, *labels), edges=edges
    )


def _supervisor(name: str, kind: Kind, meaning: str) -> MetricSpec:
    return MetricSpec(name=f"{PREFIX}{name}", kind=kind, meaning=meaning, labels=(APPLICATION,), process="supervisor")


METRICS: Final = (
    # -- who, and how it is --------------------------------------------------------------------------
    _gauge("build_info", "Always 1; the labels say which version runs.", "version", "python", "librdkafka"),
    _gauge(
        "topology_info",
        "Always 1; the label is the fingerprint of the stored state. Two at once: a roll-out, or a mistake.",
        "fingerprint",
    ),
    _gauge("worker_state", "1 for the present state of the worker, 0 for the others.", "state"),
    _gauge("tasks", "Tasks of the worker by the state they are in.", "state"),
    _gauge(
        "last_progress_timestamp_seconds",
        "When the loop last took a turn, with or without records: being idle is progress, and so is restoring.",
    ),
    _counter(
        "loop_seconds",
        "Where the time goes; the rates of all phases of a worker add up to 1. poll: taking records from the client. "
        "process: decoding and the program. seal: closing windows, encoding changes. produce, commit: the broker. "
        "state: the local store. restore: reading changelogs. idle: waiting for records.",
        "phase",
    ),
    _counter("notices", "Lines of the log of this level, repeats included.", "level"),
    # -- in ------------------------------------------------------------------------------------------
    _counter("records_consumed", "Records read and processed, those read again after a rollback included.", "topic"),
    _counter("bytes_consumed", "Bytes of the values of these records, by a sample of at most 32 per batch.", "topic"),
    _gauge(
        "consumer_lag_records",
        "Offsets between the end of the partition and the position of the worker, control records included. 0 at "
        "the end of a topic, also of one written in transactions.",
        "topic",
        "partition",
    ),
    _gauge(
        "consumer_lag_seconds",
        "0 when there is nothing more to read, else the age of the record that was processed last, by its Kafka "
        "timestamp. Large during a replay of old records, and rightly so.",
        "topic",
        "partition",
    ),
    _gauge("assigned_partitions", "Input partitions that the worker owns.", "topic"),
    _gauge("paused_partitions", "Those among them whose task does not process: it is assigned or restored.", "topic"),
    _counter("rebalances", "Changes of the assignment.", "kind"),
    _histogram(
        "rebalance_duration_seconds",
        "From a change of the assignment until every task of the worker processes, restoring included.",
        LONG_EDGES,
    ),
    # -- work ----------------------------------------------------------------------------------------
    _histogram("batch_size_records", "Records of one partition that were processed at once.", SIZE_EDGES),
    _histogram("batch_duration_seconds", "Processing one batch: decoding and the program.", DURATION_EDGES),
    _histogram(
        "end_to_end_latency_seconds",
        "From the Kafka timestamp of a record to the commit that made it count. Each record is counted once, by a "
        "sample of at most 32 per batch. Waiting for a window to close is not part of it.",
        LATENCY_EDGES,
        "topic",
    ),
    _counter("operator_seconds", "Time spent in a step: the rate is its share of the worker.", "operator"),
    _counter("rows_in", "Records that a source has read.", "operator"),
    _counter("rows_filtered", "Rows for which a predicate was not true.", "operator"),
    _counter("rows_aggregated", "Rows folded into a window or table.", "operator"),
    _counter("rows_emitted", "Results that left an aggregate.", "operator"),
    _counter("rows_out", "Rows written, delivered or printed by a sink.", "operator"),
    _counter(
        "rows_dropped",
        "Rows that are in no result: no value, unusable and skipped by policy, a null among the group keys, between "
        "two windows, too late for every window.",
        "operator",
        "reason",
    ),
    _counter("rows_late_partly", "Rows that were late for some of their windows; they were aggregated.", "operator"),
    _counter("dead_letters", "Rows written to the dead-letter topic.", "operator"),
    _gauge("rows_added", "Rows that left explode or map_batches less rows that entered.", "operator"),
    _counter("windows_closed", "Windows closed for good.", "operator"),
    _counter("windows_missed", "Pairs of a row and a window that was closed for it.", "operator"),
    _counter("partials_merged", "Partial aggregates received and merged.", "operator"),
    _counter("partials_dropped", "Partial aggregates received and not merged.", "operator"),
    _histogram(
        "emit_delay_seconds",
        "From the end of a window to handing one of its results to the producer; each result is counted once. Grace is "
        "part of it, and so is waiting for later records, which move the time of the stream.",
        LATENCY_EDGES,
        "operator",
    ),
    _gauge(
        "stream_time_timestamp_seconds",
        "Highest event time seen in a partition.",
        "topic",
        "partition",
    ),
    _gauge(
        "watermark_timestamp_seconds",
        "Event time up to which windows are closed, less grace: the minimum over the tasks of the worker.",
        "sub_topology",
    ),
    # -- out -----------------------------------------------------------------------------------------
    _counter("records_produced", "Records written, those of aborted transactions included.", "topic"),
    _counter("bytes_produced", "Bytes of the values of these records.", "topic"),
    _counter("transactions", "Commits, and transactions that were aborted or lost.", "outcome"),
    _histogram("seal_duration_seconds", "Closing windows and encoding changes for one commit.", DURATION_EDGES),
    _histogram(
        "commit_duration_seconds",
        "One commit at the broker: changelog, flush, offsets, transaction. Producing happens before.",
        DURATION_EDGES,
    ),
    _histogram(
        "commit_stall_seconds",
        "From the decision to commit until the loop goes on: sealing, producing, the broker, the local stores. "
        "Meanwhile nothing is read or processed.",
        DURATION_EDGES,
    ),
    _gauge("last_commit_timestamp_seconds", "When the last commit succeeded."),
    # -- the client ----------------------------------------------------------------------------------
    _gauge(
        "client_broker_rtt_seconds",
        "Mean time between a request of the client and its answer, over its brokers and the last five seconds.",
        "client",
        level="debug",
    ),
    _gauge(
        "client_fetch_queue_bytes",
        "Records that the consumer has fetched and nobody has taken yet.",
        "client",
        level="debug",
    ),
    _gauge(
        "client_producer_queue_records",
        "Records that were handed to the producer and are not acknowledged yet.",
        "client",
        level="debug",
    ),
    # -- state ---------------------------------------------------------------------------------------
    _gauge("state_memory_bytes", "Memory of the tables of a store, all tasks of the worker, about.", "store"),
    _gauge("state_disk_bytes", "Files and write buffers of the local databases, all tasks of the worker."),
    _gauge("state_memtable_bytes", "Write buffers of the local databases, all tasks of the worker."),
    _gauge(
        "state_pending_compaction_bytes", "Bytes that RocksDB has still to rewrite; writes slow down when it grows."
    ),
    _gauge("state_background_errors", "Errors of RocksDB in the background: above 0, the disk is full or broken."),
    _gauge("state_disk_entries", "Entries of the local databases, as RocksDB estimates them."),
    _counter("changelog_records", "Records written to the changelog of a store.", "store"),
    _gauge(
        "restore_remaining_records",
        "Offsets of the changelog still to be read, control records included; only while restoring.",
        "store",
        "partition",
    ),
    _counter("restore_records", "Records read from the changelog of a store and written to the local one.", "store"),
    _histogram("restore_duration_seconds", "From the first task that restores until none does.", LONG_EDGES),
    # -- the supervisor ------------------------------------------------------------------------------
    _supervisor("supervisor_workers", "gauge", "Worker processes that should run."),
    _supervisor("supervisor_workers_alive", "gauge", "Worker processes that have sent a sign of life."),
    _supervisor("supervisor_restarts_total", "counter", "Worker processes that were started again."),
)
"""All metrics, in the order of the documentation."""

METRIC_BY_NAME: Final[Mapping[str, MetricSpec]] = {metric.name: metric for metric in METRICS}


def labels_of_series(name: str) -> tuple[str, ...] | None:
    """Return the labels of a time series, ``le`` included, or ``None`` when no metric has it.

    Example:
        >>> labels_of_series("streamframe_commit_duration_seconds_bucket")
        ('application', 'le')
    """
    for metric in METRICS:
        if name in metric.series:
            return (*metric.labels, "le") if name.endswith("_bucket") else metric.labels
    return None


def markdown_table() -> str:
    """Return the table of ``docs/metrics.md``."""
    lines = ["| name | type | labels | level | meaning |", "| --- | --- | --- | --- | --- |"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.level} | {metric.meaning} |")
    return "\n".join(lines)
