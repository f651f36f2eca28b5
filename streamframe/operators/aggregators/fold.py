"""All aggregate functions of a step together: what is remembered per group, and how results come of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from streamframe.core.errors import PlanError
from streamframe.operators.aggregators.accumulator import Accumulator, StateColumns, Target, to_arrow
from streamframe.operators.aggregators.custom import Custom
from streamframe.operators.aggregators.distinct import Distinct
from streamframe.operators.aggregators.extremes import Extreme, TextExtreme
from streamframe.operators.aggregators.firsts import NEVER, Endmost
from streamframe.operators.aggregators.moments import Moments, variance
from streamframe.operators.aggregators.sums import Count, Newest, Size, Sum, may_overflow, overflowing
from streamframe.operators.aggregators.truths import Truth
from streamframe.operators.aggregators.values import BoolArray, FoldInput, Slots, kind_of
from streamframe.plan.nodes import Aggregate, Aggregation
from streamframe.serde.pandas_frames import from_pandas
from streamframe.state.buckets import FamilySpec
from streamframe.state.columns import ColumnSpec

Finish = Callable[[StateColumns, Slots], pa.Array]


class Fold:
    """The accumulators of an aggregate and the functions that make results of them.

    Args:
        node: The aggregate.

    Raises:
        PlanError: An unknown function.

    Example:
        For ``agg(total=("x", "sum"), mean=("x", "mean"))`` there are two accumulators, the sum and the
        number of values, and both results are computed from them.
    """

    def __init__(self, node: Aggregate) -> None:
        self._step = node.name
        self._accumulators: dict[str, Accumulator] = {}
        self._schema = node.input.schema
        self._finishes = {aggregation.output: self._plan(aggregation) for aggregation in node.aggregations}
        if node.window is None:
            self._use(Newest())
        if any(isinstance(each, Custom) for each in self._accumulators.values()):
            # A group whose only rows made the user's function raise is known, but it has no result.
            self._use(Size())
        # Moments read the count of what is held, so they go before it.
        order = sorted(self._accumulators.values(), key=lambda each: not isinstance(each, Moments))
        self.accumulators: tuple[Accumulator, ...] = tuple(order)
        self._sums = tuple(each for each in order if isinstance(each, Sum) and each.exact)
        self._customs = tuple(each for each in order if isinstance(each, Custom))

    @property
    def specs(self) -> tuple[ColumnSpec, ...]:
        """All state columns."""
        return tuple(spec for each in self.accumulators for spec in each.specs)

    @property
    def families(self) -> tuple[FamilySpec, ...]:
        """The tables of the accumulators that keep several values per group."""
        return tuple(each.family for each in self.accumulators if isinstance(each, Distinct))

    @property
    def mergeable(self) -> bool:
        """Whether results can be combined from parts."""
        return not self.families and all(custom.mergeable for custom in self._customs)

    def prepare(self, target: Target, slots: Slots, rows: FoldInput) -> BoolArray | None:
        """Look for rows that must not be folded, before any is.

        Returns:
            A mask of the rows that would take an integer sum out of int64, or ``None``.

        Raises:
            Exception: What a user's own aggregate raised.
        """
        refused = self._refused(target.columns, slots, rows)
        if refused is None:
            for custom in self._customs:
                custom.prepare(target, slots, rows)
        return refused

    def _refused(self, columns: StateColumns, slots: Slots, rows: FoldInput) -> BoolArray | None:
        for each in self._sums:
            if may_overflow(columns[each.name], *rows.values(each.column).chosen(slots)):
                added = []
                for one in self._sums:
                    values = rows.values(one.column)
                    added.append(values.array if values.valid is None else np.where(values.valid, values.array, 0))
                refused = overflowing([columns[one.name] for one in self._sums], slots, added)
                return refused if refused.any() else None
        return None

    def forget(self) -> None:
        """Drop what was prepared and will not be folded."""
        for custom in self._customs:
            custom.forget()

    def present(self, columns: StateColumns, slots: Slots) -> Slots:
        """Return those of ``slots`` that have a result."""
        return slots[columns["size"][slots] > 0] if self._customs else slots

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        """Fold rows into the state; ``prepare`` has found nothing to refuse among them."""
        for each in self.accumulators:
            each.fold(target, slots, rows)
        target.table.touch(slots)

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> BoolArray | None:
        """Merge state columns of the same specification into the state.

        Returns:
            A mask of the parts that were left out because an integer sum would leave int64, or ``None``.
        """
        refused = None
        if any(may_overflow(target.columns[each.name], slots, columns[each.name]) for each in self._sums):
            names = [each.name for each in self._sums]
            refused = overflowing([target.columns[n] for n in names], slots, [columns[n] for n in names])
            if refused.any():
                kept = ~refused
                slots, columns = slots[kept], {name: column[kept] for name, column in columns.items()}
            else:
                refused = None
        for each in self.accumulators:
            each.merge(target, slots, columns)
        target.table.touch(slots)
        return refused

    def finish(self, columns: StateColumns, slots: Slots) -> dict[str, pa.Array]:
        """Return the results of the groups at ``slots``, by output column."""
        return {output: finish(columns, slots) for output, finish in self._finishes.items()}

    def _use(self, accumulator: Accumulator) -> str:
        return self._accumulators.setdefault(accumulator.name, accumulator).name

    def _plan(self, aggregation: Aggregation) -> Finish:
        dtype, function = aggregation.type, aggregation.function
        if aggregation.custom is not None:
            return self._plan_custom(aggregation)
        if function == "size":
            return _plain(self._use(Size()), dtype)
        (column,) = aggregation.inputs
        kind = kind_of(self._schema.field(column).type)
        match function:
            case "count":
                return _plain(self._use(Count(column)), dtype)
            case "sum":
                return _plain(self._use(Sum(column, kind)), dtype)
            case "mean":
                return _mean(self._use(Sum(column, kind)), self._use(Count(column)), dtype)
            case "min" | "max" if kind in ("string", "binary"):
                return _plain(self._use(TextExtreme(column, function, kind)), dtype)
            case "min" | "max":
                return _counted(self._use(Extreme(column, function, kind)), self._use(Count(column)), dtype)
            case "var" | "std":
                return self._plan_moments(column, function, dtype)
            case "first" | "last":
                endmost = Endmost(column, function, kind)
                self._use(endmost)
                return _seen(endmost, function, dtype)
            case "nunique":
                return _plain(self._use(Distinct(column, self._schema.field(column).type)), dtype)
            case "any" | "all":
                return _plain(self._use(Truth(column, function)), dtype)
            case _:
                pass
        raise PlanError("unknown aggregate function", step=self._step, function=function)

    def _plan_moments(self, column: str, function: str, dtype: pa.DataType) -> Finish:
        moments = Moments(column)
        self._use(moments)
        count = self._use(Count(column))

        def finish(columns: StateColumns, slots: Slots) -> pa.Array:
            counts = columns[count][slots]
            values = variance(columns[moments.deviations][slots], counts)
            return to_arrow(np.sqrt(values) if function == "std" else values, counts > 1, dtype)

        return finish

    def _plan_custom(self, aggregation: Aggregation) -> Finish:
        assert aggregation.custom is not None
        custom = Custom(aggregation.output, aggregation.custom, self._step, self._schema)
        self._use(custom)
        schema = pa.schema([pa.field(aggregation.output, aggregation.type)])

        def finish(columns: StateColumns, slots: Slots) -> pa.Array:
            result = custom.finish(columns, slots).reset_index(drop=True)
            return from_pandas(result.to_frame(aggregation.output), schema)[aggregation.output]

        return finish


def _plain(name: str, dtype: pa.DataType) -> Finish:
    return lambda columns, slots: to_arrow(columns[name][slots], None, dtype)


def _counted(name: str, count: str, dtype: pa.DataType) -> Finish:
    return lambda columns, slots: to_arrow(columns[name][slots], columns[count][slots] > 0, dtype)


def _mean(total: str, count: str, dtype: pa.DataType) -> Finish:
    def finish(columns: StateColumns, slots: Slots) -> pa.Array:
        counts = columns[count][slots]
        return to_arrow(columns[total][slots] / np.maximum(counts, 1), counts > 0, dtype)

    return finish


def _seen(endmost: Endmost, function: str, dtype: pa.DataType) -> Finish:
    never = NEVER[function]
    return lambda columns, slots: to_arrow(columns[endmost.name][slots], columns[endmost.time][slots] != never, dtype)
