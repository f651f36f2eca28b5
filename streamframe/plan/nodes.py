"""What a program means: a graph of frozen nodes.

    Source -> Filter/Assign/… -> Aggregate -> … -> Sink
                                    └─ Late

Every node knows its input nodes and the schema of the rows that leave it, so a plan can be read,
checked, drawn and compiled without running anything. Nodes compare by identity: using an
intermediate frame twice makes two edges from one node.

No pandas here and no I/O. User functions are carried along unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import pyarrow as pa

from streamframe.core.serde_spec import SerdeSpec

OnError = Literal["fail", "skip", "dead_letter"]
Emit = Literal["final", "changes"]
OffsetReset = Literal["earliest", "latest"]


class MetaColumn(Enum):
    """Kafka metadata of a row that a user may ask for as a column (``sf.meta.partition`` …)."""

    PARTITION = "partition"
    OFFSET = "offset"
    TIMESTAMP = "timestamp"
    HEADERS = "headers"
    KEY = "key"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """Anything in a plan.

    Attributes:
        name: Unique in the plan. Decides the names of stores and internal topics of stateful steps.
        generated: The name was derived from inputs and verb, not given by the user.
        schema: Columns of the rows that leave this node.
    """

    name: str
    schema: pa.Schema
    generated: bool = True

    @property
    def inputs(self) -> tuple[Node, ...]:
        """Nodes whose rows enter this one."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source(Node):
    """Records of a topic, decoded.

    Attributes:
        topic: Topic name; also the node's name.
        serde: How values are decoded.
        event_time: Column with the event time, or ``None`` for the record timestamp.
        key: Columns whose encoding (``serde.keys.encode_keys``) is the message key, so that equal
            values are in one partition; empty when nothing is promised.
        on_error: What to do with a record that cannot be decoded or has no event time; ``None``:
            ``dead_letter`` when the app has a dead-letter topic, else ``fail``.
        max_ahead: Rows further ahead of the wall clock than this many microseconds are errors.
        idle_timeout: A partition silent for this many microseconds no longer holds the watermark.
        offset_reset: Where to start without a committed offset.
    """

    topic: str
    serde: SerdeSpec
    event_time: str | None = None
    key: tuple[str, ...] = ()
    on_error: OnError | None = None
    max_ahead: int | None = None
    idle_timeout: int | None = None
    offset_reset: OffsetReset = "earliest"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step(Node):
    """A node with exactly one input.

    Attributes:
        input: The node before.
        uses: Columns of the input that this step itself reads, or ``None`` for all of them. The
            compiler prunes what nobody reads before it is decoded.
        on_error: What to do with a row that makes a user function raise; ``None`` as in ``Source``.
    """

    input: Node
    uses: frozenset[str] | None = None
    on_error: OnError | None = None

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.input,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filter(Step):
    """Keep the rows for which the predicate is true.

    ``predicate`` is a pandas query text or a function ``DataFrame -> boolean Series``;
    ``variables`` holds the values of ``@names`` of the text, captured when the step was declared.
    """

    predicate: str | Callable[..., Any]
    variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assign(Step):
    """Add or replace columns, in order: a function ``DataFrame -> Series``, a scalar or metadata."""

    assignments: tuple[tuple[str, Callable[..., Any] | MetaColumn | object], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Project(Step):
    """Choose and rename columns: select, drop and rename. ``columns``: (new name, old name) in order."""

    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cast(Step):
    """Change column types (``astype``); the target types are in ``schema``. ``columns``: those cast."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explode(Step):
    """One row per element of a list column; an empty or null list gives one row with null, as in pandas."""

    column: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapBatches(Step):
    """A user function ``DataFrame -> DataFrame`` of any length.

    When the result has a column named by ``event_time`` it is the new event time; otherwise rows keep
    the time of the row with the same index label (a RangeIndex of equal length: row by row).
    """

    function: Callable[..., Any]
    event_time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Union(Node):
    """Rows of all inputs; the inputs have equal schemas."""

    branches: tuple[Node, ...]

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.branches


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Tumbling (``every == size``) and hopping windows: ``[start, end)``, in microseconds.

    Windows start at ``offset + k * every``. All numbers are multiples of one millisecond.
    """

    size: int
    every: int
    grace: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """One output column of an aggregate.

    Attributes:
        output: Name of the output column.
        function: ``"sum"``, ``"count"``, … or ``"custom"``.
        inputs: Columns it reads; empty for ``size``.
        custom: The user's ``Aggregate`` when ``function == "custom"``.
        type: Arrow type of the output column.
    """

    output: str
    function: str
    inputs: tuple[str, ...]
    type: pa.DataType
    custom: CustomAggregate | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomAggregate:
    """A user's own aggregate, vectorised: it sees all groups of a batch at once.

    Attributes:
        columns: Input columns.
        init: State column -> initial value (``int``, ``float``, ``bool``, ``str`` or ``bytes``).
        update: ``(state, batch) -> state``. ``state`` has one row per group of the batch (RangeIndex),
            ``batch`` the rows with their columns and ``group``: the row of ``state`` it belongs to.
        finish: ``state -> Series``: the output value of each group.
        merge: ``(left, right) -> state``: combines two states row by row, or ``None`` when states
            cannot be combined (then rows are repartitioned one by one and hopping windows overlap).
        type: Arrow type of the result, or ``None`` to take it from the dry run.
    """

    columns: tuple[str, ...]
    init: Mapping[str, int | float | bool | str | bytes]
    update: Callable[..., Any]
    finish: Callable[..., Any]
    merge: Callable[..., Any] | None = None
    type: pa.DataType | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aggregate(Step):
    """Group by ``keys`` (and window), aggregate, emit.

    Output columns: the keys, ``window_start`` and ``window_end`` (``timestamp[ms]``) when windowed,
    then one column per aggregation. ``window is None``: a table, which can only emit changes.
    Rows with a null key are dropped unless ``keep_null_keys`` (pandas: ``dropna=False``).
    """

    keys: tuple[str, ...]
    window: Window | None
    aggregations: tuple[Aggregation, ...]
    emit: Emit
    keep_null_keys: bool = False

    @property
    def windowed(self) -> bool:
        """Whether results belong to windows."""
        return self.window is not None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Late(Node):
    """Rows that were late for a window of ``aggregate``.

    Columns: those of the aggregate's input, then ``window_start`` and ``window_end``
    (``timestamp[ms]``) of the closed window and ``late_by`` (``duration[us]``): how far the row's own
    partition had advanced beyond the row's event time. One row per missed window.
    """

    aggregate: Aggregate

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.aggregate,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TopicSink(Step):
    """Write rows to a topic.

    ``key``: columns that make the record key (``serde.keys``). Empty: for rows of an aggregate its keys
    (and ``window_start`` when it emits changes of windows, so that a compacted topic keeps one record
    per key and window), for other rows the key of the record they came from.
    """

    topic: str
    serde: SerdeSpec
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchSink(Step):
    """Call ``function(frame, batch_id)`` for the rows of each commit; a retry has the same id and rows."""

    function: Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrintSink(Step):
    """Print rows after the commit that made them count."""

    limit: int = 20
    prefix: str = ""


Sink = TopicSink | BatchSink | PrintSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole program.

    Attributes:
        application: Application id: consumer group and prefix of internal topics.
        sinks: The sinks, in the order in which they were declared.
        dead_letters: Topic of records set aside, or ``None``.
    """

    application: str
    sinks: tuple[Sink, ...]
    dead_letters: str | None = None
