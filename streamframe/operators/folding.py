"""From rows to buckets: keys, lateness, windows, and the fold itself.

Shared by the task that owns the state and by the task that pre-aggregates for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.errors import UserFunctionError
from streamframe.core.metrics import (
    ROWS_AGGREGATED,
    ROWS_LATE,
    ROWS_LATE_PARTLY,
    ROWS_NULL_KEY,
    ROWS_OUTSIDE,
    WINDOWS_MISSED,
)
from streamframe.core.time import MICROS_PER_MS, MIN_TIME
from streamframe.operators.aggregators.accumulator import Target
from streamframe.operators.aggregators.fold import Fold
from streamframe.operators.aggregators.values import FoldInput, Slots
from streamframe.operators.quarantine import Fault, Quarantine
from streamframe.operators.rows import Rows
from streamframe.operators.turn import Turn
from streamframe.operators.windows import Panes, Placement, panes_of, place
from streamframe.plan.nodes import Aggregate
from streamframe.plan.topology import Stage

Int64Array = npt.NDArray[np.int64]
BucketId = tuple[int, int]
Targets = Callable[[BucketId], Target]

WHOLE: BucketId = (0, 0)
"""The bucket of a step without windows."""


class _Part(NamedTuple):
    """The rows of one bucket."""

    bucket: BucketId
    slots: Slots
    rows: FoldInput


class Folding:
    """Folds rows of one aggregate into tables that somebody else keeps.

    Args:
        stage: The stage; its node is the aggregate.
        quarantine: Takes the rows that cannot be folded.
    """

    def __init__(self, stage: Stage, quarantine: Quarantine) -> None:
        assert isinstance(stage.node, Aggregate)
        self.node = stage.node
        self.fold = Fold(self.node)
        self.panes: Panes | None = None
        if self.node.window is not None:
            changes = self.node.emit == "changes"
            self.panes = panes_of(self.node.window, mergeable=self.fold.mergeable, changes=changes)
        self._stage = stage
        self._quarantine = quarantine
        schema = self.node.input.schema
        self.key_types = tuple(schema.field(name).type for name in self.node.keys)

    def process(self, rows: Rows, floor: int, targets: Targets, turn: Turn) -> list[BucketId]:
        """Fold rows into their buckets.

        Args:
            rows: The rows.
            floor: Rows count as observed at this stream time at least: what has been closed stays closed.
            targets: Gives the table of a bucket.
            turn: Counts, and late rows.

        Returns:
            The buckets that were folded into.
        """
        rows = self._with_keys(rows, turn)
        if not len(rows):
            return []
        placement = self._place(rows, floor, turn)
        parts: list[_Part] = []
        for start, variant, positions in placement.buckets:
            part = FoldInput(rows.columns, rows.marks, positions, {} if not parts else parts[0].rows.made)
            target = targets((start, variant))
            parts.append(_Part((start, variant), target.table.slots(self._keys(part)), part))
        return self._fold(rows, parts, targets, turn)

    def _keys(self, part: FoldInput) -> list[pa.Array]:
        return [part.arrow(name) for name in self.node.keys]

    def _with_keys(self, rows: Rows, turn: Turn) -> Rows:
        if self.node.keep_null_keys or not any(rows.columns[name].null_count for name in self.node.keys):
            return rows
        known = np.ones(len(rows), np.bool_)
        for name in self.node.keys:
            known &= np.asarray(pc.is_valid(rows.columns[name]))
        turn.count(ROWS_NULL_KEY, self.node.name, int(np.count_nonzero(~known)))
        return rows.keep(known)

    def _place(self, rows: Rows, floor: int, turn: Turn) -> Placement:
        if self.panes is None:
            return Placement(buckets=[(*WHOLE, None)])
        observed = rows.marks.observed
        if floor > MIN_TIME and int(observed.min()) < floor:
            observed = np.maximum(observed, floor)
        placement = place(self.panes, rows.marks.times, observed)
        name = self.node.name
        turn.count(ROWS_LATE, name, placement.late_rows)
        turn.count(ROWS_LATE_PARTLY, name, placement.partly_late)
        turn.count(ROWS_OUTSIDE, name, placement.outside)
        if placement.late is not None:
            turn.count(WINDOWS_MISSED, name, len(placement.late[0]))
            if self._stage.late_used:
                turn.emit(self._stage.index, _late_rows(rows, observed, placement.late, self.panes.size), "late")
        return placement

    def _fold(self, rows: Rows, parts: list[_Part], targets: Targets, turn: Turn) -> list[BucketId]:
        """Look for rows to refuse in all buckets before anything is folded: a row is folded everywhere or nowhere."""
        faults: dict[int, Fault] = {}
        for part in parts:
            for fault in self._faults(part, targets(part.bucket)):
                row = fault.row if part.rows.positions is None else int(part.rows.positions[fault.row])
                faults.setdefault(row, Fault(row, fault.kind, fault.message, fault.cause))
        if faults:
            self.fold.forget()
            parts = self._without(parts, len(rows), sorted(faults), targets)
            self._quarantine.rows(turn, rows, [faults[row] for row in sorted(faults)])
        for part in parts:
            self.fold.fold(targets(part.bucket), part.slots, part.rows)
        if self.panes is not None and self.panes.direct:
            folded = np.zeros(len(rows), np.bool_)
            for part in parts:
                folded[slice(None) if part.rows.positions is None else part.rows.positions] = True
            turn.count(ROWS_AGGREGATED, self.node.name, int(np.count_nonzero(folded)))
        else:
            turn.count(ROWS_AGGREGATED, self.node.name, sum(len(part.slots) for part in parts))
        return [part.bucket for part in parts]

    def _faults(self, part: _Part, target: Target) -> list[Fault]:
        try:
            refused = self.fold.prepare(target, part.slots, part.rows)
        except UserFunctionError:
            raise
        except Exception:  # whatever a user's aggregate raises: the rows to blame are looked for
            return self._blamed(part, target)
        if refused is None:
            return []
        message = "the sum of the group leaves the range of int64"
        return [Fault(row, "overflow", message) for row in np.flatnonzero(refused).tolist()]

    def _blamed(self, part: _Part, target: Target) -> list[Fault]:
        """Find the rows that make a user's aggregate raise, by halving."""
        faults: list[Fault] = []
        ranges = [(0, len(part.slots))]
        while ranges:
            begin, end = ranges.pop()
            chosen = np.arange(begin, end)
            try:
                self.fold.prepare(target, part.slots[chosen], part.rows.at(chosen))
            except UserFunctionError:
                raise
            except Exception as error:  # as above
                if end - begin > 1:
                    middle = (begin + end) // 2
                    ranges += [(middle, end), (begin, middle)]
                    continue
                faults.append(Fault(begin, type(error).__name__, str(error), error))
                if self._quarantine.fails:
                    break
        return faults

    def _without(self, parts: list[_Part], rows: int, bad: list[int], targets: Targets) -> list[_Part]:
        good = np.ones(rows, np.bool_)
        good[bad] = False
        kept = []
        for part in parts:
            # Keys of refused rows have slots now. They are saved like others, so that slots have no holes.
            targets(part.bucket).table.touch(part.slots)
            mask = good if part.rows.positions is None else good[part.rows.positions]
            chosen = np.flatnonzero(mask)
            kept.append(_Part(part.bucket, part.slots[chosen], part.rows.at(chosen)))
        return kept


def _late_rows(rows: Rows, observed: Int64Array, late: tuple[Int64Array, Int64Array], size: int) -> Rows:
    """Return one row per missed window, with the window and by how much the row is late."""
    positions, starts = late
    missed = rows.take(positions)
    late_by = observed[positions] - missed.marks.times
    columns = dict(missed.columns)
    columns["window_start"] = window_times(starts)
    columns["window_end"] = window_times(starts + size)
    columns["late_by"] = pa.array(late_by, pa.duration("us"))
    return missed.with_columns(columns)


def window_times(micros: Int64Array) -> pa.Array:
    """Return window bounds as ``timestamp[ms]``."""
    return pa.array(micros // MICROS_PER_MS).cast(pa.timestamp("ms"))
