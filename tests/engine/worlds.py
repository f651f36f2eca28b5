"""Fakes and shorthands for the tests of the engine: a topology of two parts and a program that counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from streamframe.core.batch import ListBatch, OutputBatch, RecordBatch
from streamframe.core.errors import StreamFrameError
from streamframe.core.ids import Offset, TaskId, TopicPartition
from streamframe.core.serde_spec import SerdeSpec
from streamframe.core.settings import Settings
from streamframe.engine.worker import Worker, WorkerSpec
from streamframe.operators.program import Produced, SealedStore, SealedTask, TaskContext
from streamframe.plan.nodes import Plan, Source
from streamframe.plan.topology import Role, Stage, StoreDeclaration, SubTopology, Topology
from streamframe.state.store import Changes, StoreReader

SCHEMA = pa.schema([("user", pa.large_string())])
CLICKS = Source(name="clicks", schema=SCHEMA, topic="clicks", serde=SerdeSpec("json"))
CHANGELOG = "app-totals-changelog"
T0 = TaskId(0, 0)
T1 = TaskId(0, 1)
IN0 = TopicPartition("clicks", 0)
IN1 = TopicPartition("clicks", 1)
LOG0 = TopicPartition(CHANGELOG, 0)
LOG1 = TopicPartition(CHANGELOG, 1)
SECOND = 1_000_000


def topology(*, stateful: bool = True, source: Source = CLICKS) -> Topology:
    """One sub-topology that reads ``clicks``, with or without one store."""
    store = StoreDeclaration(name="totals", changelog=CHANGELOG, node=source, windowed=True)
    sub = SubTopology(
        id=0,
        stages=(Stage(index=0, role=Role.SOURCE, node=source),),
        sources=(source,),
        repartitions=(),
        stores=(store,) if stateful else (),
        depth=0,
    )
    plan = Plan(application="app", sinks=())
    return Topology(plan=plan, sub_topologies=(sub,), repartitions=(), sink_topics=("out",), fingerprint="f")


@dataclass
class CountingProgram:
    """Counts records; each seal writes the count to the store, the changelog and the output."""

    context: TaskContext
    readers: Mapping[str, StoreReader]
    metadata: Mapping[TopicPartition, str]
    count: int = 0
    dirty: bool = False
    changed_bytes: int = 0
    leaving_rows: int = 0
    open_rows: int = 0
    nbytes: int = 0
    watermark: int = 0
    stream_times: dict[TopicPartition, int] = field(default_factory=dict)
    store_bytes: dict[str, int] = field(default_factory=dict)
    applied_budgets: list[int] = field(default_factory=list)
    delivered_ids: list[str] = field(default_factory=list)
    failure: StreamFrameError | None = None
    idle: bool = False
    seal_failure: StreamFrameError | None = None
    apply_failure: StreamFrameError | None = None

    def __post_init__(self) -> None:
        for reader in self.readers.values():
            self.count = int(reader.get(b"count") or 0)

    def process(self, batch: RecordBatch, now: int) -> Produced:
        if self.failure is not None:
            raise self.failure
        self.count += len(batch)
        self.dirty = True
        self.changed_bytes += batch.size_bytes
        return Produced(outputs=[OutputBatch(topic="out", values=list(batch.values()))], counts={"rows_in": len(batch)})

    def release(self, now: int, *, flush: bool = False) -> Produced:
        if self.failure is not None:
            raise self.failure
        if flush:
            self.leaving_rows, self.open_rows = self.leaving_rows + self.open_rows, 0
        self.leaving_rows -= 1
        return Produced(outputs=[OutputBatch(topic="out", values=[b"left"])])

    def seal(self, now: int, *, flush: bool = False) -> SealedTask:
        if self.seal_failure is not None:
            raise self.seal_failure
        self.dirty = False
        self.changed_bytes = 0
        value = str(self.count).encode()
        stores = tuple(
            SealedStore(name=name, changes=Changes(puts=[(b"count", value)]), records=[(b"count", value)])
            for name in self.readers
        )
        inputs = [TopicPartition(t, self.context.partition) for t in self.context.sub_topology.topics]
        return SealedTask(
            outputs=[],
            stores=stores,
            metadata=dict.fromkeys(inputs, f"1:{self.count}"),
            deliveries=[],
            prints=[],
            counts={"windows_closed": int(flush)},
        )

    def applied(self, memory_budget: int) -> None:
        self.applied_budgets.append(memory_budget)
        if self.apply_failure is not None:
            raise self.apply_failure

    def wants_seal(self, now: int) -> bool:
        return self.idle

    def delivered(self, step: str, batch_id: str) -> None:
        self.delivered_ids.append(batch_id)


def worker(found: Topology | None = None, *, partitions: int = 2, bounded: bool | None = None) -> Worker:
    """A worker of ``topology()`` with ``CountingProgram``."""
    spec = WorkerSpec(
        name="w",
        topology=found or topology(),
        settings=Settings(),
        partition_counts={"clicks": partitions},
        task_counts={0: partitions},
        bounded=bounded,
        run_token="run",
    )
    return Worker(spec, CountingProgram)  # type: ignore[arg-type]


def batch(tp: TopicPartition, first: int, count: int = 1) -> ListBatch:
    """Records of one partition from offset ``first`` on."""
    return ListBatch(tp, values=[b"v"] * count, offsets=list(range(first, first + count)))


def offset(number: int) -> Offset:
    """Shorthand."""
    return Offset(number)
