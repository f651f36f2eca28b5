"""A cluster that fits on a page: every task of a topology as a program, logs and stores as Python lists and dicts.

What a task produced counts when it commits: outputs, changes of its stores and input offsets together. A crash throws
away what was not committed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from streamframe.core.batch import ListBatch, OutputBatch
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.metrics import split_counter
from streamframe.core.schema import normalise_schema
from streamframe.core.serde_spec import SerdeSpec
from streamframe.operators.program import Program, TaskContext
from streamframe.operators.sealed import Delivery
from streamframe.plan.compile import compile_plan
from streamframe.plan.nodes import Aggregate, Aggregation, Emit, Node, Plan, Sink, Source, TopicSink, Window
from streamframe.plan.topology import Topology
from streamframe.state.memory import MemoryStore

JSON = SerdeSpec("json")


@dataclass
class LogRecord:
    value: bytes | None
    key: bytes | None = None
    timestamp: int = -1
    headers: Sequence[tuple[str, bytes | None]] = ()

    @property
    def row(self) -> dict[str, Any]:
        assert self.value is not None
        return json.loads(self.value)


@dataclass
class Task:
    program: Program
    stores: dict[str, MemoryStore]
    positions: dict[TopicPartition, int]
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    metadata: dict[TopicPartition, str] = field(default_factory=dict)
    pending: list[OutputBatch] = field(default_factory=list)


class Cluster:
    """All tasks of a topology.

    Args:
        topology: What runs.
        partitions: Number of partitions of every input topic.
        repartitions: Number of partitions of every repartition topic.
    """

    def __init__(
        self,
        topology: Topology,
        partitions: int | Mapping[str, int] = 1,
        repartitions: int = 2,
        **context: Any,
    ) -> None:
        self.topology = topology
        self.budget = 1 << 40
        self.now = 0
        self._context = context
        self.counts: Counter[str] = Counter()
        self.deliveries: list[Delivery] = []
        self.prints: list[str] = []
        self.logs: dict[TopicPartition, list[LogRecord]] = {}
        self.outputs: dict[str, list[LogRecord]] = {}
        self.partitions = {
            source.topic: partitions if isinstance(partitions, int) else partitions[source.topic]
            for source in topology.sources
        }
        self.partitions |= {each.topic: repartitions for each in topology.repartitions}
        for topic, count in self.partitions.items():
            self.logs |= {TopicPartition(topic, number): [] for number in range(count)}
        self.task_counts = {
            sub.id: max(self.partitions[topic] for topic in sub.topics) for sub in topology.sub_topologies
        }
        self.tasks: dict[TaskId, Task] = {}
        for sub in topology.sub_topologies:
            for number in range(self.task_counts[sub.id]):
                task_id = TaskId(sub.id, number)
                inputs = [TopicPartition(t, number) for t in sub.topics if number < self.partitions[t]]
                stores = {store.name: MemoryStore() for store in sub.stores}
                program = self._program(task_id, stores, {})
                self.tasks[task_id] = Task(program, stores, dict.fromkeys(inputs, 0), dict.fromkeys(inputs, 0))

    def _program(
        self, task_id: TaskId, stores: Mapping[str, MemoryStore], metadata: Mapping[TopicPartition, str]
    ) -> Program:
        context = TaskContext(
            topology=self.topology,
            sub_topology=self.topology.sub_topologies[task_id.sub_topology],
            partition=task_id.partition,
            partition_counts=self.partitions,
            task_counts=self.task_counts,
            **self._context,
        )
        return Program(context, stores, metadata)

    def send(self, topic: str, rows: Sequence[Any], partition: int = 0, *, by: str = "", **record: Any) -> None:
        """Append rows (mappings become JSON, bytes stay) to an input partition; ``by``: the column of the key."""
        log = self.logs[TopicPartition(topic, partition)]
        for row in rows:
            value = row if row is None or isinstance(row, bytes) else json.dumps(row).encode()
            if by:
                record["key"] = None if row[by] is None else row[by].encode()
            log.append(LogRecord(value, **record))

    def read(self, task_id: TaskId, source: TopicPartition, limit: int) -> int:
        """Let a task process up to ``limit`` records of one of its inputs; return how many."""
        task = self.tasks[task_id]
        position = task.positions[source]
        records = self.logs[source][position : position + limit]
        if records:
            batch = ListBatch(
                source,
                values=[record.value for record in records],
                keys=[record.key for record in records],
                offsets=list(range(position, position + len(records))),
                timestamps=[record.timestamp for record in records],
                headers=[record.headers for record in records],
            )
            produced = task.program.process(batch, self.now)
            task.pending += produced.outputs
            self.counts.update(produced.counts)
            task.positions[source] = position + len(records)
        return len(records)

    def commit(self, task_id: TaskId, *, flush: bool = False) -> None:
        """Make everything that a task did count."""
        task = self.tasks[task_id]
        sealed = task.program.seal(self.now, flush=flush)
        self.counts.update(sealed.counts)
        for batch in [*task.pending, *sealed.outputs]:
            self._append(batch)
        task.pending = []
        for store in sealed.stores:
            replayed = dict(task.stores[store.name].content())
            for key, value in store.records:
                if value is None:
                    replayed.pop(key, None)
                else:
                    replayed[key] = value
            task.stores[store.name].write(store.changes)
            assert task.stores[store.name].content() == replayed, "changes and records must say the same"
        task.committed = dict(task.positions)
        task.metadata = dict(sealed.metadata)
        task.program.applied(self.budget)
        self.deliveries += sealed.deliveries
        self.prints += sealed.prints

    def crash(self, task_id: TaskId) -> None:
        """Start a task again from what it has committed."""
        task = self.tasks[task_id]
        task.pending = []
        task.positions = dict(task.committed)
        task.program = self._program(task_id, task.stores, task.metadata)

    def run(self, limit: int = 1 << 30, *, flush: bool = False) -> Cluster:
        """Process everything, senders first, and commit every task."""
        for task_id, task in self.tasks.items():
            while sum(self.read(task_id, source, limit) for source in task.positions):
                self.commit(task_id)
            self.commit(task_id, flush=flush)
        return self

    def rows(self, topic: str) -> list[dict[str, Any]]:
        """Decoded values of everything committed to an output topic, in order."""
        return [record.row for record in self.outputs.get(topic, [])]

    def count(self, what: str) -> int:
        """Sum of a counter over all steps."""
        return sum(number for name, number in self.counts.items() if split_counter(name)[0] == what)

    def _append(self, batch: OutputBatch) -> None:
        partitions = batch.partitions
        for row, value in enumerate(batch.values):
            record = LogRecord(
                value=value,
                key=None if batch.keys is None else batch.keys[row],
                timestamp=-1 if batch.timestamps is None else int(batch.timestamps[row]),
                headers=() if batch.headers is None else batch.headers[row],
            )
            if partitions is None:
                self.outputs.setdefault(batch.topic, []).append(record)
            else:
                number = partitions if isinstance(partitions, int) else partitions[row]
                self.logs[TopicPartition(batch.topic, number)].append(record)


# --- plans by hand -------------------------------------------------------------------------------------


def source(topic: str = "clicks", schema: Mapping[str, Any] | None = None, **options: Any) -> Source:
    """A JSON topic of clicks whose event time is the column ``ts``."""
    described = schema or {
        "user": "string",
        "page": "string",
        "amount": "int64",
        "price": "float64",
        "flag": "bool",
        "ts": "timestamp[us]",
    }
    options = {"event_time": "ts", "key": ("user",)} | options
    return Source(name=topic, topic=topic, schema=normalise_schema(described), serde=JSON, **options)


_RESULT_TYPES = {
    "size": pa.int64(),
    "count": pa.int64(),
    "nunique": pa.int64(),
    "mean": pa.float64(),
    "var": pa.float64(),
    "std": pa.float64(),
    "any": pa.bool_(),
    "all": pa.bool_(),
}


def aggregate(
    node: Node,
    keys: Sequence[str],
    aggregations: Mapping[str, tuple[str, str]],
    window: Window | None = None,
    **options: Any,
) -> Aggregate:
    """Group ``node`` by ``keys``; ``aggregations``: output -> (input column, function)."""
    listed = []
    for output, (column, function) in aggregations.items():
        inputs = () if function == "size" else (column,)
        dtype = _RESULT_TYPES.get(function) or node.schema.field(column).type
        listed.append(Aggregation(output=output, function=function, inputs=inputs, type=dtype))
    return aggregate_of(node, keys, listed, window, **options)


def aggregate_of(
    node: Node, keys: Sequence[str], aggregations: Sequence[Aggregation], window: Window | None, **options: Any
) -> Aggregate:
    fields = [node.schema.field(name) for name in keys]
    if window is not None:
        fields += [pa.field("window_start", pa.timestamp("ms")), pa.field("window_end", pa.timestamp("ms"))]
    fields += [pa.field(each.output, each.type) for each in aggregations]
    emit: Emit = options.pop("emit", "changes" if window is None else "final")
    return Aggregate(
        name=options.pop("name", "totals"),
        schema=pa.schema(fields),
        input=node,
        keys=tuple(keys),
        window=window,
        aggregations=tuple(aggregations),
        emit=emit,
        **options,
    )


def to_topic(node: Node, topic: str = "out", **options: Any) -> TopicSink:
    return TopicSink(name=f"to-{topic}", schema=node.schema, input=node, topic=topic, serde=JSON, **options)


def late_rows(node: Aggregate) -> Node:
    from streamframe.plan.nodes import Late

    schema = pa.schema(
        [
            *node.input.schema,
            pa.field("window_start", pa.timestamp("ms")),
            pa.field("window_end", pa.timestamp("ms")),
            pa.field("late_by", pa.duration("us")),
        ]
    )
    return Late(name=f"{node.name}-late", schema=schema, aggregate=node)


def topology(*sinks: Sink, dead_letters: str | None = None) -> Topology:
    return compile_plan(Plan(application="app", sinks=sinks, dead_letters=dead_letters))
