"""The verbs that keep state as nodes: ``groupby``, ``window``, ``agg`` and what is made of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

import pyarrow as pa

from streamframe.api.aggregations import AggregationLike, aggregations_of
from streamframe.api.column_types import check_keys, names_of
from streamframe.core.errors import PlanError
from streamframe.core.suggest import did_you_mean
from streamframe.plan.names import aggregate_name, is_legal_topic_name
from streamframe.plan.nodes import Aggregate, Emit, Late, Node, Window
from streamframe.plan.validate import check_emission

WINDOW_FIELDS: Final = (pa.field("window_start", pa.timestamp("ms")), pa.field("window_end", pa.timestamp("ms")))
LATE_FIELDS: Final = (*WINDOW_FIELDS, pa.field("late_by", pa.duration("us")))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """The rows of a node by key, and by window if there is one."""

    node: Node
    keys: tuple[str, ...]
    keep_null_keys: bool = False
    window: Window | None = None


def grouping(node: Node, keys: Sequence[str | Sequence[str]], *, keep_null_keys: bool) -> Grouping:
    """Return the rows of a node by key.

    Raises:
        PlanError: There is no key, a column does not exist or may not be a key.
    """
    names = tuple(name for key in keys for name in names_of(key))
    if not names:
        raise PlanError(
            "groupby needs at least one column",
            hint="for one group of all rows, group by a constant: .assign(all='').groupby('all')",
            step=node.name,
        )
    check_keys(names, node.schema, step=f"groupby on {node.name}")
    return Grouping(node=node, keys=names, keep_null_keys=keep_null_keys)


def windowed(groups: Grouping, window: Window) -> Grouping:
    """Return groups by window as well.

    Raises:
        PlanError: ``window`` is no window.
    """
    if not isinstance(window, Window):
        raise PlanError(
            "not a window",
            hint="window(sf.tumbling('1min')) or window(sf.hopping('1h', every='5min'))",
            step=groups.node.name,
            got=window,
        )
    return replace(groups, window=window)


def aggregate_step(
    groups: Grouping,
    columns: Mapping[str, str | Sequence[str]] | None,
    outputs: Mapping[str, AggregationLike],
    name: str | None,
    emit: Emit | None,
) -> Aggregate:
    """Return the step that aggregates groups.

    Raises:
        PlanError: An aggregation is wrong, a name is not legal, or the rows are changes of other results.
    """
    node, keys, window = groups.node, groups.keys, groups.window
    step = checked_name(name) or aggregate_name(node, keys, window)
    aggregations = aggregations_of(node, columns, outputs, step=step)
    fields = [node.schema.field(key) for key in keys]
    fields += WINDOW_FIELDS if window is not None else ()
    taken = {field.name for field in fields}
    for aggregation in aggregations:
        if aggregation.output in taken:
            raise PlanError(
                "an output has the name of a key or of a window column",
                hint="name it otherwise: agg(total=(...))",
                step=step,
                output=aggregation.output,
            )
    if len(taken) < len(fields):
        raise PlanError(
            "a key has the name of a window column",
            hint="rename it first: .rename(columns={'window_start': 'inner_start'})",
            step=step,
            keys=list(keys),
        )
    fields += [pa.field(aggregation.output, aggregation.type) for aggregation in aggregations]
    if not groups.keep_null_keys:
        fields[: len(keys)] = [field.with_nullable(False) for field in fields[: len(keys)]]
    aggregate = Aggregate(
        name=step,
        generated=name is None,
        schema=pa.schema(fields),
        input=node,
        uses=frozenset({*keys, *(column for aggregation in aggregations for column in aggregation.inputs)}),
        keys=keys,
        window=window,
        aggregations=aggregations,
        emit=checked_emit(emit, step=step) or ("changes" if window is None else "final"),
        keep_null_keys=groups.keep_null_keys,
    )
    check_emission(aggregate)
    return aggregate


def with_emit(node: Aggregate, emit: Emit | None) -> Aggregate:
    """Return a twin of an aggregate that emits otherwise, or the aggregate itself.

    Raises:
        PlanError: ``emit`` is unknown, or asks for final results without a window.
    """
    wanted = checked_emit(emit, step=node.name)
    if wanted is None or wanted == node.emit:
        return node
    twin = replace(node, emit=wanted)
    check_emission(twin)
    return twin


def late_step(node: Aggregate) -> Late:
    """Return the rows that were late for a window.

    Raises:
        PlanError: The rows already have columns with the names that late rows get.
    """
    rows = node.input.schema
    taken = [field.name for field in LATE_FIELDS if field.name in rows.names]
    if taken:
        raise PlanError(
            "late rows would have two columns of one name",
            hint=f"rename it before the groupby: .rename(columns={{{taken[0]!r}: 'inner_{taken[0]}'}})",
            step=node.name,
            columns=taken,
        )
    return Late(name=f"{node.name}-late", schema=pa.schema([*rows, *LATE_FIELDS]), aggregate=node)


def checked_name(name: object) -> str | None:
    """Return the name of a step as the user wrote it.

    Raises:
        PlanError: It cannot be part of a topic name.
    """
    if name is None:
        return None
    if not isinstance(name, str) or not is_legal_topic_name(name):
        raise PlanError(
            "the name of a step must make a legal topic name",
            hint="use letters, digits, '.', '_' and '-'; an output column that is called 'name' needs another name",
            name=name,
        )
    return name


def checked_emit(emit: Emit | None, *, step: str) -> Emit | None:
    """Return what to emit as the user wrote it.

    Raises:
        PlanError: It is unknown.
    """
    if emit is not None and emit not in get_args(Emit):
        raise PlanError(
            "unknown emit",
            hint=did_you_mean(str(emit), get_args(Emit)) or "emit='final' or emit='changes'",
            step=step,
            emit=emit,
        )
    return emit
