"""First and last value by ``(event time, lane, offset)``, whatever the order of arrival; nulls are skipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamframe.operators.aggregators.accumulator import StateColumns, Target
from streamframe.operators.aggregators.sums import INT64_MAX, INT64_MIN
from streamframe.operators.aggregators.values import AnyArray, BoolArray, FoldInput, Int64Array, Slots
from streamframe.state.columns import ColumnKind, ColumnSpec

NEVER: Final = {"first": INT64_MAX, "last": INT64_MIN}
"""Time of a group that has no value yet."""


@dataclass(frozen=True, slots=True)
class _Offers:
    slots: Slots
    times: Int64Array
    lanes: Int64Array
    offsets: Int64Array
    values: AnyArray


class Endmost:
    """First or last value of a column.

    Args:
        column: The column.
        function: ``"first"`` or ``"last"``.
        kind: Kind of the state column of the value.
    """

    def __init__(self, column: str, function: str, kind: ColumnKind) -> None:
        self.name = f"{function}({column})"
        self.time = f"{self.name}.time"
        self._lane = f"{self.name}.lane"
        self._offset = f"{self.name}.offset"
        self.specs: Sequence[ColumnSpec] = (
            ColumnSpec(self.name, kind),
            ColumnSpec(self.time, "int64", NEVER[function]),
            ColumnSpec(self._lane, "int64"),
            ColumnSpec(self._offset, "int64"),
        )
        self._column = column
        self._first = function == "first"
        self._never = NEVER[function]

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        values, marks = rows.values(self._column), rows.marks
        offers = _Offers(slots, marks.times, marks.lane_array, marks.offsets, values.array)
        self._offer(target.columns, offers if values.valid is None else _chosen(offers, values.valid))

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        offers = _Offers(slots, columns[self.time], columns[self._lane], columns[self._offset], columns[self.name])
        self._offer(target.columns, _chosen(offers, offers.times != self._never))

    def _offer(self, held: dict[str, AnyArray], offers: _Offers) -> None:
        if not len(offers.slots):
            return
        times = held[self.time]
        before = times[offers.slots]
        (np.minimum if self._first else np.maximum).at(times, offers.slots, offers.times)
        best = offers.times == times[offers.slots]
        # A row of the same time as the value held wins by its place in the input, not by its arrival.
        tied = best & (before == offers.times)
        if tied.any():
            best &= ~tied | self._beats(held, offers)
        winners = _chosen(offers, best)
        order = self._order(winners)
        slots, first = np.unique(winners.slots[order], return_index=True)
        chosen = order[first]
        held[self.name][slots] = winners.values[chosen]
        held[self._lane][slots] = winners.lanes[chosen]
        held[self._offset][slots] = winners.offsets[chosen]

    def _beats(self, held: dict[str, AnyArray], offers: _Offers) -> BoolArray:
        lanes, offsets = held[self._lane][offers.slots], held[self._offset][offers.slots]
        same = offers.lanes == lanes
        if self._first:
            return (offers.lanes < lanes) | (same & (offers.offsets < offsets))
        return (offers.lanes > lanes) | (same & (offers.offsets >= offsets))

    def _order(self, offers: _Offers) -> Int64Array:
        """Return the order in which the first offer for a slot is the one to take."""
        order = np.lexsort((offers.offsets, offers.lanes))
        return order if self._first else order[::-1]


def _chosen(offers: _Offers, mask: BoolArray) -> _Offers:
    if mask.all():
        return offers
    return _Offers(
        offers.slots[mask], offers.times[mask], offers.lanes[mask], offers.offsets[mask], offers.values[mask]
    )
