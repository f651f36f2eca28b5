"""Folding one column in any cut, over several tables that are merged: the result must be that of the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from streamframe.operators.aggregators.accumulator import Accumulator, Target
from streamframe.operators.aggregators.values import FoldInput
from streamframe.operators.rows import Marks
from streamframe.state.table import Table
from tests.operators import oracle

Row = tuple[str, Any, int]
"""Group, value, event time. The position in the list is the offset."""


def rows_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), values), st.integers(0, 4)), max_size=12)


CUTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=8)
"""How many rows go into which of three tables, one piece after the other."""


class Folded:
    """Rows folded piece by piece into three tables, which are then merged into the first (unless there is one).

    Args:
        accumulators: In the order in which they are folded.
        rows: The rows.
        dtype: Type of the values.
        cuts: The pieces.
        merged: Use three tables; else one.
    """

    def __init__(
        self,
        accumulators: Sequence[Accumulator],
        rows: list[Row],
        dtype: pa.DataType,
        cuts: list[tuple[int, int]],
        *,
        merged: bool = True,
    ) -> None:
        specs = [spec for each in accumulators for spec in each.specs]
        self._accumulators = accumulators
        self.targets = []
        for _ in range(3):
            families = {
                each.family.name: Table(each.family.key_types, each.family.columns)
                for each in accumulators
                if hasattr(each, "family")
            }
            self.targets.append(Target(Table([pa.large_string()], specs), families))
        begin = 0
        for size, which in [*cuts, (len(rows), 0)]:
            self._fold(self.targets[which if merged else 0], rows[begin : begin + size], begin, dtype)
            begin += size
        if merged:
            self._merge()

    def _fold(self, target: Target, rows: list[Row], begin: int, dtype: pa.DataType) -> None:
        if not rows:
            return
        times = np.array([time for _, _, time in rows])
        marks = Marks(times=times, observed=times, lanes=0, offsets=np.arange(begin, begin + len(rows)))
        columns = {"v": pa.array([value for _, value, _ in rows], dtype)}
        slots = target.table.slots([pa.array([group for group, _, _ in rows], pa.large_string())])
        for each in self._accumulators:
            each.fold(target, slots, FoldInput(columns, marks))

    def _merge(self) -> None:
        """Merge all tables at once, so that groups repeat among what is merged."""
        others = self.targets[1:]
        keys = [target.table.keys.keys(np.arange(len(target.table)))[0] for target in others]
        columns = {
            name: np.concatenate([target.columns[name][: len(target.table)] for target in others])
            for name in self.targets[0].columns
        }
        slots = self.targets[0].table.slots([pa.concat_arrays(keys)])
        for each in self._accumulators:
            each.merge(self.targets[0], slots, columns)

    def by_group(self, value: Callable[[dict[str, Any], np.ndarray], Sequence[Any]]) -> dict[str, Any]:
        """Return what ``value(columns, slots)`` gives for each group."""
        table = self.targets[0].table
        slots = np.arange(len(table))
        groups = table.keys.keys(slots)[0].to_pylist()
        return dict(zip(groups, value(table.columns, slots), strict=True))


def expected(function: str, rows: list[Row]) -> dict[str, Any]:
    """The oracle's answer for each group."""
    records = [oracle.Record(0, offset, time, {"g": g, "v": v}) for offset, (g, v, time) in enumerate(rows)]
    return {key[0]: found["x"] for key, found in oracle.table(records, ["g"], {"x": ("v", function)}).items()}


def assert_equal(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert sorted(found) == sorted(wanted)
    for group, value in wanted.items():
        assert oracle.equal(value, found[group]), (group, value, found[group])
