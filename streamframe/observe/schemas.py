"""The form of every document below ``/api/``, as types: what a client may rely on.

``docs/http-api.md`` is made from them (``schema_page``), and the answers of a running program are held against them by
a test. A field may be added; one that is here stays, with its meaning.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", description="RFC 3339, UTC")]


class Form(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """All of them: exactly these fields."""


class WorkerRow(Form):
    """A worker."""

    worker: Annotated[int, Meta(description="Its slot, counted from 0.")]
    name: Annotated[str, Meta(description="Its name in the group and in transactional ids.")]
    state: Annotated[str, Meta(description="starting, restoring, rebalancing, running, draining, stopped or failed.")]
    address: Annotated[str, Meta(description="`host:port` of its own page; empty: none.")]
    tasks: Annotated[int, Meta(description="Tasks that it has.")]
    commits: Annotated[int, Meta(description="Commits in this life.")]
    rollbacks: Annotated[int, Meta(description="Transactions that were lost or aborted in this life.")]
    last_commit: Annotated[Moment | None, Meta(description="When the last commit succeeded.")]
    last_progress: Annotated[Moment | None, Meta(description="When its loop last took a turn.")]


class Status(Form):
    """The whole at a glance."""

    application: Annotated[str, Meta(description="Name of the application: its consumer group.")]
    version: Annotated[str, Meta(description="Of StreamFrame.")]
    guarantee: Annotated[str, Meta(description="exactly_once or at_least_once.")]
    state: Annotated[str, Meta(description="That of the worker that is furthest from running.")]
    verdict: Annotated[str, Meta(description="One word: does it keep up?")]
    verdict_text: Annotated[str, Meta(description="The same in a sentence, with the reason.")]
    time: Annotated[Moment, Meta(description="Of this answer, by the clock of the server.")]
    workers_wanted: Annotated[int, Meta(description="Workers that should run.")]
    restarts: Annotated[int, Meta(description="Workers that were started again.")]
    rows_in: Annotated[int, Meta(description="Records read by the workers that live.")]
    rows_out: Annotated[int, Meta(description="Rows written, delivered or printed by them.")]
    rows_late: Annotated[int, Meta(description="Rows too late for every window.")]
    dead_letters: Annotated[int, Meta(description="Records set aside.")]
    lag_records: Annotated[int, Meta(description="Offsets behind, all partitions; the unknown ones left out.")]
    lag_seconds: Annotated[float, Meta(description="Of the partition that is furthest behind.")]
    workers: Annotated[list[WorkerRow], Meta(description="A row per worker.")]


class TaskRow(Form):
    """A task."""

    task: Annotated[str, Meta(description="`<sub-topology>_<partition>`.")]
    worker: int
    state: Annotated[str, Meta(description="created, fetching, restoring, running or closed.")]
    watermark: Annotated[Moment | None, Meta(description="Event time up to which its windows are closed, less grace.")]
    state_bytes: Annotated[int, Meta(description="Memory of its tables, about.")]
    restored: Annotated[int, Meta(description="Offsets of its changelogs that were read.")]
    restore_total: Annotated[int, Meta(description="Offsets of its changelogs to be read.")]


class Tasks(Form):
    """A row per task."""

    tasks: list[TaskRow]


class PartitionRow(Form):
    """An input partition."""

    worker: int
    topic: str
    partition: int
    task: str
    running: Annotated[bool, Meta(description="Whether its task processes; no: it restores.")]
    position: Annotated[int, Meta(description="Next offset to be processed; negative: a rule, nothing was read yet.")]
    committed: Annotated[int | None, Meta(description="Next offset of the last commit.")]
    lag: Annotated[int | None, Meta(description="Offsets up to the last stable one; `null`: not known yet.")]
    lag_seconds: Annotated[
        float | None, Meta(description="Age of the record processed last, 0 when there is no more to read.")
    ]
    stream_time: Annotated[Moment | None, Meta(description="Highest event time seen.")]
    watermark: Moment | None


class Partitions(Form):
    """A row per input partition, the one that is furthest behind first."""

    partitions: list[PartitionRow]


class TopicLag(Form):
    """An input topic."""

    topic: str
    partitions: Annotated[int, Meta(description="Those that are assigned.")]
    unknown: Annotated[int, Meta(description="Those of which the end is not known yet.")]
    lag: Annotated[int, Meta(description="Offsets behind, together.")]
    lag_seconds: Annotated[float, Meta(description="Of the partition that is furthest behind.")]


class Lag(Form):
    """A row per input topic."""

    topics: list[TopicLag]


class StoreRow(Form):
    """A store of a task."""

    store: str
    partition: int
    worker: int
    memory_bytes: Annotated[int, Meta(description="Memory of its tables, about.")]
    restoring: bool
    remaining: Annotated[int | None, Meta(description="Offsets of the changelog still to be read, while restoring.")]


class Stores(Form):
    """A row per store and task, and the local databases together."""

    stores: list[StoreRow]
    disk_bytes: int
    disk_entries: Annotated[int, Meta(description="As RocksDB estimates them.")]
    disk_pending_bytes: Annotated[int, Meta(description="Still to be compacted.")]
    disk_errors: Annotated[int, Meta(description="Errors in the background.")]


class CommitRow(Form):
    """A commit."""

    at: Moment
    worker: int
    records: Annotated[int, Meta(description="Input records that it made count.")]
    batches: Annotated[int, Meta(description="Batches that it made count.")]
    process_seconds: float
    seal_seconds: Annotated[float, Meta(description="Closing windows, encoding changes.")]
    commit_seconds: Annotated[float, Meta(description="At the broker.")]
    stall_seconds: Annotated[float, Meta(description="From the decision until the loop went on.")]


class Batches(Form):
    """The latest commits of all workers, the newest first."""

    commits: list[CommitRow]


class PointRow(Form):
    """A few seconds of all workers together."""

    at: Moment
    records_in_per_second: float
    records_out_per_second: float
    lag_records: int | None
    latency_p50_seconds: Annotated[float | None, Meta(description="`null`: no record was committed.")]
    latency_p99_seconds: float | None


class HistoryOf(Form):
    """The last ten minutes, the oldest point first."""

    point_seconds: Annotated[int, Meta(description="One point stands for so long.")]
    points: list[PointRow]


class OperatorRow(Form):
    """A step."""

    operator: str
    busy_share: Annotated[float, Meta(description="Its share of the workers' time lately, 0 to 1.")]
    seconds: Annotated[float, Meta(description="Its time in the life of the workers.")]
    rows: Annotated[dict[str, int], Meta(description="What became of rows: in, out, filtered, late, …")]
    rows_per_second: Annotated[dict[str, float], Meta(description="The same, lately.")]


class Operators(Form):
    """A row per step, the busiest first."""

    operators: list[OperatorRow]


class PhaseRow(Form):
    """A part of the loop."""

    phase: str
    seconds: Annotated[float, Meta(description="Lately.")]
    share: Annotated[float, Meta(description="0 to 1.")]


class Loop(Form):
    """Where the time of the workers goes lately."""

    phases: list[PhaseRow]


class RemarkRow(Form):
    """A warning or an error."""

    at: Moment
    worker: Annotated[int | None, Meta(description="`null`: the supervisor's.")]
    level: str
    text: str
    facts: Annotated[dict[str, Any], Meta(description="Names and values; texts, all of them.")]


class LetterRow(Form):
    """Where a record came from that was set aside. Nothing of its content is shown."""

    at: Moment
    worker: int
    step: str
    topic: str
    partition: Annotated[int | None, Meta(description="`null`: the row was made by a step.")]
    offset: int | None
    error: Annotated[str, Meta(description="One word.")]


class Errors(Form):
    """The latest warnings and errors, and the latest dead letters."""

    errors: list[RemarkRow]
    dead_letters: list[LetterRow]


class ProgramMetric(Form):
    """A value of a metric that the program made."""

    metric: str
    type: Annotated[str, Meta(description="counter, gauge or histogram.")]
    labels: dict[str, str]
    worker: int
    value: Annotated[float | None, Meta(description="Of a counter or gauge.")]
    count: Annotated[int | None, Meta(description="Of a histogram: observations.")]
    sum: float | None


class ProgramMetrics(Form):
    """The program's own metrics."""

    metrics: list[ProgramMetric]


class AnsweringWorker(Form):
    """How old what a worker has is."""

    worker: int
    partitions: Annotated[list[int], Meta(description="Those that were looked into.")]
    restoring: Annotated[list[int], Meta(description="Those that cannot be looked into yet.")]
    committed_at: Annotated[float | None, Meta(description="Seconds since the epoch of the commit that is shown.")]
    age_seconds: Annotated[float | None, Meta(description="How long ago that was: the staleness of the answer.")]
    more: Annotated[bool, Meta(description="There are more than a thousand rows; the rest is left out.")]


class Rows(Form):
    """Rows of a store by key, from committed state, asked of all workers."""

    store: str
    key: Annotated[dict[str, str], Meta(description="Values of the key columns, as they were asked for.")]
    rows: Annotated[list[dict[str, Any]], Meta(description="Key, window and results; one row per window.")]
    workers: list[AnsweringWorker]
    unanswered: Annotated[list[int], Meta(description="Workers that could not answer: rows may be missing.")]


class RowsOfWorker(Form):
    """The same, asked of one worker."""

    store: str
    key: dict[str, str]
    rows: list[dict[str, Any]]
    more: bool
    partitions: list[int]
    restoring: list[int]
    committed_at: float | None
    age_seconds: float | None


class Refusal(Form, kw_only=True, forbid_unknown_fields=False):
    """What is answered with 400, 401, 404 and 503; further fields are the facts of the error."""

    error: str
    hint: str | None = None


SCHEMAS: Final[dict[str, type[Form]]] = {
    "status": Status,
    "tasks": Tasks,
    "partitions": Partitions,
    "lag": Lag,
    "stores": Stores,
    "batches": Batches,
    "history": HistoryOf,
    "operators": Operators,
    "loop": Loop,
    "errors": Errors,
    "program_metrics": ProgramMetrics,
}
"""Documents by name; ``plan`` is the output of ``streamframe describe --format json``."""


def valid(name: str, answer: object) -> None:
    """Hold an answer against its form.

    Raises:
        msgspec.ValidationError: A field is missing, unknown or of another type.
    """
    msgspec.convert(answer, SCHEMAS[name], strict=True)


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a document."""
    schema: dict[str, Any] = msgspec.json.schema(SCHEMAS[name])
    return schema
