"""The stateless steps: filter, assign, project, cast, explode, map_batches; union and late rows pass through.

Each takes rows and gives rows; nothing is remembered between batches, so how the input was cut does not matter.
Columns that nobody behind a step reads may be absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.errors import UserFunctionError
from streamframe.core.metrics import ROWS_ADDED, ROWS_FILTERED
from streamframe.operators.guard import Guard
from streamframe.operators.kafka_columns import meta_column
from streamframe.operators.query import Query, boolean_mask
from streamframe.operators.rows import ColumnPruned, Rows
from streamframe.operators.source import micros_of
from streamframe.operators.turn import Turn
from streamframe.plan.nodes import (
    Assign,
    Cast,
    Explode,
    Filter,
    Late,
    MapBatches,
    MetaColumn,
    Node,
    Project,
    Step,
    Union,
)
from streamframe.plan.topology import Stage
from streamframe.serde.base import Columns
from streamframe.serde.pandas_frames import chosen_columns, column_of

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What every step gets.

    Attributes:
        stage: The stage.
        guard: Runs users' functions.
        needed: Columns that the stages behind it read.
        whole: Every column was decoded: functions see all columns.
        topics: Names of the source topics, by number.
    """

    stage: Stage
    guard: Guard
    needed: frozenset[str]
    whole: bool
    topics: tuple[str, ...]

    @property
    def seen(self) -> frozenset[str] | None:
        """Columns that the step's function sees; ``None``: all."""
        node = self.stage.node
        assert isinstance(node, Step)
        return None if self.whole else node.uses

    @property
    def name(self) -> str:
        """Name of the step."""
        return self.stage.node.name


class PassOn:
    """Union and late rows: what comes, goes."""

    def __init__(self, context: StepContext) -> None:
        self.stage = context.stage

    def process(self, rows: Rows, turn: Turn) -> None:
        """Hand the rows on."""
        turn.emit(self.stage.index, rows)


class Filtering:
    """Keeps the rows for which the predicate is true."""

    def __init__(self, context: StepContext, node: Filter) -> None:
        self.stage = context.stage
        self._context = context
        predicate = node.predicate
        if isinstance(predicate, str):
            query = Query(predicate, node.variables, node.input.schema)
            self._matches: Callable[[Rows], npt.NDArray[np.bool_]] = lambda rows: query.matches(rows, context.seen)
        else:
            self._matches = lambda rows: boolean_mask(predicate(rows.frame(node.input.schema, context.seen)), len(rows))

    def process(self, rows: Rows, turn: Turn) -> None:
        """Emit the rows that match."""
        for piece, mask in self._context.guard.apply(rows, self._matches, self._context.seen, turn):
            turn.count(ROWS_FILTERED, self._context.name, int(np.count_nonzero(~mask)))
            turn.emit(self.stage.index, piece.keep(mask))


class Assigning:
    """Adds or replaces columns."""

    def __init__(self, context: StepContext, node: Assign) -> None:
        self.stage = context.stage
        self._context = context
        self._node = node

    def process(self, rows: Rows, turn: Turn) -> None:
        """Emit the rows with the columns."""
        for _, result in self._context.guard.apply(rows, self._assigned, self._context.seen, turn):
            turn.emit(self.stage.index, result)

    def _assigned(self, rows: Rows) -> Rows:
        for name, value in self._node.assignments:
            field = self._node.schema.field(name)
            if isinstance(value, MetaColumn):
                rows = self._with(rows, name, meta_column(value, rows, field.type, self._context.topics), None)
            elif callable(value):
                series = self._called(name, value, rows)
                rows = self._with(rows, name, column_of(series, field), series)
            else:
                rows = self._with(rows, name, pa.array([value], field.type).take(_zeros(len(rows))), None)
        return rows

    def _called(self, name: str, function: Callable[[pd.DataFrame], object], rows: Rows) -> pd.Series:
        seen = self._context.seen
        if seen is not None:
            seen |= self._assigned_names
        result = function(rows.frame(self._node.schema, seen))
        if isinstance(result, pd.Series | np.ndarray | list | pd.api.extensions.ExtensionArray | pd.Index):
            if len(result) == len(rows):
                # By position: the index of a result is the user's affair.
                return pd.Series(result.array if isinstance(result, pd.Series | pd.Index) else result, name=name)
        elif pd.api.types.is_scalar(result):
            return pd.Series([result] * len(rows), name=name)
        shape = f"{type(result).__name__} of {len(result)}" if hasattr(result, "__len__") else repr(result)[:80]
        raise UserFunctionError(
            "a function of assign must return one value per row",
            step=self._context.name,
            column=name,
            rows=len(rows),
            returned=shape,
        )

    @property
    def _assigned_names(self) -> frozenset[str]:
        return frozenset(name for name, _ in self._node.assignments)

    def _with(self, rows: Rows, name: str, column: pa.Array, series: pd.Series | None) -> Rows:
        frame = rows.cached_frame
        if frame is not None and series is not None:
            frame = frame.copy(deep=False)
            frame[name] = series
            return rows.with_columns({**rows.columns, name: column}, frame)
        return rows.with_columns({**rows.columns, name: column})


class Projecting:
    """Chooses and renames columns."""

    def __init__(self, context: StepContext, node: Project) -> None:
        self.stage = context.stage
        self._columns = node.columns

    def process(self, rows: Rows, turn: Turn) -> None:
        """Emit the chosen columns that are there."""
        columns = {new: rows.columns[old] for new, old in self._columns if old in rows.columns}
        turn.emit(self.stage.index, rows.with_columns(columns))


class Casting:
    """Changes column types with the rules of pandas' ``astype``: floats are cut, text is parsed."""

    def __init__(self, context: StepContext, node: Cast) -> None:
        self.stage = context.stage
        self._context = context
        self._types = {name: node.schema.field(name).type for name in node.columns}

    def process(self, rows: Rows, turn: Turn) -> None:
        """Emit the rows with the types; rows with a value that cannot be cast are set aside."""
        for _, result in self._context.guard.apply(rows, self._cast, frozenset(), turn):
            turn.emit(self.stage.index, result)

    def _cast(self, rows: Rows) -> Rows:
        columns = dict(rows.columns)
        for name, dtype in self._types.items():
            if name in columns:
                columns[name] = cast_column(columns[name], dtype)
        return rows.with_columns(columns)


def cast_column(column: pa.Array, dtype: pa.DataType) -> pa.Array:
    """Return a column in another type, nulls staying null.

    Raises:
        ArrowInvalid: A value has no counterpart in the type.
    """
    source = column.type
    if source == dtype:
        return column
    if pa.types.is_large_string(dtype) and (pa.types.is_floating(source) or pa.types.is_boolean(source)):
        # Text as pandas writes it: 1.0 and True, not 1 and true.
        known = np.asarray(pc.is_valid(column))
        values = pc.fill_null(column, 0 if pa.types.is_floating(source) else False)
        return pa.array(values.to_numpy(zero_copy_only=False).astype(str), dtype, mask=~known)
    if pa.types.is_boolean(dtype) and pa.types.is_large_string(source):
        return pc.fill_null(pc.not_equal(column, ""), pa.scalar(None, pa.bool_()))
    options = pc.CastOptions(
        target_type=dtype, allow_float_truncate=True, allow_time_truncate=True, allow_decimal_truncate=True
    )
    return pc.cast(column, options=options)


class Exploding:
    """One row per element of a list column; an empty or null list gives one row with null."""

    def __init__(self, context: StepContext, node: Explode) -> None:
        self.stage = context.stage
        self._context = context
        self._column = node.column

    def process(self, rows: Rows, turn: Turn) -> None:
        """Emit a row per element."""
        lists = rows.columns[self._column]
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        repeats = np.maximum(lengths, 1)
        positions = np.repeat(np.arange(len(rows)), repeats)
        # Flattening leaves out empty and null lists; their rows take no element.
        elements = np.cumsum(np.repeat(lengths > 0, repeats)) - 1
        index = pa.array(elements, mask=np.repeat(lengths == 0, repeats))
        exploded = rows.with_columns({name: c for name, c in rows.columns.items() if name != self._column})
        result = exploded.take(positions)
        values = pc.list_flatten(lists).take(index)
        columns = {name: values if name == self._column else result.columns[name] for name in rows.columns}
        turn.count(ROWS_ADDED, self._context.name, len(positions) - len(rows))
        turn.emit(self.stage.index, result.with_columns(columns))


class BatchMapping:
    """A user's function from frame to frame, of any length."""

    def __init__(self, context: StepContext, node: MapBatches) -> None:
        self.stage = context.stage
        self._context = context
        self._node = node
        self._time_column = node.event_time

    def process(self, rows: Rows, turn: Turn) -> None:
        """Emit what the function makes of the rows."""
        for piece, result in self._context.guard.apply(rows, self._mapped, self._context.seen, turn):
            turn.count(ROWS_ADDED, self._context.name, len(result) - len(piece))
            turn.emit(self.stage.index, result)

    def _mapped(self, rows: Rows) -> Rows:
        frame = self._node.function(rows.frame(self._node.input.schema, self._context.seen))
        if not isinstance(frame, pd.DataFrame):
            raise self._wrong("a function of map_batches must return a DataFrame", returned=type(frame).__name__)
        columns = self._columns(frame, rows)
        timed = self._time_column is not None and self._time_column in columns
        marks = rows.marks.take(self._positions(frame.index, len(rows), timed=timed))
        result = Rows(columns, marks)
        if timed:
            assert self._time_column is not None
            times, wrong = micros_of(columns[self._time_column])
            if wrong is not None:
                raise ValueError(f"column {self._time_column!r} holds a null or a time out of range")
            result = Rows(columns, replace(marks, times=times))
        return result

    def _columns(self, frame: pd.DataFrame, rows: Rows) -> Columns:
        wanted = [name for name in self._node.schema.names if name in self._context.needed or name in frame.columns]
        absent = [name for name in wanted if name not in frame.columns]
        if absent:
            pruned = tuple(
                name for name in absent if name in self._node.input.schema.names and name not in rows.columns
            )
            if pruned and not self._context.whole:
                raise ColumnPruned(self._context.name, pruned)
            raise self._wrong("a function of map_batches left out columns", columns=", ".join(absent))
        return chosen_columns(frame, pa.schema([self._node.schema.field(name) for name in wanted]))

    def _positions(self, index: pd.Index, rows: int, *, timed: bool) -> Int64Array:
        """Return the row that each row of the result comes from, by the label of the index."""
        if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1 and len(index) <= rows:
            return np.arange(len(index))
        if pd.api.types.is_integer_dtype(index.dtype):
            labels = index.to_numpy(np.int64)
            if not len(labels) or (labels.min() >= 0 and labels.max() < rows):
                return labels
        if timed:
            return np.minimum(np.arange(len(index)), rows - 1)
        raise self._wrong(
            "the rows that map_batches returned cannot be related to the rows it was given",
            hint="keep the index labels of the frame, or return the event time column",
            rows=rows,
            returned=len(index),
        )

    def _wrong(self, message: str, **facts: object) -> UserFunctionError:
        hint = facts.pop("hint", None)
        return UserFunctionError(message, hint=None if hint is None else str(hint), step=self._context.name, **facts)


def _zeros(count: int) -> pa.Array:
    return pa.array(np.zeros(count, np.int64))


StatelessOperator = PassOn | Filtering | Assigning | Projecting | Casting | Exploding | BatchMapping


def stateless(context: StepContext) -> StatelessOperator | None:
    """Return the operator of a stateless step; ``None`` for a sink."""
    node: Node = context.stage.node
    match node:
        case Union() | Late():
            return PassOn(context)
        case Filter():
            return Filtering(context, node)
        case Assign():
            return Assigning(context, node)
        case Project():
            return Projecting(context, node)
        case Cast():
            return Casting(context, node)
        case Explode():
            return Exploding(context, node)
        case MapBatches():
            return BatchMapping(context, node)
        case _:
            pass
    return None
