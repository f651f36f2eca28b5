"""Verbs as nodes: each function checks one step over a node and returns the node of the step.

Frames are thin: their methods call these functions. What is checked here concerns one step and its columns;
what concerns the whole program is checked by ``streamframe.plan.validate``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import FrameType
from typing import Any, Final, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.types as pat

from streamframe.api import meta
from streamframe.api.column_types import check_columns, column_type, is_list, names_of, unknown_column
from streamframe.api.declarations import Declarations
from streamframe.api.dry_run import (
    boolean_result,
    check_on_samples,
    check_result_columns,
    sample_frame,
    schema_of_result,
    tried,
    type_of_column,
)
from streamframe.api.query import captured, read_query
from streamframe.api.tracing import traced_columns
from streamframe.core.errors import PlanError
from streamframe.core.schema import SchemaLike, normalise_schema
from streamframe.core.suggest import did_you_mean
from streamframe.plan.graph import has_row_origin
from streamframe.plan.names import stateless_name
from streamframe.plan.nodes import (
    Assign,
    Cast,
    Explode,
    Filter,
    MapBatches,
    MetaColumn,
    Node,
    OnError,
    Project,
    Union,
)
from streamframe.serde.pandas_frames import schema_of

Scalar = int | float | bool | str | bytes | datetime | date | timedelta
_SCALARS: Final = get_args(Scalar)


def check_on_error(value: object, *, step: str) -> None:
    """Check a policy for errors in data.

    Raises:
        PlanError: It is none.
    """
    known = get_args(OnError)
    if value is not None and value not in known:
        raise PlanError(
            "unknown on_error", hint=did_you_mean(str(value), known) or f"one of {known}", step=step, on_error=value
        )


def query_step(
    node: Node, text: object, caller: FrameType, declarations: Declarations, on_error: OnError | None
) -> Filter:
    """Return the step that keeps the rows for which a query text is true."""
    if not isinstance(text, str):
        raise PlanError(
            "a query is a text", hint="use filter(...) with a function", step=stateless_name(node, "query"), query=text
        )
    draft = stateless_name(node, "query")
    query = read_query(text, step=draft)
    check_columns(query.names, node.schema, step=draft)
    name = declarations.unused_name(stateless_name(node, "query", query.names))
    check_on_error(on_error, step=name)
    variables = captured(query, caller, step=name)

    def evaluate(frame: pd.DataFrame) -> Any:
        return frame.eval(text, local_dict=variables, global_dict={})

    boolean_result(tried(evaluate, node.schema, step=name), step=name)
    check_on_samples(evaluate, sample_frame(node.schema), step=name)
    return Filter(
        name=name,
        schema=node.schema,
        input=node,
        uses=frozenset(query.names),
        predicate=text,
        variables=variables,
        on_error=on_error,
    )


def filter_step(node: Node, predicate: object, declarations: Declarations, on_error: OnError | None) -> Filter:
    """Return the step that keeps the rows for which a function is true."""
    draft = stateless_name(node, "filter")
    if isinstance(predicate, str):
        raise PlanError("filter takes a function", hint="use query(...) with a text", step=draft, got=predicate)
    if not callable(predicate):
        raise _no_function("filter", predicate, step=draft)
    trial = tried(predicate, node.schema, step=draft)
    boolean_result(trial, step=draft)
    check_on_samples(predicate, sample_frame(node.schema), step=draft)
    uses = traced_columns(predicate, trial.frame(), trial.result)
    name = declarations.unused_name(stateless_name(node, "filter", sorted(uses or ())))
    check_on_error(on_error, step=name)
    return Filter(name=name, schema=node.schema, input=node, uses=uses, predicate=predicate, on_error=on_error)


def assign_step(
    node: Node, assignments: Mapping[str, object], declarations: Declarations, on_error: OnError | None
) -> Assign:
    """Return the step that adds or replaces columns, in order."""
    draft = stateless_name(node, "assign", list(assignments))
    if not assignments:
        raise PlanError("assign needs a column", hint="assign(euro=lambda df: df['amount'] * 0.92)", step=draft)
    schema = node.schema
    uses: set[str] | None = set()
    for position, (column, value) in enumerate(assignments.items()):
        kind, read = _assigned(node, schema, column, value, step=draft)
        earlier = set(list(assignments)[:position])
        uses = None if uses is None or read is None else uses | (read - earlier)
        schema = _with_column(schema, pa.field(column, kind))
    name = declarations.unused_name(draft)
    check_on_error(on_error, step=name)
    return Assign(
        name=name,
        schema=schema,
        input=node,
        uses=None if uses is None else frozenset(uses),
        assignments=tuple(assignments.items()),
        on_error=on_error,
    )


def _assigned(
    node: Node, schema: pa.Schema, column: str, value: object, *, step: str
) -> tuple[pa.DataType, frozenset[str] | None]:
    """Return the type of an assigned column, and the columns that its function reads."""
    if isinstance(value, MetaColumn):
        if not has_row_origin(node):
            raise PlanError(
                "rows have no Kafka metadata here",
                hint="assign it before map_batches and agg, to the rows of a topic",
                step=step,
                column=column,
                metadata=value.value,
            )
        return meta.TYPES[value], frozenset()
    if isinstance(value, _SCALARS):
        return schema_of(pd.DataFrame({column: [value]})).field(0).type, frozenset()
    if not callable(value):
        raise PlanError(
            "a column is assigned a function of the batch, a constant or sf.meta",
            hint=f"assign({column}=lambda df: ...)",
            step=step,
            column=column,
            got=type(value).__name__,
        )
    trial = tried(value, schema, step=step)
    kind = type_of_column(value, trial, step=step, column=column)
    return kind, traced_columns(value, trial.frame(), trial.result)


def _with_column(schema: pa.Schema, field: pa.Field) -> pa.Schema:
    position = schema.get_field_index(field.name)
    return schema.append(field) if position < 0 else schema.set(position, field)


def project_step(node: Node, verb: str, columns: Sequence[tuple[str, str]], declarations: Declarations) -> Project:
    """Return the step that chooses and renames columns: pairs of new and old name."""
    name = declarations.unused_name(stateless_name(node, verb))
    new_names = [new for new, _ in columns]
    if not columns:
        raise PlanError("no column would be left", step=name)
    for new in new_names:
        if not new:
            raise PlanError("a column needs a name", step=name)
        if new_names.count(new) > 1:
            raise PlanError("two columns would have the same name", step=name, column=new)
    schema = pa.schema([node.schema.field(old).with_name(new) for new, old in columns])
    return Project(name=name, schema=schema, input=node, uses=frozenset(), columns=tuple(columns))


def select_step(node: Node, columns: Iterable[str | Iterable[str]], declarations: Declarations) -> Project:
    """Return the step that keeps the named columns, in that order."""
    names = [name for column in columns for name in names_of(column)]
    check_columns(names, node.schema, step=stateless_name(node, "select"))
    return project_step(node, "select", [(name, name) for name in names], declarations)


def drop_step(node: Node, columns: Iterable[str | Iterable[str]], declarations: Declarations) -> Project:
    """Return the step that keeps all but the named columns."""
    names = [name for column in columns for name in names_of(column)]
    check_columns(names, node.schema, step=stateless_name(node, "drop"))
    kept = [(name, name) for name in node.schema.names if name not in names]
    return project_step(node, "drop", kept, declarations)


def rename_step(node: Node, columns: object, declarations: Declarations) -> Project:
    """Return the step that renames columns, old name to new name."""
    step = stateless_name(node, "rename")
    if not isinstance(columns, Mapping):
        raise PlanError("rename takes a mapping", hint="rename(columns={'old': 'new'})", step=step, got=columns)
    check_columns(columns, node.schema, step=step)
    for new in columns.values():
        if not isinstance(new, str):
            raise PlanError("a column is named by a string", step=step, column=new)
    pairs = [(columns.get(name, name), name) for name in node.schema.names]
    return project_step(node, "rename", pairs, declarations)


def cast_step(node: Node, types: object, declarations: Declarations, on_error: OnError | None) -> Cast:
    """Return the step that changes the types of columns."""
    name = declarations.unused_name(stateless_name(node, "astype", list(types) if isinstance(types, Mapping) else ()))
    if not isinstance(types, Mapping) or not types:
        raise PlanError("astype takes a mapping", hint="astype({'amount': 'float64'})", step=name, got=types)
    check_columns(types, node.schema, step=name)
    check_on_error(on_error, step=name)
    schema = node.schema
    for column, wanted in types.items():
        before, after = schema.field(column).type, column_type(wanted, column=column, step=name)
        try:
            pa.nulls(0, before).cast(after)
        except pa.ArrowException as error:
            raise PlanError(
                "a column cannot be cast to this type",
                hint=f"compute it: .assign({column}=lambda df: ...)",
                step=name,
                column=column,
                before=str(before),
                after=str(after),
            ) from error
        schema = _with_column(schema, pa.field(column, after, schema.field(column).nullable))
    return Cast(name=name, schema=schema, input=node, uses=frozenset(), columns=tuple(types), on_error=on_error)


def explode_step(node: Node, column: str, declarations: Declarations) -> Explode:
    """Return the step that makes one row of each element of a list column."""
    name = declarations.unused_name(stateless_name(node, "explode", [str(column)]))
    check_columns([column], node.schema, step=name)
    kind = node.schema.field(column).type
    if not is_list(kind):
        raise PlanError(
            "only a column of lists can be exploded",
            hint=f"make one first: .assign({column}=lambda df: df[{column!r}].str.split())" if pat.is_large_string(kind)
            else None,
            step=name,
            column=column,
            type=str(kind),
        )  # fmt: skip
    schema = _with_column(node.schema, pa.field(column, kind.value_type))
    return Explode(name=name, schema=schema, input=node, uses=frozenset([column]), column=column)


def map_step(
    node: Node,
    function: object,
    schema: SchemaLike | None,
    event_time: str | None,
    declarations: Declarations,
    on_error: OnError | None,
) -> MapBatches:
    """Return the step that lets a user function turn a batch into another."""
    draft = stateless_name(node, "map_batches")
    if not callable(function):
        raise _no_function("map_batches", function, step=draft)
    trial = tried(function, node.schema, step=draft)
    declared = None if schema is None else normalise_schema(schema)
    if declared is not None:
        check_result_columns(trial.result, declared, step=draft)
    found = schema_of_result(trial.result, step=draft) if declared is None else declared
    if event_time is not None:
        check_event_time(event_time, found, step=draft)
    name = declarations.unused_name(draft)
    check_on_error(on_error, step=name)
    return MapBatches(
        name=name,
        schema=found,
        input=node,
        uses=traced_columns(function, trial.frame(), trial.result),
        function=function,
        event_time=event_time,
        on_error=on_error,
    )


def check_event_time(column: str, schema: pa.Schema, *, step: str) -> None:
    """Check that a column can be the event time.

    Raises:
        PlanError: It does not exist, or is no timestamp.
    """
    check_columns([column], schema, step=step)
    kind = schema.field(column).type
    if not pat.is_timestamp(kind):
        raise PlanError(
            "the event time must be a timestamp column",
            hint=f"declare it so: schema={{{column!r}: 'timestamp[ms]', ...}}",
            step=step,
            column=column,
            type=str(kind),
        )


def union_step(nodes: Sequence[Node], declarations: Declarations) -> Union:
    """Return the step that has the rows of several nodes, whose columns must agree."""
    first, *others = nodes
    draft = "union"
    if not others:
        raise PlanError("a union needs at least two frames", step=draft)
    branches = [first]
    for other in others:
        _check_united(first, other, step=draft)
        if other.schema.names != first.schema.names:
            other = project_step(other, "select", [(name, name) for name in first.schema.names], declarations)
        branches.append(other)
    schema = pa.schema(
        [
            pa.field(name, first.schema.field(name).type, any(node.schema.field(name).nullable for node in branches))
            for name in first.schema.names
        ]
    )
    draft_node = Union(name=draft, schema=schema, branches=tuple(branches))
    name = declarations.unused_name(stateless_name(draft_node, "union"))
    return Union(name=name, schema=schema, branches=tuple(branches))


def _check_united(first: Node, other: Node, *, step: str) -> None:
    for name in first.schema.names:
        if name not in other.schema.names:
            error = unknown_column(name, other.schema, step=step)
            error.hint = error.hint or "choose the same columns of both with select"
            raise PlanError("a frame of a union lacks a column", hint=error.hint, frame=other.name, **error.facts)
        kinds = first.schema.field(name).type, other.schema.field(name).type
        if kinds[0] != kinds[1]:
            raise PlanError(
                "a column has different types in the frames of a union",
                hint=f"cast it: .astype({{{name!r}: ...}})",
                step=step,
                column=name,
                types=[str(kind) for kind in kinds],
            )
    extra = [name for name in other.schema.names if name not in first.schema.names]
    if extra:
        raise PlanError(
            "a frame of a union has more columns than the first",
            hint="choose the same columns of both with select",
            step=step,
            frame=other.name,
            columns=extra,
        )


def _no_function(verb: str, got: object, *, step: str) -> PlanError:
    return PlanError(
        f"{verb} takes a function of the batch", hint=f"{verb}(lambda df: ...)", step=step, got=type(got).__name__
    )
