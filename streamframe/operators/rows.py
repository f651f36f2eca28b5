"""Rows on their way through a task: columns, their times, and where each row came from.

Inside a task a batch is Arrow columns plus a few integers per row. A pandas frame is made once, when the
first user function asks for it, and kept while only whole columns are added; every change of the set of
rows drops it.

    event time   when the row happened, int64 microseconds
    observed     stream time of the row's own source partition, up to and including the row: what decides
                 whether the row is late. It never depends on how the input was cut into batches
    lane         source topic (its number in the topology) and partition, as one integer
    offset       position in the lane; rows exploded from one record share it

``(event time, lane, offset)`` orders rows for ``first`` and ``last``, whatever the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from streamframe.core.acceleration import native
from streamframe.core.batch import RecordBatch
from streamframe.serde.base import Columns
from streamframe.serde.pandas_frames import to_pandas

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_LANE_SHIFT: Final = 32
_PARTITION_MASK: Final = (1 << _LANE_SHIFT) - 1

Lanes = TypeVar("Lanes", int, Int64Array)


def lane_of(source: int, partition: int) -> int:
    """Return the lane of a partition of the topology's source number ``source``.

    Example:
        >>> lane_source(lane_of(2, 7)), lane_partition(lane_of(2, 7))
        (2, 7)
    """
    return source << _LANE_SHIFT | partition


def lane_source(lane: Lanes) -> Lanes:
    """Return the number of the source topic of a lane, or of each of many."""
    return lane >> _LANE_SHIFT


def lane_partition(lane: Lanes) -> Lanes:
    """Return the partition of a lane, or of each of many."""
    return lane & _PARTITION_MASK


@dataclass(frozen=True, slots=True)
class Origin:
    """The records that rows came from.

    Attributes:
        batch: The raw batch.
        positions: Position in the batch of each row's record; ``None``: row by row.
    """

    batch: RecordBatch
    positions: Int64Array | None = None

    def take(self, rows: Int64Array) -> Origin:
        """Return the origin of some of the rows."""
        return Origin(self.batch, rows if self.positions is None else self.positions[rows])

    def keys(self) -> Sequence[bytes | None]:
        """Return the raw key of each row's record."""
        keys = self.batch.keys()
        if self.positions is None:
            return keys
        if native is not None and isinstance(keys, native.Payloads):
            return keys.take(self.positions)
        return [keys[position] for position in self.positions.tolist()]

    def position(self, row: int) -> int:
        """Return the position in the batch of the record of one row."""
        return row if self.positions is None else int(self.positions[row])


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is known about each row besides its columns. All arrays have one entry per row.

    Attributes:
        times: Event times.
        observed: Stream time of each row's own source partition.
        lanes: Lane of each row, or one number for all.
        offsets: Offset of each row.
        origin: The records that the rows came from, when they came straight from a topic.
        keys: For results of an aggregate: the columns that identify them, under whatever name.
    """

    times: Int64Array
    observed: Int64Array
    lanes: Int64Array | int
    offsets: Int64Array
    origin: Origin | None = None
    keys: Sequence[pa.Array] | None = None

    @property
    def lane_array(self) -> Int64Array:
        """The lane of each row."""
        lanes = self.lanes
        return np.full(len(self.times), lanes, np.int64) if isinstance(lanes, int) else lanes

    def take(self, positions: Int64Array) -> Marks:
        """Return the marks of the rows at ``positions``, which may repeat."""
        return Marks(
            times=self.times[positions],
            observed=self.observed[positions],
            lanes=self.lanes if isinstance(self.lanes, int) else self.lanes[positions],
            offsets=self.offsets[positions],
            origin=None if self.origin is None else self.origin.take(positions),
            keys=None if self.keys is None else [column.take(pa.array(positions)) for column in self.keys],
        )


class Rows:
    """A batch of rows inside a task.

    Attributes:
        columns: Arrow arrays by column name.
        marks: Times and origin of each row.

    Args:
        columns: Arrow arrays by column name.
        marks: Times and origin of each row.
        frame: A frame with the same content, when there is one already.
    """

    __slots__ = ("_frame", "columns", "marks")

    def __init__(self, columns: Columns, marks: Marks, frame: pd.DataFrame | None = None) -> None:
        self.columns = columns
        self.marks = marks
        self._frame = frame

    def __len__(self) -> int:
        return len(self.marks.times)

    def take(self, positions: Int64Array) -> Rows:
        """Return the rows at ``positions``, which may repeat."""
        index = pa.array(positions)
        columns = {name: column.take(index) for name, column in self.columns.items()}
        return Rows(columns, self.marks.take(positions))

    def keep(self, mask: BoolArray) -> Rows:
        """Return the rows where ``mask`` is true; when it is everywhere, the same object."""
        return self if mask.all() else self.take(np.flatnonzero(mask))

    def with_columns(self, columns: Columns, frame: pd.DataFrame | None = None) -> Rows:
        """Return the same rows with other columns."""
        return Rows(columns, self.marks, frame)

    def frame(self, schema: pa.Schema, names: Iterable[str] | None = None) -> pd.DataFrame:
        """Return the rows as a plain, writable pandas frame with a RangeIndex.

        Writing to it changes nothing but the frame: pandas copies on write.

        Args:
            schema: Tells which columns are never null, for their dtype.
            names: The columns, in any order; ``None``: all. Absent ones are left out.
        """
        wanted = None if names is None else frozenset(names)
        chosen = [name for name in self.columns if wanted is None or name in wanted]
        if self._frame is None:
            frame = to_frame({name: self.columns[name] for name in chosen}, schema, len(self))
            if len(chosen) < len(self.columns):
                return frame
            self._frame = frame
        frame = self._frame if len(chosen) == len(self.columns) else self._frame[chosen]
        return frame.copy(deep=False)

    @property
    def cached_frame(self) -> pd.DataFrame | None:
        """The frame with all columns, when it has been made; not to be written to."""
        return self._frame

    @property
    def nbytes(self) -> int:
        """Bytes of the columns."""
        return sum(column.nbytes for column in self.columns.values()) + 32 * len(self)


def to_frame(columns: Columns, schema: pa.Schema, rows: int) -> pd.DataFrame:
    """Return columns as a frame of ``rows`` rows, also when there is no column."""
    return to_pandas(columns, schema) if columns else pd.DataFrame(index=pd.RangeIndex(rows))


def concat_columns(parts: Sequence[Mapping[str, pa.Array]]) -> Columns:
    """Return the columns of all parts, one behind the other; all have the same columns and types."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: pa.concat_arrays([part[name] for part in parts]) for name in parts[0]}


class ColumnPruned(Exception):
    """A user's function asked for columns that exist in the schema but were not decoded.

    Attributes:
        step: The step.
        columns: The columns.
    """

    def __init__(self, step: str, columns: tuple[str, ...]) -> None:
        super().__init__(f"step {step!r} needs the pruned columns {', '.join(columns)}")
        self.step = step
        self.columns = columns
