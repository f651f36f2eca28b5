"""Everything that happens to rows inside one task.

A program is the compiled sub-topology brought to life for one partition: its stages in topological order, the state
of its aggregates, and the stream times of its inputs. The engine feeds it batches and asks it to seal; it never
looks inside::

    process(batch)   rows run through all stages; records for topics come out at once
    seal()           windows close, collected rows leave, changes of the state come out
    applied()        the commit of the last seal has succeeded

Rules:
    1. When anything raises, or a commit fails, the program is thrown away and made again from the committed state.
    2. Nothing depends on how the input was cut into batches, nor on when it was sealed: what depends on time is
       decided row by row, by the stream time of the row's own source partition; windows close by the minimum over
       the inputs.
    3. The clock is looked at for ``max_ahead`` and ``idle_timeout`` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from streamframe.core.batch import RecordBatch
from streamframe.core.ids import TopicPartition
from streamframe.core.time import MAX_TIME
from streamframe.operators.aggregate import AggregateState
from streamframe.operators.blocks import BlockKind, Sender
from streamframe.operators.guard import Guard
from streamframe.operators.outbox import Outbox
from streamframe.operators.quarantine import Quarantine
from streamframe.operators.receive import BlockReader
from streamframe.operators.rows import ColumnPruned, Rows, lane_of
from streamframe.operators.sealed import Delivery, Produced, SealedStore, SealedTask
from streamframe.operators.send import BlockWriter, PartialSender, RowSender
from streamframe.operators.sinks import Printer, TopicWriter
from streamframe.operators.source import SourceReader
from streamframe.operators.steps import StepContext, stateless
from streamframe.operators.turn import Turn
from streamframe.operators.watermarks import StreamClock, Watermark, encode_stream_time, slowest
from streamframe.plan.nodes import Aggregate, BatchSink, PrintSink, Source, Step, TopicSink
from streamframe.plan.signature import store_signature
from streamframe.plan.topology import Port, Role, Stage, SubTopology, Topology
from streamframe.state.buckets import Sealed
from streamframe.state.meta import SourceTime
from streamframe.state.store import StoreReader

__all__ = [
    "ColumnPruned",
    "Delivery",
    "Produced",
    "Program",
    "SealedStore",
    "SealedTask",
    "TaskContext",
]

_NO_INPUT: Final = Watermark(MAX_TIME, flushed=True)
"""Of a topic that has fewer partitions than the task's number: it holds nobody back."""

_STAGES_MAX: Final = 1_000

SLICE_ROWS: Final = 16_384
"""A batch takes some ten milliseconds, and so do so many results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """What a program needs to know about its place.

    Attributes:
        topology: The compiled plan.
        sub_topology: The part that this task runs.
        partition: The partition number of the task.
        partition_counts: Number of partitions of every topic that the topology reads or repartitions through.
        task_counts: Number of tasks of each sub-topology.
        full_projection: Decode every column; the answer to ``ColumnPruned``.
        slice_rows: Results of windows that are over leave in slices of about so many rows.
    """

    topology: Topology
    sub_topology: SubTopology
    partition: int
    partition_counts: Mapping[str, int]
    task_counts: Mapping[int, int]
    full_projection: bool = False
    slice_rows: int = SLICE_ROWS


def _standing_still() -> int:
    return 0


class Laps:
    """Durations of the steps of one call, by name.

    Args:
        stopwatch: Returns microseconds.

    Example:
        >>> laps = Laps(iter([5, 7, 10]).__next__)
        >>> laps.end("clicks"), laps.end("totals"), laps.micros
        (None, None, {'clicks': 2, 'totals': 3})
    """

    __slots__ = ("_since", "_stopwatch", "micros")

    def __init__(self, stopwatch: Callable[[], int]) -> None:
        self._stopwatch = stopwatch
        self._since = stopwatch()
        self.micros: dict[str, int] = {}

    def end(self, step: str) -> None:
        """Give the time since the last call to a step."""
        now = self._stopwatch()
        if now != self._since:
            self.micros[step] = self.micros.get(step, 0) + now - self._since
            self._since = now


class _Operator(Protocol):
    def process(self, rows: Rows, turn: Turn) -> None: ...


class Program:
    """One task's rows and state.

    Args:
        context: The task.
        readers: The committed content of each of its stores, by name.
        metadata: Text committed with the offsets of its external inputs; absent or empty: none.
        stopwatch: Returns microseconds; only durations between its answers are used, to tell where time goes.

    Raises:
        StoreIncompatible: Stored state or metadata is of another plan or version.
        StoreCorrupted: Stored state is damaged.
    """

    def __init__(
        self,
        context: TaskContext,
        readers: Mapping[str, StoreReader],
        metadata: Mapping[TopicPartition, str],
        stopwatch: Callable[[], int] = _standing_still,
    ) -> None:
        self._context = context
        self._stopwatch = stopwatch
        self._stages = context.sub_topology.stages
        self._inputs = {
            source: TopicPartition(source.topic, context.partition)
            for source in context.sub_topology.sources
            if context.partition < context.partition_counts.get(source.topic, context.partition + 1)
        }
        self._clock = StreamClock({place: source.idle_timeout for source, place in self._inputs.items()}, metadata)
        self._aggregates: dict[int, AggregateState] = {}
        self._sources: dict[str, SourceReader] = {}
        self._receivers: dict[str, BlockReader] = {}
        self._senders: dict[int, PartialSender | RowSender] = {}
        self._outboxes: dict[int, Outbox] = {}
        self._printers: dict[int, Printer] = {}
        self._operators: dict[int, _Operator] = {}
        self._entry_by_topic: dict[str, str] = {}
        for stage in self._stages:
            if stage.role is Role.AGGREGATE:
                assert stage.store is not None
                lane = lane_of(len(context.topology.sources) + self._number(stage), context.partition)
                signature = store_signature(context.sub_topology, stage)
                owner = AggregateState(stage, readers[stage.store], self._quarantine(stage), lane, signature)
                self._aggregates[stage.index] = self._operators[stage.index] = owner
        for stage in self._stages:
            self._build(stage, readers)
        self._early = self._closing_early()
        self._dirty = False

    # --- what the engine sees ----------------------------------------------------------------------

    def process(self, batch: RecordBatch, now: int) -> Produced:
        """Run a batch of one input partition through all stages.

        Args:
            batch: Consecutive records.
            now: Wall clock, microseconds.

        Raises:
            RecordError: A record cannot be used and the policy is ``"fail"``.
            UserFunctionError: A user's function raised and the policy is ``"fail"``, or returned nonsense.
            ColumnPruned: A user's function needs columns that are not decoded.
        """
        turn = Turn(now=now)
        laps = Laps(self._stopwatch)
        self._dirty = True
        topic = batch.source.topic
        if topic in self._sources:
            assert batch.source in self._clock.times
            self._sources[topic].read(batch, turn)
        else:
            self._receivers[topic].read(batch, turn)
        laps.end(self._entry_by_topic[topic])
        return self._through_stages(turn, laps)

    def release(self, now: int, *, flush: bool = False) -> Produced:
        """Emit a slice of what is over, without new records, so that less is left for the seal.

        Args:
            now: Wall clock, microseconds.
            flush: Everything is over: there is no more input, and the next seal is told so, too.

        Raises: as ``process``.
        """
        return self._through_stages(Turn(now=now), Laps(self._stopwatch), flush=flush)

    def _through_stages(self, turn: Turn, laps: Laps, *, flush: bool = False) -> Produced:
        for stage in self._stages:
            self._run(stage, turn)
            if stage.index in self._early:
                # What senders say of a flush counts in the seal.
                entered = Watermark(self._entered_early(stage).time, flushed=flush)
                self._aggregates[stage.index].release(entered, turn, self._context.slice_rows)
            laps.end(stage.node.name)
        return Produced(outputs=turn.outputs, counts=dict(turn.counts), micros=laps.micros)

    def seal(self, now: int, *, flush: bool = False) -> SealedTask:
        """Close the windows that are over and take out everything that changed since the last call.

        Args:
            now: Wall clock, microseconds.
            flush: Close every window: there is no more input.
        """
        turn = Turn(now=now)
        laps = Laps(self._stopwatch)
        self._clock.raise_idle(now, self._received_times())
        watermarks = self._watermarks(flush=flush)
        for stage in self._stages:
            self._run(stage, turn)
            closing = self._aggregates.get(stage.index) or self._senders.get(stage.index)
            if closing is not None:
                closing.close(watermarks[stage.index]["late"], turn)
            laps.end(stage.node.name)
        stores: list[SealedStore] = []
        deliveries: list[Delivery] = []
        for aggregate in self._aggregates.values():
            sealed = aggregate.seal(self._sender_times(aggregate))
            if sealed is not None:
                stores.append(_sealed_store(aggregate.name, sealed))
            laps.end(aggregate.stage.node.name)
        for outbox in self._outboxes.values():
            sealed, due = outbox.seal()
            deliveries += due
            if sealed is not None:
                stores.append(_sealed_store(outbox.name, sealed))
        self._dirty = False
        return SealedTask(
            outputs=turn.outputs,
            stores=tuple(sorted(stores, key=lambda store: store.name)),
            metadata={place: encode_stream_time(time) for place, time in self._clock.times.items()},
            deliveries=deliveries,
            undelivered=any(outbox.has_entries for outbox in self._outboxes.values()),
            prints=[text for printer in self._printers.values() for text in printer.seal()],
            counts=dict(turn.counts),
            micros=laps.micros,
        )

    def applied(self, memory_budget: int) -> None:
        """Note that the commit of the last seal counts and its changes are in the stores.

        Args:
            memory_budget: Bytes of state to keep in memory; the least recently used tables are dropped first.
        """
        total = sum(aggregate.nbytes for aggregate in self._aggregates.values())
        if total <= memory_budget:
            return
        for aggregate in self._aggregates.values():
            aggregate.state.evict(memory_budget * aggregate.nbytes // total)

    def delivered(self, step: str, batch_id: str) -> None:
        """Note that a user's function took a batch; its outbox entry is deleted in the next seal."""
        for outbox in self._outboxes.values():
            if outbox.stage.node.name == step:
                outbox.delivered(batch_id)

    def wants_seal(self, now: int) -> bool:
        """Whether windows could close by the clock alone, because inputs are idle."""
        waiting = bool(self._senders) or any(
            aggregate.earliest_closing() is not None for aggregate in self._aggregates.values()
        )
        return waiting and self._clock.would_raise(now, self._received_times())

    @property
    def dirty(self) -> bool:
        """Whether something happened since the last seal that must be committed."""
        return self._dirty or any(outbox.is_dirty for outbox in self._outboxes.values())

    @property
    def leaving_rows(self) -> int:
        """Rows of windows that are over and would all be emitted by a seal now, about."""
        return sum(self._aggregates[index].leaving_rows for index in self._early)

    @property
    def open_rows(self) -> int:
        """Rows of windows that are not over and would be emitted as well if the seal were a flush, about."""
        return sum(self._aggregates[index].open_rows for index in self._early)

    @property
    def changed_bytes(self) -> int:
        """Bytes that the next seal will write to changelogs and repartition topics, and as results, about."""
        # Asked in every turn of the loop, of every task, and most of them are idle when there are many.
        return 0 if not self.dirty else sum(each.changed_bytes for each in self._collectors())

    @property
    def nbytes(self) -> int:
        """Bytes of state and of collected rows in memory, about."""
        return sum(each.nbytes for each in self._collectors())

    @property
    def store_bytes(self) -> dict[str, int]:
        """Bytes in memory of each store, about."""
        aggregates = {aggregate.name: aggregate.nbytes for aggregate in self._aggregates.values()}
        return aggregates | {outbox.name: outbox.nbytes for outbox in self._outboxes.values()}

    @property
    def watermark(self) -> int:
        """The minimum over all inputs."""
        times = [self._clock.times[place] for place in self._inputs.values()]
        return min([*times, *self._received_times()])

    @property
    def stream_times(self) -> dict[TopicPartition, int]:
        """Stream time of each external input partition."""
        return dict(self._clock.times)

    # --- stages --------------------------------------------------------------------------------------

    def _run(self, stage: Stage, turn: Turn) -> None:
        operator = self._operators.get(stage.index)
        if operator is None:
            return
        for edge in stage.upstream:
            for rows in turn.taken(edge):
                operator.process(rows, turn)

    def _build(self, stage: Stage, readers: Mapping[str, StoreReader]) -> None:
        match stage.role:
            case Role.SOURCE:
                self._build_source(stage)
            case Role.RECEIVE:
                owner = next(
                    aggregate
                    for aggregate in self._aggregates.values()
                    if any(edge.stage == stage.index for edge in aggregate.stage.upstream)
                )
                assert stage.repartition is not None
                self._entry_by_topic[stage.repartition.topic] = stage.node.name
                self._receivers[stage.repartition.topic] = BlockReader(stage, owner, self._context.task_counts)
            case Role.SEND:
                self._operators[stage.index] = self._senders[stage.index] = self._sender(stage)
            case Role.STEP:
                self._operators[stage.index] = self._step(stage, readers)
            case Role.AGGREGATE:
                pass

    def _build_source(self, stage: Stage) -> None:
        node = stage.node
        assert isinstance(node, Source)
        if node not in self._inputs:
            return
        fields = tuple(node.schema.names) if self._context.full_projection else stage.columns
        self._entry_by_topic[node.topic] = node.name
        number = self._context.topology.sources.index(node)
        lane = lane_of(number, self._context.partition)
        self._sources[node.topic] = SourceReader(stage, fields, lane, self._clock, self._quarantine(stage))

    def _sender(self, stage: Stage) -> PartialSender | RowSender:
        repartition = stage.repartition
        assert repartition is not None
        sender = Sender(self._context.sub_topology.id, self._context.partition)
        kind = BlockKind.PARTIALS if repartition.partials else BlockKind.ROWS
        writer = BlockWriter(stage, kind, sender, self._context.partition_counts[repartition.topic])
        if repartition.partials:
            return PartialSender(stage, writer, self._quarantine(stage))
        return RowSender(stage, writer)

    def _step(self, stage: Stage, readers: Mapping[str, StoreReader]) -> _Operator:
        match stage.node:
            case TopicSink():
                return TopicWriter(stage)
            case BatchSink():
                assert stage.store is not None
                outbox = Outbox(stage, readers[stage.store], self._context.partition)
                self._outboxes[stage.index] = outbox
                return outbox
            case PrintSink():
                self._printers[stage.index] = printer = Printer(stage)
                return printer
            case _:
                pass
        operator = stateless(self._step_context(stage))
        assert operator is not None, stage.node
        return operator

    def _step_context(self, stage: Stage) -> StepContext:
        whole = self._context.full_projection
        node = stage.node
        known = tuple(node.input.schema.names) if isinstance(node, Step) else ()
        needed = dict.fromkeys(
            name
            for other in self._stages
            if any(edge.stage == stage.index for edge in other.upstream)
            for name in other.columns
        )
        return StepContext(
            stage=stage,
            guard=Guard(self._quarantine(stage), known, whole=whole),
            needed=frozenset(node.schema.names if whole else needed),
            whole=whole,
            topics=tuple(source.topic for source in self._context.topology.sources),
        )

    def _quarantine(self, stage: Stage) -> Quarantine:
        node = stage.node
        on_error = node.on_error if isinstance(node, Source | Step) else None
        return Quarantine(node.name, on_error, self._context.topology)

    def _number(self, stage: Stage) -> int:
        assert stage.index < _STAGES_MAX
        return self._context.sub_topology.id * _STAGES_MAX + stage.index

    # --- time ----------------------------------------------------------------------------------------

    def _watermarks(self, *, flush: bool) -> dict[int, dict[Port, Watermark]]:
        """Return the watermark of the rows that leave each stage, by port; ``late`` is also what has entered it."""
        found: dict[int, dict[Port, Watermark]] = {}
        for stage in self._stages:
            entered = self._entered(stage, found)
            if flush:
                entered = Watermark(entered.time, flushed=True)
            left = entered
            if stage.role is Role.AGGREGATE and isinstance(stage.node, Aggregate) and stage.node.window is not None:
                left = entered.behind(stage.node.window.grace)
            found[stage.index] = {"rows": left, "late": entered}
        return found

    def _entered(self, stage: Stage, found: Mapping[int, Mapping[Port, Watermark]]) -> Watermark:
        if stage.role is Role.SOURCE:
            assert isinstance(stage.node, Source)
            place = self._inputs.get(stage.node)
            return _NO_INPUT if place is None else Watermark(self._clock.times[place])
        if stage.role is Role.RECEIVE:
            assert stage.repartition is not None
            return self._receivers[stage.repartition.topic].watermark
        return slowest(found[edge.stage][edge.port] for edge in stage.upstream)

    def _closing_early(self) -> list[int]:
        """Return the aggregates that may emit before a seal: those whose input does not come of another's results.

        The watermark of results is known when all windows up to it have left, which is so in a seal.
        """
        behind: set[int] = set()
        early = []
        for stage in self._stages:
            if any(edge.stage in behind for edge in stage.upstream):
                behind.add(stage.index)
            elif stage.role is Role.AGGREGATE:
                behind.add(stage.index)
                early.append(stage.index)
        return early

    def _entered_early(self, stage: Stage) -> Watermark:
        """Return the watermark of what has entered an aggregate that closes early, or a stage before it."""
        if stage.role is Role.SOURCE or stage.role is Role.RECEIVE:
            return self._entered(stage, {})
        return slowest(self._entered_early(self._stages[edge.stage]) for edge in stage.upstream)

    def _received_times(self) -> list[int]:
        return [receiver.watermark.time for receiver in self._receivers.values()]

    def _sender_times(self, aggregate: AggregateState) -> tuple[SourceTime, ...]:
        for receiver in self._receivers.values():
            if receiver.aggregate is aggregate:
                return receiver.sources
        return ()

    def _collectors(self) -> Iterator[AggregateState | PartialSender | RowSender | Outbox]:
        yield from self._aggregates.values()
        yield from self._senders.values()
        yield from self._outboxes.values()


def _sealed_store(name: str, sealed: Sealed) -> SealedStore:
    return SealedStore(name=name, changes=sealed.changes, records=sealed.records, seq=sealed.seq)
