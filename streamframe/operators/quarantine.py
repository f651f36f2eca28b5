"""What becomes of rows that cannot be used: fail, skip, or write the record to the dead-letter topic.

A dead letter is the record as it was, raw key and raw value, with its own headers and behind them
``sf.topic``, ``sf.partition``, ``sf.offset``, ``sf.step``, ``sf.error`` and ``sf.message``. Rows that did not
come straight from a topic (results of an aggregate, rows behind a repartition topic) have no raw record:
their columns are written as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streamframe.core.batch import Headers, OutputBatch, RecordBatch
from streamframe.core.errors import RecordError, StreamFrameError, UserFunctionError
from streamframe.core.metrics import ROWS_DEAD_LETTER, ROWS_SKIPPED
from streamframe.core.serde_spec import SerdeSpec
from streamframe.operators.rows import Rows, lane_partition, lane_source
from streamframe.operators.turn import Turn
from streamframe.plan.nodes import OnError
from streamframe.plan.topology import Topology
from streamframe.serde.registry import encoder_for

Int64Array = npt.NDArray[np.int64]

_MESSAGE_MAX: Final = 1_000
"""Longest message in a header, in characters: messages quote values, and values may be large."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one row cannot be used.

    Attributes:
        row: Its position.
        kind: A short word for the reason, or the name of the exception.
        message: One sentence for people.
        cause: What the user's function raised.
    """

    row: int
    kind: str
    message: str
    cause: Exception | None = None


class Quarantine:
    """Sets rows of one step aside by the step's policy.

    Args:
        step: Name of the step.
        on_error: The step's own policy, or ``None`` for the default of the program.
        topology: Knows the dead-letter topic and the names of the topics.
    """

    def __init__(self, step: str, on_error: OnError | None, topology: Topology) -> None:
        self.step = step
        self._dead_letters = topology.plan.dead_letters
        self._topics = tuple(source.topic for source in topology.sources)
        default: OnError = "fail" if self._dead_letters is None else "dead_letter"
        self.policy: OnError = on_error or default

    @property
    def fails(self) -> bool:
        """Whether the first fault ends everything."""
        return self.policy == "fail"

    def records(self, turn: Turn, batch: RecordBatch, faults: Sequence[Fault]) -> None:
        """Set records of a raw batch aside; ``row`` is the position in the batch.

        Raises:
            RecordError: The policy is ``"fail"``.
        """
        if not faults:
            return
        if self.fails:
            fault = faults[0]
            raise self._error(fault, batch.source.topic, batch.source.partition, int(batch.offsets()[fault.row]))
        if self._counted_as_skipped(turn, len(faults)):
            return
        keys, values, offsets = batch.keys(), batch.values(), batch.offsets()
        self._write(
            turn,
            [keys[fault.row] for fault in faults],
            [values[fault.row] for fault in faults],
            [
                [
                    *batch.headers(fault.row),
                    *self._headers(fault, str(batch.source.topic), batch.source.partition, int(offsets[fault.row])),
                ]
                for fault in faults
            ],
        )

    def rows(self, turn: Turn, rows: Rows, faults: Sequence[Fault]) -> None:
        """Set rows aside; ``row`` is the position in ``rows``. A record is written once, however many rows it gave.

        Raises:
            RecordError: The policy is ``"fail"``.
            UserFunctionError: The policy is ``"fail"`` and a user's function raised.
        """
        if not faults:
            return
        if rows.marks.origin is not None:
            self._rows_of_records(turn, rows, faults)
            return
        if self.fails:
            fault = faults[0]
            raise self._error(fault, *self._place(rows, fault.row))
        if self._counted_as_skipped(turn, len(faults)):
            return
        schema = pa.schema([pa.field(name, column.type) for name, column in rows.columns.items()])
        chosen = rows.take(np.array([fault.row for fault in faults], np.int64))
        values = encoder_for(SerdeSpec("json"), schema).encode(chosen.columns)
        headers = [self._headers(fault, *self._place(rows, fault.row)) for fault in faults]
        self._write(turn, [None] * len(faults), values, headers)

    def _rows_of_records(self, turn: Turn, rows: Rows, faults: Sequence[Fault]) -> None:
        origin = rows.marks.origin
        assert origin is not None
        by_record: dict[int, Fault] = {}
        for fault in faults:
            position = origin.position(fault.row)
            by_record.setdefault(position, Fault(position, fault.kind, fault.message, fault.cause))
        extra = len(faults) - len(by_record)
        if extra and not self.fails:
            # Rows exploded from one record: each is counted, the record is written once.
            turn.count(ROWS_SKIPPED if self.policy == "skip" else ROWS_DEAD_LETTER, self.step, extra)
        self.records(turn, origin.batch, list(by_record.values()))

    def _place(self, rows: Rows, row: int) -> tuple[str, int, int]:
        lane = int(rows.marks.lane_array[row])
        source = lane_source(lane)
        topic = self._topics[source] if source < len(self._topics) else ""
        return topic, lane_partition(lane), int(rows.marks.offsets[row])

    def _counted_as_skipped(self, turn: Turn, number: int) -> bool:
        skip = self.policy == "skip" or self._dead_letters is None
        turn.count(ROWS_SKIPPED if skip else ROWS_DEAD_LETTER, self.step, number)
        return skip

    def _headers(self, fault: Fault, topic: str, partition: int, offset: int) -> Headers:
        return [
            ("sf.topic", topic.encode()),
            ("sf.partition", str(partition).encode()),
            ("sf.offset", str(offset).encode()),
            ("sf.step", self.step.encode()),
            ("sf.error", fault.kind.encode()),
            ("sf.message", fault.message[:_MESSAGE_MAX].encode(errors="replace")),
        ]

    def _write(
        self, turn: Turn, keys: list[bytes | None], values: Sequence[bytes | None], headers: list[Headers]
    ) -> None:
        assert self._dead_letters is not None
        turn.write(OutputBatch(topic=self._dead_letters, keys=keys, values=values, headers=headers, step=self.step))

    def _error(self, fault: Fault, topic: str, partition: int, offset: int) -> StreamFrameError:
        place = {"step": self.step, "topic": topic, "partition": partition, "offset": offset, "error": fault.kind}
        hint = "set on_error='skip', or on_error='dead_letter' and a dead-letter topic"
        if fault.cause is None:
            return RecordError(fault.message[:_MESSAGE_MAX], hint=hint, **place)
        error = UserFunctionError(f"a function raised: {fault.message[:_MESSAGE_MAX]}", hint=hint, **place)
        error.__cause__ = fault.cause
        return error
