"""The stage that reads an external topic: decodes, finds the event time, sets bad records aside."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.batch import RecordBatch
from streamframe.core.errors import RecordError
from streamframe.core.metrics import ROWS_IN, ROWS_NULL_VALUE
from streamframe.core.time import MICROS_PER_MS, MICROS_PER_SECOND, format_time
from streamframe.operators.quarantine import Fault, Quarantine
from streamframe.operators.rows import Marks, Origin, Rows
from streamframe.operators.turn import Turn
from streamframe.operators.watermarks import StreamClock
from streamframe.plan.nodes import Source
from streamframe.plan.topology import Stage
from streamframe.serde.base import Columns
from streamframe.serde.keys import encode_keys
from streamframe.serde.registry import decoder_for

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

EVENT_TIME_MAX: Final = 1 << 62
"""Event times further from the epoch than this many microseconds (146 000 years) are invalid, so that window
arithmetic stays within int64."""

_PER_UNIT: Final = {"s": MICROS_PER_SECOND, "ms": MICROS_PER_MS, "us": 1}


class SourceReader:
    """Turns the records of one topic into rows.

    Args:
        stage: The stage; its node is the source.
        fields: Fields to decode.
        lane: Lane of the rows.
        clock: Stream times of the task.
        quarantine: Takes records that cannot be used.
    """

    def __init__(
        self, stage: Stage, fields: tuple[str, ...], lane: int, clock: StreamClock, quarantine: Quarantine
    ) -> None:
        assert isinstance(stage.node, Source)
        self.stage = stage
        self._node = stage.node
        self._decoder = decoder_for(self._node.serde, self._node.schema, fields)
        self._lane = lane
        self._clock = clock
        self._quarantine = quarantine
        self._checks_key = bool(self._node.key) and set(self._node.key) <= set(fields)

    def read(self, batch: RecordBatch, turn: Turn) -> None:
        """Emit the rows of a batch.

        Raises:
            RecordError: A record cannot be used and the policy is ``"fail"``, or its key is not what was declared.
        """
        decoded = self._decoder.decode(batch.values())
        turn.count(ROWS_IN, self._node.name, len(batch))
        turn.count(ROWS_NULL_VALUE, self._node.name, len(decoded.null_rows))
        positions = decoded.rows
        times, wrong = self._times(batch, decoded.columns, positions)
        columns = decoded.columns
        faults = [Fault(error.row, error.kind, error.message) for error in decoded.errors]
        faults += self._time_faults(times, wrong, positions, turn.now)
        if faults:
            faults.sort(key=lambda fault: fault.row)
            self._quarantine.records(turn, batch, faults)
            bad = np.zeros(len(batch), np.bool_)
            bad[[fault.row for fault in faults]] = True
            kept = np.flatnonzero(~(bad if positions is None else bad[positions]))
            index = pa.array(kept)
            columns = {name: column.take(index) for name, column in columns.items()}
            times = times[kept]
            positions = kept if positions is None else positions[kept]
        observed = self._clock.observe(batch.source, times, turn.now)
        if not len(times):
            return
        offsets = batch.offsets()
        marks = Marks(
            times=times,
            observed=observed,
            lanes=self._lane,
            offsets=offsets if positions is None else offsets[positions],
            origin=Origin(batch, positions),
        )
        rows = Rows(columns, marks)
        if self._checks_key:
            self._check_key(rows, batch)
        turn.emit(self.stage.index, rows)

    def _times(
        self, batch: RecordBatch, columns: Columns, positions: Int64Array | None
    ) -> tuple[Int64Array, BoolArray | None]:
        """Return the event time of each decoded row, and which of them mean nothing."""
        if self._node.event_time is not None:
            return micros_of(columns[self._node.event_time])
        stamps = batch.timestamps() if positions is None else batch.timestamps()[positions]
        wrong = (stamps < 0) | (stamps > EVENT_TIME_MAX // MICROS_PER_MS)
        if wrong.any():
            return np.where(wrong, 0, stamps) * MICROS_PER_MS, wrong
        return stamps * MICROS_PER_MS, None

    def _time_faults(
        self, times: Int64Array, wrong: BoolArray | None, positions: Int64Array | None, now: int
    ) -> list[Fault]:
        faults = []
        if wrong is not None:
            message = "the row has no event time, or one out of range"
            faults = [Fault(row, "event_time", message) for row in np.flatnonzero(wrong).tolist()]
        ahead = self._node.max_ahead
        if ahead is not None and len(times) and int(times.max()) > now + ahead:
            early = times > now + ahead
            if wrong is not None:
                early &= ~wrong
            faults += [
                Fault(row, "ahead", f"event time {format_time(int(times[row]))} is too far ahead of the clock")
                for row in np.flatnonzero(early).tolist()
            ]
        if positions is None:
            return faults
        return [Fault(int(positions[fault.row]), fault.kind, fault.message) for fault in faults]

    def _check_key(self, rows: Rows, batch: RecordBatch) -> None:
        """Compare the key of the first row with the declared columns: a wrong declaration scatters groups."""
        assert rows.marks.origin is not None
        first = rows.marks.origin.position(0)
        declared = encode_keys([rows.columns[name].slice(0, 1) for name in self._node.key])[0]
        raw = batch.key(first)
        if raw != declared:
            raise RecordError(
                "message key is not the declared key column",
                hint="leave key= out of the topic: rows are then repartitioned where they are grouped",
                topic=batch.source.topic,
                partition=batch.source.partition,
                offset=int(batch.offsets()[first]),
                columns=",".join(self._node.key),
                key=raw,
                expected=declared,
            )


def micros_of(column: pa.Array) -> tuple[Int64Array, BoolArray | None]:
    """Return a column of times as microseconds, and which of them are null or out of range.

    Integers are milliseconds since the epoch, as Kafka's own timestamps are.
    """
    dtype = column.type
    wrong = None if column.null_count == 0 else ~np.asarray(pc.is_valid(column))
    unit = "ms"
    if pa.types.is_timestamp(dtype):
        unit = dtype.unit
        column = column.view(pa.int64())
    elif pa.types.is_date(dtype):
        column = pc.cast(column, pa.timestamp("ms")).view(pa.int64())
    else:
        column = pc.cast(column, pa.int64())
    if wrong is not None:
        column = pc.fill_null(column, 0)
    values = column.to_numpy()
    if unit == "ns":
        return values // 1_000, wrong
    factor = _PER_UNIT[unit]
    limit = EVENT_TIME_MAX // factor
    if len(values) and (int(values.max()) > limit or int(values.min()) < -limit):
        far = (values > limit) | (values < -limit)
        wrong = far if wrong is None else wrong | far
        values = np.where(far, 0, values)
    return values * factor if factor > 1 else values, wrong
