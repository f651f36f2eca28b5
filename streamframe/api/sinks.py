"""Where rows leave the program: sinks as nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from streamframe.api.column_types import check_keys, names_of
from streamframe.api.declarations import Declarations
from streamframe.api.stateful_steps import checked_name
from streamframe.api.steps import check_on_error
from streamframe.core.errors import PlanError
from streamframe.core.serde_spec import SerdeSpec
from streamframe.plan.names import check_topic_name, stateless_name
from streamframe.plan.nodes import BatchSink, Node, OnError, PrintSink, TopicSink
from streamframe.serde.registry import encoder_for


def topic_sink(
    node: Node,
    topic: object,
    key: str | Iterable[str] | None,
    value: SerdeSpec,
    declarations: Declarations,
    on_error: OnError | None,
) -> TopicSink:
    """Return the sink that writes rows to a topic.

    Raises:
        PlanError: The name is not legal, a key column is wrong, or the serde cannot carry the columns.
    """
    if not isinstance(topic, str):
        raise PlanError("a topic is named by a string", hint="to_topic('totals')", step=node.name, topic=topic)
    check_topic_name(topic, what="the name of an output topic")
    name = declarations.unused_name(stateless_name(node, "to", [topic]))
    keys = names_of(key)
    check_keys(keys, node.schema, step=name)
    check_on_error(on_error, step=name)
    check_serde(value, node.schema, step=name)
    return TopicSink(name=name, schema=node.schema, input=node, topic=topic, serde=value, key=keys, on_error=on_error)


def check_serde(value: SerdeSpec, schema: pa.Schema, *, step: str) -> None:
    """Check that a serde can write the columns of a schema.

    Raises:
        PlanError: It cannot.
    """
    if not isinstance(value, SerdeSpec):
        raise PlanError("not a serde", hint="value=sf.json(), sf.raw() or sf.string()", step=step, value=value)
    try:
        encoder_for(value, schema)
    except PlanError as error:
        error.facts.setdefault("step", step)
        raise


def batch_sink(
    node: Node,
    function: Callable[..., Any],
    name: str | None,
    declarations: Declarations,
    on_error: OnError | None,
) -> BatchSink:
    """Return the sink that hands the rows of each commit to a function.

    Raises:
        PlanError: It is no function.
    """
    step = checked_name(name) or declarations.unused_name(stateless_name(node, "for_each_batch"))
    if not callable(function):
        raise PlanError("for_each_batch takes a function", hint="def write(df, batch_id): ...", step=step, got=function)
    check_on_error(on_error, step=step)
    return BatchSink(
        name=step, generated=name is None, schema=node.schema, input=node, function=function, on_error=on_error
    )


def print_sink(node: Node, limit: object, prefix: str, declarations: Declarations) -> PrintSink:
    """Return the sink that prints rows.

    Raises:
        PlanError: The limit is no positive number.
    """
    name = declarations.unused_name(stateless_name(node, "print"))
    if not isinstance(limit, int) or limit < 1:
        raise PlanError("the limit of print is a positive number of rows", step=name, limit=limit)
    return PrintSink(name=name, schema=node.schema, input=node, limit=limit, prefix=prefix)
