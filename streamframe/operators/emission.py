"""From state to results: the groups of closed windows, or of what was touched since the last commit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.errors import RecordError
from streamframe.core.time import MICROS_PER_MS, format_time
from streamframe.operators.aggregators.accumulator import Target
from streamframe.operators.aggregators.fold import Fold
from streamframe.operators.aggregators.values import Slots
from streamframe.operators.folding import BucketId, Folding, window_times
from streamframe.operators.rows import Marks, Rows
from streamframe.operators.windows import Panes
from streamframe.state.buckets import BucketState
from streamframe.state.table import Table

Int64Array = npt.NDArray[np.int64]


class Part(NamedTuple):
    """Results of groups: columns, and event times."""

    columns: dict[str, pa.Array]
    times: Int64Array


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups with a result: slots of a table.

    Attributes:
        table: The table.
        slots: The groups.
        start: Start of their window, or ``None``.
    """

    table: Table
    slots: Slots
    start: int | None


class WindowReader:
    """Puts windows together from their panes.

    Args:
        panes: The windows.
        folding: The aggregate.
        state: The tables.
    """

    def __init__(self, panes: Panes, folding: Folding, state: BucketState) -> None:
        self._panes = panes
        self._fold: Fold = folding.fold
        self._name = folding.node.name
        self._key_types = folding.key_types
        self._state = state

    def windows(self, buckets: Sequence[BucketId], begin: int, end: int) -> list[int]:
        """Return the windows that start in ``[begin, end)`` and have a bucket among ``buckets`` (sorted)."""
        if self._panes.direct or self._panes.single:
            return [start for start, _ in buckets if begin <= start < end]
        starts: dict[int, None] = {}
        known = begin
        for pane in dict.fromkeys(start for start, _ in buckets):
            first = max(known, int(self._panes.first_window(pane)))
            last = min(int(self._panes.last_window(pane)), end - 1)
            for start in range(first, last + 1, self._panes.every):
                starts[start] = None
                known = start + self._panes.every
        return list(starts)

    def groups(self, start: int, buckets: Sequence[BucketId], *, dirty: bool = False) -> Groups:
        """Return the groups of the window at ``start``.

        Args:
            start: Start of the window.
            buckets: All live buckets, sorted.
            dirty: Only those touched since the last commit.
        """
        if self._panes.direct or self._panes.single:
            table = self._state.table((start, 0))
            return Groups(table, table.dirty_slots() if dirty else np.arange(len(table)), start)
        return self._combined(start, buckets, dirty=dirty)

    def _combined(self, start: int, buckets: Sequence[BucketId], *, dirty: bool) -> Groups:
        table = Table(self._key_types, self._fold.specs)
        target = Target(table, {})
        touched: list[Slots] = []
        for position in range(bisect_left(buckets, (start, 0)), len(buckets)):
            pane, variant = buckets[position]
            if pane >= start + self._panes.size:
                break
            # Rows of this variant were late for the pane's first windows.
            if int(self._panes.first_window(pane)) + variant * self._panes.every > start:
                continue
            part = self._state.table((pane, variant))
            rows = np.arange(len(part))
            slots = table.slots(part.keys.keys(rows))
            columns = {name: column[: len(part)] for name, column in part.columns.items()}
            if self._fold.merge(target, slots, columns) is not None:
                # Each pane is within range, their sum is not: no row is to blame, and a wrong sum is no answer.
                raise RecordError(
                    "the sum of a group leaves the range of int64",
                    hint="cast the column to float64 before it is summed",
                    step=self._name,
                    window_start=format_time(start),
                )
            touched.append(slots[part.dirty_slots()])
        if not dirty:
            return Groups(table, np.arange(len(table)), start)
        return Groups(table, np.unique(np.concatenate(touched)), start)


class Presenter:
    """Makes rows of groups.

    Args:
        folding: The aggregate.
        lane: Lane of the rows: a number of its own for each step and task.
    """

    def __init__(self, folding: Folding, lane: int) -> None:
        self._folding = folding
        self._node = folding.node
        self._lane = lane

    def rows(self, groups: Sequence[Groups]) -> Rows | None:
        """Return the results of groups, sorted by key within each window; ``None`` when there are none.

        Event time is the last instant of the window, ``end - 1 ms``; without windows that of the newest row.
        """
        parts = [self.part(each, self.ordered(each)) for each in groups]
        count = sum(len(part.times) for part in parts)
        return self.joined(parts, np.arange(count)) if count else None

    def ordered(self, groups: Groups) -> Slots:
        """Return the groups that have a result, sorted by key."""
        slots = self._folding.fold.present(groups.table.columns, groups.slots)
        return slots[groups.table.keys.order(slots)]

    def part(self, groups: Groups, slots: Slots) -> Part:
        """Return the results of some groups of a table, in the order given."""
        table, schema = groups.table, self._node.schema
        columns = {
            name: _as_type(column, schema.field(name).type)
            for name, column in zip(self._node.keys, table.keys.keys(slots), strict=True)
        }
        columns |= self._folding.fold.finish(table.columns, slots)
        if groups.start is None:
            return Part(columns, table.columns["newest"][slots])
        window = self._node.window
        assert window is not None
        starts = np.full(len(slots), groups.start, np.int64)
        columns["window_start"] = window_times(starts)
        columns["window_end"] = window_times(starts + window.size)
        return Part(columns, starts + (window.size - MICROS_PER_MS))

    def joined(self, parts: Sequence[Part], offsets: Int64Array) -> Rows:
        """Return parts, one behind the other, as rows.

        Args:
            parts: At least one, together with at least one row.
            offsets: What tells rows of one event time apart, whatever way they are cut.
        """
        columns = {
            name: pa.concat_arrays([part.columns[name] for part in parts]) if len(parts) > 1 else parts[0].columns[name]
            for name in self._node.schema.names
        }
        times = np.concatenate([part.times for part in parts])
        keys = [columns[name] for name in self._node.keys]
        if self._node.windowed and self._node.emit == "changes":
            keys.append(columns["window_start"])
        marks = Marks(
            times=times,
            observed=np.maximum.accumulate(times),
            lanes=self._lane,
            offsets=offsets,
            keys=keys,
        )
        return Rows(columns, marks)


def _as_type(column: pa.Array, dtype: pa.DataType) -> pa.Array:
    return column if column.type == dtype else pc.cast(column, dtype)
