"""The classes that users chain: ``Frame -> Grouped -> Windowed -> Aggregated``.

Rule 1: frames never change; every verb returns a new one, and using one twice is fine.
Rule 2: each class has only the verbs that make sense next. What pandas has and a stream cannot have is hidden
from type checkers and raises an error that names the alternative.
Rule 3: the one side effect is that ``to_topic``, ``for_each_batch`` and ``print`` add a sink to the program.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pandas as pd
import pyarrow as pa

from streamframe.api import sinks, stateful_steps, steps
from streamframe.api.aggregations import AggregationLike
from streamframe.api.declarations import Declarations
from streamframe.api.stateful_steps import Grouping
from streamframe.api.unsupported import column_hint, unsupported_group_verb, unsupported_verb
from streamframe.core.errors import PlanError
from streamframe.core.schema import SchemaLike
from streamframe.core.serde_spec import SerdeSpec
from streamframe.plan.nodes import Aggregate, Emit, MetaColumn, Node, OnError, Window

JSON: Final = SerdeSpec("json")

Predicate = Callable[[pd.DataFrame], Any]
"""Gets a batch, returns a boolean Series with one value for each row."""

ColumnFunction = Callable[[pd.DataFrame], Any]
"""Gets a batch, returns a Series or array with one value for each row."""


class Frame:
    """Rows of a stream: a description of where they come from and what is done with them.

    Made by ``app.topic(...)``; nothing is read before the app runs. User functions get plain pandas: a
    DataFrame with a RangeIndex and the columns that they use.

    Example:
        >>> clicks = app.topic("clicks", schema={"user": "string", "amount": "float64"})  # doctest: +SKIP
        >>> clicks.query("amount > 0").groupby("user").agg(n="size").to_topic("counts")  # doctest: +SKIP
    """

    __slots__ = ("_declarations", "_node")

    _node: Node
    _declarations: Declarations

    def __init__(self, node: Node, declarations: Declarations) -> None:
        object.__setattr__(self, "_node", node)
        object.__setattr__(self, "_declarations", declarations)

    def __repr__(self) -> str:
        columns = ", ".join(f"{field.name}: {field.type}" for field in self._node.schema)
        return f"<{type(self).__name__} {self._node.name} [{columns}]>"

    # --- what it has ------------------------------------------------------------------------------

    @property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the columns."""
        return self._node.schema

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._node.schema.names)

    def head(self, n: int = 5) -> pd.DataFrame:
        """Read a few real records, without a consumer group and without committing, through the steps.

        Args:
            n: How many rows.

        Returns:
            At most ``n`` rows that leave the steps up to here.

        Raises:
            PlanError: The steps keep state.
        """
        return self._declarations.head(self._node, n)

    # --- rows -------------------------------------------------------------------------------------

    def query(self, expr: str, *, on_error: OnError | None = None) -> Frame:
        """Keep the rows for which a pandas query is true.

        Args:
            expr: As in ``DataFrame.query``: ``"amount > @limit and page != 'test'"``. The values of
                ``@variables`` are taken now, where the query is written.
            on_error: What to do with a row that makes it raise: ``"fail"``, ``"skip"`` or ``"dead_letter"``.

        Raises:
            PlanError: A column or variable is unknown, or the result is not boolean.
        """
        caller = sys._getframe(1)
        return self._with(steps.query_step(self._node, expr, caller, self._declarations, on_error))

    def filter(self, predicate: Predicate, *, on_error: OnError | None = None) -> Frame:
        """Keep the rows for which a function is true.

        Args:
            predicate: Gets a batch as a DataFrame, returns a boolean Series of its length.
            on_error: What to do with a row that makes it raise: ``"fail"``, ``"skip"`` or ``"dead_letter"``.

        Raises:
            PlanError: The function failed on an empty frame, or did not return a boolean Series.
        """
        return self._with(steps.filter_step(self._node, predicate, self._declarations, on_error))

    def explode(self, column: str) -> Frame:
        """Make one row of each element of a list column, as in pandas; an empty list gives one row with null.

        Raises:
            PlanError: The column does not exist or does not hold lists.
        """
        return self._with(steps.explode_step(self._node, column, self._declarations))

    def union(self, *others: Frame) -> Frame:
        """Return the rows of this frame and the others; their columns must agree in name and type.

        Raises:
            PlanError: A column is missing or has another type, or a frame belongs to another app.
        """
        return union(self, *others)

    # --- columns ----------------------------------------------------------------------------------

    def assign(
        self, *, on_error: OnError | None = None, **columns: ColumnFunction | MetaColumn | steps.Scalar
    ) -> Frame:
        """Add or replace columns, in order: later ones see earlier ones.

        Args:
            on_error: What to do with a row that makes a function raise: ``"fail"``, ``"skip"`` or
                ``"dead_letter"``.
            **columns: A function of the batch that returns a Series of its length, a constant, or Kafka
                metadata (``sf.meta.partition``).

        Raises:
            PlanError: A function failed on an empty frame, or the type of its result cannot be told.

        Example:
            >>> clicks.assign(euro=lambda df: df["amount"] * 0.92, source=sf.meta.partition)  # doctest: +SKIP
        """
        return self._with(steps.assign_step(self._node, columns, self._declarations, on_error))

    def select(self, *columns: str | Iterable[str]) -> Frame:
        """Keep the named columns, in that order: ``select("user", "amount")`` or ``select(["user", "amount"])``.

        Raises:
            PlanError: A column does not exist.
        """
        return self._with(steps.select_step(self._node, columns, self._declarations))

    def drop(self, *names: str | Iterable[str], columns: str | Iterable[str] = ()) -> Frame:
        """Keep all columns but the named ones: ``drop("user")``, or ``drop(columns=["user"])`` as in pandas.

        Raises:
            PlanError: A column does not exist, or none would be left.
        """
        return self._with(steps.drop_step(self._node, (*names, columns), self._declarations))

    def rename(self, columns: Mapping[str, str]) -> Frame:
        """Rename columns: ``rename(columns={"old": "new"})``.

        Raises:
            PlanError: A column does not exist, or two would have the same name.
        """
        return self._with(steps.rename_step(self._node, columns, self._declarations))

    def astype(self, types: Mapping[str, object], *, on_error: OnError | None = None) -> Frame:
        """Change the types of columns; a value that does not fit makes its row an error row.

        Args:
            types: Column -> type: ``"float64"``, ``"timestamp[ms]"``, a ``pa.DataType`` or a Python type.
            on_error: What to do with a row that cannot be cast: ``"fail"``, ``"skip"`` or ``"dead_letter"``.

        Raises:
            PlanError: A column does not exist, or cannot be cast at all.
        """
        return self._with(steps.cast_step(self._node, types, self._declarations, on_error))

    def map_batches(
        self,
        function: Callable[[pd.DataFrame], pd.DataFrame],
        schema: SchemaLike | None = None,
        *,
        event_time: str | None = None,
        on_error: OnError | None = None,
    ) -> Frame:
        """Turn each batch into another DataFrame, of any length.

        Batches are cut anywhere, so the result must not depend on which rows come together.

        Args:
            function: Gets a batch as a DataFrame, returns a DataFrame.
            schema: Columns of the result; ``None``: those that it returns for an empty frame.
            event_time: Column of the result with the event time. Without it a row keeps the time of the row
                with the same index label.
            on_error: What to do with a row that makes it raise: ``"fail"``, ``"skip"`` or ``"dead_letter"``.

        Raises:
            PlanError: The function failed on an empty frame, or returned other columns than declared.
        """
        return self._with(steps.map_step(self._node, function, schema, event_time, self._declarations, on_error))

    # --- groups -----------------------------------------------------------------------------------

    def groupby(self, *keys: str | Sequence[str], dropna: bool = True) -> Grouped:
        """Group rows by columns: ``groupby("user", "page")`` or ``groupby(["user", "page"])``.

        Args:
            *keys: Integer, boolean, string, binary, date or timestamp columns.
            dropna: Leave out rows with a null among the keys, as in pandas.

        Raises:
            PlanError: A column does not exist or may not be a key.
        """
        return Grouped(stateful_steps.grouping(self._node, keys, keep_null_keys=not dropna), self._declarations)

    # --- sinks ------------------------------------------------------------------------------------

    def to_topic(
        self,
        name: str,
        *,
        key: str | Sequence[str] | None = None,
        value: SerdeSpec = JSON,
        on_error: OnError | None = None,
    ) -> None:
        """Write the rows to a topic, in the transaction that commits their inputs.

        Args:
            name: The topic.
            key: Column or columns that make the record key. Without it, results of an aggregate are written
                under their keys, other rows under the key of the record that they came from.
            value: How the columns become bytes: ``sf.json()``, ``sf.raw()``, ``sf.string()``.
            on_error: What to do with a row that cannot be encoded: ``"fail"``, ``"skip"`` or ``"dead_letter"``.

        Raises:
            PlanError: The name is not legal, a key column is wrong, or the serde cannot carry the columns.
        """
        self._declarations.add(sinks.topic_sink(self._node, name, key, value, self._declarations, on_error))

    def for_each_batch(
        self,
        function: Callable[[pd.DataFrame, str], object],
        *,
        name: str | None = None,
        on_error: OnError | None = None,
    ) -> None:
        """Call a function with the rows of each commit.

        Args:
            function: Gets the rows as a DataFrame, and a batch id. After a failure it may be called again,
                with the same id and the same rows: an upsert under that id makes the effect exactly once.
            name: Name of the step, for metrics and errors.
            on_error: What to do with rows that make it raise: ``"fail"``, ``"skip"`` or ``"dead_letter"``.

        Raises:
            PlanError: It is no function.
        """
        self._declarations.add(sinks.batch_sink(self._node, function, name, self._declarations, on_error))

    def print(self, limit: int = 20, prefix: str = "") -> None:
        """Print rows after the commit that made them count.

        Args:
            limit: Rows of each commit that are printed at most.
            prefix: Put before each line.

        Raises:
            PlanError: The limit is no positive number.
        """
        self._declarations.add(sinks.print_sink(self._node, limit, prefix, self._declarations))

    def _with(self, node: Node) -> Frame:
        return Frame(node, self._declarations)

    if not TYPE_CHECKING:
        # Hidden from type checkers: to them these verbs do not exist.

        def __getattr__(self, name: str) -> NoReturn:
            # A copy of a frame that is still being made has no node to ask.
            columns = () if name.startswith("_") else self._node.schema.names
            raise unsupported_verb(self, name, columns)

        def __getitem__(self, item: object) -> NoReturn:
            raise PlanError("a frame has no columns to take out", hint=column_hint(item), frame=self._node.name)

        def __setitem__(self, item: object, value: object) -> NoReturn:
            raise PlanError(
                "frames never change", hint=f"frame = frame.assign({item}=lambda df: ...)", frame=self._node.name
            )

        def __delitem__(self, item: object) -> NoReturn:
            raise PlanError("frames never change", hint=f"frame = frame.drop({item!r})", frame=self._node.name)

        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise PlanError(
                "frames never change", hint=f"frame = frame.assign({name}=lambda df: ...)", frame=self._node.name
            )

        def __len__(self) -> NoReturn:
            raise PlanError(
                "a stream has no length", hint="groupby(...).agg(n='size') counts rows", frame=self._node.name
            )

        def __bool__(self) -> NoReturn:
            raise PlanError(
                "a frame is neither true nor false",
                hint="compare with None: if frame is not None; filter(...) keeps rows",
                frame=self._node.name,
            )

        def __iter__(self) -> Iterator[object]:
            raise PlanError(
                "a stream cannot be iterated over",
                hint="for_each_batch(fn) gets the rows of each commit; frame.columns has the names",
                frame=self._node.name,
            )

        def __contains__(self, item: object) -> NoReturn:
            raise PlanError("a frame contains no values", hint=f"{item!r} in frame.columns", frame=self._node.name)


class _Groups:
    """What groups of rows have in common, with windows or without: they wait for ``agg`` and are no columns."""

    __slots__ = ("_declarations", "_groups")
    _word = "groups"

    def __init__(self, groups: Grouping, declarations: Declarations) -> None:
        self._groups = groups
        self._declarations = declarations

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._groups.node.name} by {', '.join(self._groups.keys)}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise unsupported_group_verb(self, name)

        def __getitem__(self, item: object) -> NoReturn:
            raise PlanError(
                f"{self._word} have no columns to take out",
                hint=f"agg(out=({item!r}, 'sum'))",
                frame=self._groups.node.name,
            )

        def __iter__(self) -> Iterator[object]:
            raise PlanError(f"{self._word} of a stream cannot be iterated over", hint="agg(n='size')")


class Grouped(_Groups):
    """Rows by key, made by ``frame.groupby(...)``. Next: ``window`` or ``agg``."""

    __slots__ = ()

    def window(self, window: Window) -> Windowed:
        """Group by window of event time as well: ``window(sf.tumbling("1min", grace="10s"))``.

        Raises:
            PlanError: It is no window.
        """
        return Windowed(stateful_steps.windowed(self._groups, window), self._declarations)

    def agg(
        self,
        columns: Mapping[str, str | Sequence[str]] | None = None,
        /,
        *,
        name: str | None = None,
        emit: Emit | None = None,
        **outputs: AggregationLike,
    ) -> Aggregated:
        """Aggregate each group into a table: the present value of each key, emitted whenever it changed.

        Args:
            columns: ``{"amount": ["sum", "mean"]}`` makes ``amount_sum`` and ``amount_mean``.
            name: Decides the names of the store and its topics. Generated when left out.
            emit: ``"changes"``, the only choice without a window.
            **outputs: Output column -> ``("column", "function")``, ``"size"`` or an ``sf.Aggregate``.

        Returns:
            A frame of the keys and the outputs.

        Raises:
            PlanError: An aggregation is unknown, or does not take a column of that type.

        Example:
            >>> visits.groupby("user").agg(last=("ts", "max"), n="size", name="visits")  # doctest: +SKIP
        """
        node = stateful_steps.aggregate_step(self._groups, columns, outputs, name, emit)
        return Aggregated(node, self._declarations)


class Windowed(_Groups):
    """Rows by key and window, made by ``groupby(...).window(...)``. Next: ``agg``."""

    __slots__ = ()
    _word = "windows"

    def agg(
        self,
        columns: Mapping[str, str | Sequence[str]] | None = None,
        /,
        *,
        name: str | None = None,
        emit: Emit | None = None,
        **outputs: AggregationLike,
    ) -> WindowAggregated:
        """Aggregate each group of each window.

        Args:
            columns: ``{"amount": ["sum", "mean"]}`` makes ``amount_sum`` and ``amount_mean``.
            name: Decides the names of the store and its topics. Generated when left out.
            emit: ``"final"`` (default): each key and window once, when the window closes. ``"changes"``: the
                present value of each key and window that changed, once per commit.
            **outputs: Output column -> ``("column", "function")``, ``"size"`` or an ``sf.Aggregate``.

        Returns:
            A frame of the keys, ``window_start``, ``window_end`` and the outputs.

        Raises:
            PlanError: An aggregation is unknown, or does not take a column of that type.

        Example:
            >>> windows.agg(total=("amount", "sum"), n="size", name="totals")  # doctest: +SKIP
        """
        node = stateful_steps.aggregate_step(self._groups, columns, outputs, name, emit)
        return WindowAggregated(node, self._declarations)


class Aggregated(Frame):
    """Results of an aggregate: a frame that can also be written with another ``emit``."""

    __slots__ = ()

    def to_topic(
        self,
        name: str,
        *,
        key: str | Sequence[str] | None = None,
        value: SerdeSpec = JSON,
        on_error: OnError | None = None,
        emit: Emit | None = None,
    ) -> None:
        """Write the results to a topic, in the transaction that commits their inputs.

        Args:
            name: The topic.
            key: Column or columns that make the record key. Without it the keys of the aggregate, and
                ``window_start`` when changes of windows are emitted: a compacted topic then keeps one record
                for each key and window.
            value: How the columns become bytes: ``sf.json()``, ``sf.raw()``, ``sf.string()``.
            on_error: What to do with a row that cannot be encoded: ``"fail"``, ``"skip"`` or ``"dead_letter"``.
            emit: ``"final"`` or ``"changes"``; ``None``: as declared in ``agg``. All uses of one aggregate
                must agree.

        Raises:
            PlanError: The name is not legal, a key column is wrong, or ``emit`` makes no sense here.
        """
        node = stateful_steps.with_emit(self._aggregate, emit)
        self._declarations.add(sinks.topic_sink(node, name, key, value, self._declarations, on_error))

    @property
    def _aggregate(self) -> Aggregate:
        assert isinstance(self._node, Aggregate)
        return self._node


class WindowAggregated(Aggregated):
    """Results of windows, and the rows that came too late for them."""

    __slots__ = ()

    @property
    def late(self) -> Frame:
        """The rows that were late for a window: a frame like any other.

        Its columns are those of the rows, ``window_start`` and ``window_end`` of the closed window, and
        ``late_by``: how far the row's own partition had advanced beyond the row's event time. A row that is
        late for several windows occurs several times.

        Raises:
            PlanError: The rows already have a column of one of these names.
        """
        known = self._declarations.late
        node = known.get(self._aggregate) or stateful_steps.late_step(self._aggregate)
        return Frame(known.setdefault(self._aggregate, node), self._declarations)


def union(*frames: Frame) -> Frame:
    """Return the rows of several frames; their columns must agree in name and type, in any order.

    Raises:
        PlanError: There are fewer than two, a column is missing or has another type, or they belong to
            different apps.

    Example:
        >>> sf.union(web, mobile).groupby("user").agg(n="size")  # doctest: +SKIP
    """
    for frame in frames:
        if not isinstance(frame, Frame):
            raise PlanError("a union takes frames", hint="sf.union(web, mobile)", got=type(frame).__name__)
        if frame._declarations is not frames[0]._declarations:
            raise PlanError("frames of different apps cannot be united", frame=frame._node.name)
    declarations = frames[0]._declarations if frames else Declarations()
    return Frame(steps.union_step([frame._node for frame in frames], declarations), declarations)
