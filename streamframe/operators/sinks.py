"""The stages where rows leave: a topic, or the terminal. ``for_each_batch`` is in ``outbox``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamframe.core.batch import OutputBatch
from streamframe.core.metrics import ROWS_OUT
from streamframe.core.time import MICROS_PER_MS
from streamframe.operators.rows import Rows, concat_columns, to_frame
from streamframe.operators.turn import Turn
from streamframe.plan.nodes import PrintSink, TopicSink
from streamframe.plan.topology import Stage
from streamframe.serde.base import Columns
from streamframe.serde.keys import encode_keys
from streamframe.serde.registry import encoder_for


class TopicWriter:
    """Encodes rows and writes them to a topic, with their event time as the record timestamp."""

    def __init__(self, stage: Stage) -> None:
        assert isinstance(stage.node, TopicSink)
        self.stage = stage
        self._node = stage.node
        self._encoder = encoder_for(self._node.serde, self._node.input.schema)

    def process(self, rows: Rows, turn: Turn) -> None:
        """Write rows."""
        columns = {name: rows.columns[name] for name in self._node.input.schema.names}
        turn.count(ROWS_OUT, self._node.name, len(rows))
        turn.write(
            OutputBatch(
                topic=self._node.topic,
                values=self._encoder.encode(columns),
                keys=self._keys(rows),
                timestamps=rows.marks.times // MICROS_PER_MS,
                step=self._node.name,
            )
        )

    def _keys(self, rows: Rows) -> Sequence[bytes | None] | None:
        if self._node.key:
            return encode_keys([rows.columns[name] for name in self._node.key])
        if rows.marks.keys is not None:
            return encode_keys(rows.marks.keys)
        return None if rows.marks.origin is None else rows.marks.origin.keys()


class Printer:
    """Collects rows and turns them into text at the commit."""

    def __init__(self, stage: Stage) -> None:
        assert isinstance(stage.node, PrintSink)
        self.stage = stage
        self._node = stage.node
        self._rows: list[Columns] = []
        self._count = 0

    def process(self, rows: Rows, turn: Turn) -> None:
        """Collect as many rows as will be shown."""
        turn.count(ROWS_OUT, self._node.name, len(rows))
        room = self._node.limit - self._count
        self._count += len(rows)
        if room > 0:
            shown = rows.take(np.arange(min(room, len(rows))))
            self._rows.append({name: shown.columns[name] for name in self._node.input.schema.names})

    def seal(self) -> list[str]:
        """Return the text of the rows since the last call."""
        if not self._count:
            return []
        columns = concat_columns(self._rows) if self._rows else {}
        shown = min(self._count, self._node.limit)
        text = to_frame(columns, self._node.input.schema, shown).to_string(index=False) if columns else ""
        if self._count > shown:
            text += f"\n… and {self._count - shown} more rows"
        if self._node.prefix:
            text = "\n".join(f"{self._node.prefix}{line}" for line in text.splitlines())
        self._rows, self._count = [], 0
        return [text]
