"""The stages that write to a repartition topic: partial aggregates, or rows.

Both collect until the commit and then write one block to every target partition, also an empty one when the
watermark has advanced: the readers close windows by the minimum over all senders.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streamframe.core.batch import OutputBatch
from streamframe.core.time import MIN_TIME
from streamframe.operators.aggregators.accumulator import Target
from streamframe.operators.aggregators.values import AnyArray
from streamframe.operators.blocks import Block, BlockKind, Sender, blocks_of
from streamframe.operators.folding import BucketId, Folding
from streamframe.operators.quarantine import Quarantine
from streamframe.operators.rows import Rows, concat_columns
from streamframe.operators.turn import Turn
from streamframe.operators.watermarks import Watermark
from streamframe.plan.nodes import Aggregate
from streamframe.plan.topology import Repartition, Stage
from streamframe.state.key_words import hash_keys
from streamframe.state.table import Table

Int64Array = npt.NDArray[np.int64]

KEY: Final = "key:"
STATE: Final = "state:"
COLUMN: Final = "column:"

_OBJECTS: Final = {"string": pa.large_string(), "binary": pa.large_binary()}


class BlockWriter:
    """Cuts rows into one or more blocks for each target partition.

    Args:
        stage: The stage that sends.
        kind: What the rows are.
        sender: This task.
        partitions: Number of partitions of the repartition topic.
    """

    def __init__(self, stage: Stage, kind: BlockKind, sender: Sender, partitions: int) -> None:
        assert stage.repartition is not None
        self._repartition: Repartition = stage.repartition
        self._step = stage.node.name
        self._kind = kind
        self._sender = sender
        self._partitions = partitions
        self._sent = Watermark(MIN_TIME)

    def write(
        self, keys: list[pa.Array] | None, batch: pa.RecordBatch | None, watermark: Watermark, turn: Turn
    ) -> None:
        """Write everything that was collected.

        Args:
            keys: Key columns of the rows; their hash decides the partition.
            batch: The rows, or ``None`` when there are none.
            watermark: Watermark of the rows that entered this stage.
            turn: Takes the blocks.
        """
        if batch is None and watermark == self._sent:
            return
        shares = [None] * self._partitions if batch is None or keys is None else self._shares(keys, batch)
        values: list[bytes | None] = []
        partitions: list[int] = []
        for partition, share in enumerate(shares):
            last = Block(kind=self._kind, sender=self._sender, watermark=watermark.time, flushed=watermark.flushed)
            blocks = blocks_of(last, share, self._sent.time)
            values += [block.encode() for block in blocks]
            partitions += [partition] * len(blocks)
        self._sent = watermark
        turn.write(OutputBatch(topic=self._repartition.topic, values=values, partitions=partitions, step=self._step))

    def _shares(self, keys: list[pa.Array], batch: pa.RecordBatch) -> list[pa.RecordBatch | None]:
        targets = (hash_keys(keys) % np.uint64(self._partitions)).astype(np.int64)
        order = np.argsort(targets, kind="stable")
        ordered = batch.take(pa.array(order))
        cuts = np.searchsorted(targets[order], np.arange(self._partitions + 1))
        return [
            ordered.slice(begin, end - begin) if end > begin else None
            for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
        ]


class PartialSender:
    """Pre-aggregates between commits, and decides itself which rows are late.

    Args:
        stage: The stage; its node is the aggregate.
        writer: Writes the blocks.
        quarantine: Takes rows that cannot be folded.
    """

    def __init__(self, stage: Stage, writer: BlockWriter, quarantine: Quarantine) -> None:
        self.stage = stage
        self._folding = Folding(stage, quarantine)
        self._writer = writer
        self._tables: dict[BucketId, Table] = {}
        self._row_bytes = 24 + 8 * len(self._folding.fold.specs)

    def process(self, rows: Rows, turn: Turn) -> None:
        """Fold rows into the partial aggregates."""
        self._folding.process(rows, MIN_TIME, self._target, turn)

    def close(self, watermark: Watermark, turn: Turn) -> None:
        """Write the partial aggregates since the last commit."""
        keys, batch = self._collected()
        self._tables.clear()
        self._writer.write(keys, batch, watermark, turn)

    @property
    def nbytes(self) -> int:
        """Bytes of the partial aggregates in memory."""
        return sum(table.nbytes for table in self._tables.values())

    @property
    def changed_bytes(self) -> int:
        """Bytes that the next commit will write, about."""
        return sum(len(table) for table in self._tables.values()) * self._row_bytes

    def _target(self, bucket: BucketId) -> Target:
        table = self._tables.get(bucket)
        if table is None:
            table = self._tables[bucket] = Table(self._folding.key_types, self._folding.fold.specs)
        return Target(table, {})

    def _collected(self) -> tuple[list[pa.Array], pa.RecordBatch | None]:
        fold, node = self._folding.fold, self._folding.node
        parts = []
        for (pane, variant), table in sorted(self._tables.items()):
            slots = fold.present(table.columns, np.arange(len(table)))
            if not len(slots):
                continue
            columns = {
                "pane": pa.array(np.full(len(slots), pane, np.int64)),
                "variant": pa.array(np.full(len(slots), variant, np.int32)),
            }
            for name, key in zip(node.keys, table.keys.keys(slots), strict=True):
                columns[KEY + name] = key
            for spec in fold.specs:
                values = table.columns[spec.name][slots]
                columns[STATE + spec.name] = pa.array(values, _OBJECTS.get(spec.kind))
            parts.append(columns)
        if not parts:
            return [], None
        whole = concat_columns(parts)
        return [whole[KEY + name] for name in node.keys], pa.RecordBatch.from_pydict(whole)


class RowSender:
    """Collects rows between commits.

    Args:
        stage: The stage; its node is the aggregate.
        writer: Writes the blocks.
    """

    def __init__(self, stage: Stage, writer: BlockWriter) -> None:
        assert stage.repartition is not None
        assert isinstance(stage.node, Aggregate)
        self.stage = stage
        self._keys = stage.node.keys
        self._columns = stage.repartition.columns
        self._writer = writer
        self._rows: list[Rows] = []
        self.nbytes = 0

    @property
    def changed_bytes(self) -> int:
        """Bytes that the next commit will write, about."""
        return self.nbytes

    def process(self, rows: Rows, turn: Turn) -> None:
        """Collect rows."""
        # Only what is sent is kept: not the raw batch, nor other columns.
        columns = {COLUMN + name: rows.columns[name] for name in self._columns}
        columns["time"] = pa.array(rows.marks.times)
        columns["observed"] = pa.array(rows.marks.observed)
        columns["lane"] = pa.array(rows.marks.lane_array)
        columns["offset"] = pa.array(rows.marks.offsets)
        kept = Rows(columns, rows.marks)
        self.nbytes += kept.nbytes
        self._rows.append(kept)

    def close(self, watermark: Watermark, turn: Turn) -> None:
        """Write the rows since the last commit."""
        keys, batch = None, None
        if self._rows:
            whole = concat_columns([rows.columns for rows in self._rows])
            keys = [whole[COLUMN + name] for name in self._keys]
            batch = pa.RecordBatch.from_pydict(whole)
        self._rows = []
        self.nbytes = 0
        self._writer.write(keys, batch, watermark, turn)


def state_values(column: pa.Array) -> AnyArray:
    """Return a state column of a block as a numpy array that may be written to."""
    values: AnyArray = column.to_numpy(zero_copy_only=False)
    return values
