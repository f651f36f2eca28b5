"""The stage that reads a repartition topic: blocks of all senders, and the watermark that they give together.

The watermark is the minimum over all tasks that may send, heard of or not: one that was never heard of holds
every window open. What each sender said last is saved in the meta record of the store that the rows go to.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from streamframe.core.batch import RecordBatch
from streamframe.core.errors import TopologyMismatch
from streamframe.operators.aggregate import AggregateState, Partials
from streamframe.operators.blocks import Block, BlockKind, Sender
from streamframe.operators.rows import Marks, Rows, concat_columns
from streamframe.operators.send import COLUMN, KEY, STATE, state_values
from streamframe.operators.turn import Turn
from streamframe.operators.watermarks import NOTHING_YET, Watermark, slowest
from streamframe.plan.nodes import Aggregate
from streamframe.plan.topology import Stage
from streamframe.state.meta import SourceTime


class BlockReader:
    """Reads blocks for one aggregate.

    Args:
        stage: The stage; its node is the aggregate.
        aggregate: The stage behind, which owns the state.
        task_counts: Number of tasks of each sub-topology.
    """

    def __init__(self, stage: Stage, aggregate: AggregateState, task_counts: Mapping[int, int]) -> None:
        assert stage.repartition is not None
        assert isinstance(stage.node, Aggregate)
        self.stage = stage
        self._node = stage.node
        self._topic = stage.repartition.topic
        self.aggregate = aggregate
        self._watermarks: dict[Sender, Watermark] = {
            Sender(sub, partition): NOTHING_YET
            for sub in stage.repartition.senders
            for partition in range(task_counts[sub])
        }
        for source in aggregate.sources:
            self._watermarks[Sender(int(source.topic), source.partition)] = Watermark(source.stream_time, source.idle)

    @property
    def watermark(self) -> Watermark:
        """The minimum over all senders."""
        return slowest(self._watermarks.values())

    @property
    def sources(self) -> tuple[SourceTime, ...]:
        """The watermarks of the senders that were heard of, to be saved."""
        return tuple(
            SourceTime(str(sender.sub_topology), sender.partition, watermark.time, watermark.flushed)
            for sender, watermark in sorted(self._watermarks.items())
            if watermark != NOTHING_YET
        )

    def read(self, batch: RecordBatch, turn: Turn) -> None:
        """Merge or emit what the blocks of a batch hold.

        Raises:
            TopologyMismatch: A record is no block of this version, or its sender is unknown.
        """
        partials: list[pa.RecordBatch] = []
        rows: list[pa.RecordBatch] = []
        for value in batch.values():
            block = Block.decode(value or b"")
            self._hear(block)
            if block.batch is not None:
                (partials if block.kind is BlockKind.PARTIALS else rows).append(block.batch)
        if partials:
            self.aggregate.merge(self._partials(partials), turn)
        if rows:
            turn.emit(self.stage.index, self._rows(rows))

    def _hear(self, block: Block) -> None:
        before = self._watermarks.get(block.sender)
        if before is None:
            raise TopologyMismatch(
                "a block comes from a task that this program does not have",
                hint="the partitions of a topic were changed: reset the application",
                topic=self._topic,
                sender=f"{block.sender.sub_topology}_{block.sender.partition}",
            )
        self._watermarks[block.sender] = Watermark(max(before.time, block.watermark), block.flushed)

    def _partials(self, batches: list[pa.RecordBatch]) -> Partials:
        try:
            columns = concat_columns([dict(zip(each.schema.names, each.columns, strict=True)) for each in batches])
            return Partials(
                panes=columns["pane"].to_numpy(),
                variants=columns["variant"].to_numpy().astype(np.int64),
                keys=[columns[KEY + name] for name in self._node.keys],
                columns={
                    spec.name: state_values(columns[STATE + spec.name]) for spec in self.aggregate.folding.fold.specs
                },
            )
        except KeyError as error:
            raise TopologyMismatch(
                "a repartition topic holds blocks of another program",
                hint="give the changed step a new name, or reset the application",
                topic=self._topic,
                missing=str(error),
            ) from error

    def _rows(self, batches: list[pa.RecordBatch]) -> Rows:
        found = concat_columns([dict(zip(each.schema.names, each.columns, strict=True)) for each in batches])
        columns = {name.removeprefix(COLUMN): column for name, column in found.items() if name.startswith(COLUMN)}
        marks = Marks(
            times=found["time"].to_numpy(),
            observed=found["observed"].to_numpy(),
            lanes=found["lane"].to_numpy(),
            offsets=found["offset"].to_numpy(),
            # The raw key stays behind; the group is what late rows are keyed by.
            keys=[columns[name] for name in self._node.keys],
        )
        return Rows(columns, marks)
