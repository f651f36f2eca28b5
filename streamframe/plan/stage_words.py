"""A stage in words: what it is, and what one should know about it. All descriptions of a topology use them."""

from __future__ import annotations

from collections.abc import Iterable

from streamframe.core.time import format_duration
from streamframe.plan.nodes import (
    Aggregate,
    Aggregation,
    Assign,
    BatchSink,
    Cast,
    Explode,
    Filter,
    MapBatches,
    MetaColumn,
    Node,
    PrintSink,
    Project,
    Source,
    TopicSink,
    Union,
)
from streamframe.plan.signature import window_text
from streamframe.plan.topology import Role, Stage


def verb(stage: Stage) -> str:
    """Return what a stage does, in one or two words."""
    node = stage.node
    if stage.role is not Role.STEP:
        return stage.role.value
    match node:
        case Filter():
            return "filter"
        case Assign():
            return "assign"
        case Project():
            return "project"
        case Cast():
            return "astype"
        case Explode():
            return "explode"
        case MapBatches():
            return "map_batches"
        case Union():
            return "union"
        case TopicSink():
            return "to_topic"
        case BatchSink():
            return "for_each_batch"
        case PrintSink():
            return "print"
        case _:
            raise AssertionError(node)


def facts(stage: Stage) -> list[str]:
    """Return what one should know about a stage, most important first."""
    node = stage.node
    repartition = stage.repartition
    match stage.role:
        case Role.SEND if repartition is not None:
            what = "partial aggregates" if repartition.partials else f"rows ({_names(repartition.columns)})"
            return [f"{what} by {_names(repartition.aggregate.keys)} to {repartition.topic}"]
        case Role.RECEIVE if repartition is not None:
            return [f"from {repartition.topic}"]
        case _:
            return _node_facts(node)


def _node_facts(node: Node) -> list[str]:
    match node:
        case Source():
            return _source_facts(node)
        case Filter(predicate=predicate):
            return [predicate if isinstance(predicate, str) else _function(predicate)]
        case Assign(assignments=assignments):
            return [", ".join(f"{name} = {_value(value)}" for name, value in assignments)]
        case Project(columns=columns):
            return [", ".join(new if new == old else f"{old} as {new}" for new, old in columns)]
        case Cast(columns=columns):
            return [", ".join(f"{name}: {node.schema.field(name).type}" for name in columns)]
        case Explode(column=column):
            return [column]
        case MapBatches(function=function):
            return [_function(function), *([] if node.event_time is None else [f"event time {node.event_time}"])]
        case Aggregate():
            return _aggregate_facts(node)
        case TopicSink(key=key):
            return [node.topic, str(node.serde), *([f"key {_names(key)}"] if key else [])]
        case BatchSink(function=function):
            return [_function(function)]
        case PrintSink(limit=limit):
            return [f"at most {limit} rows of each commit"]
        case _:
            return []


def _source_facts(node: Source) -> list[str]:
    found = [
        f"{node.serde}",
        f"event time {node.event_time or 'of the record'}",
        f"key {_names(node.key)}" if node.key else "no key promised",
    ]
    if node.on_error is not None:
        found.append(f"on_error {node.on_error}")
    if node.max_ahead is not None:
        found.append(f"max_ahead {format_duration(node.max_ahead)}")
    if node.idle_timeout is not None:
        found.append(f"idle_timeout {format_duration(node.idle_timeout)}")
    if node.offset_reset != "earliest":
        found.append(f"from the {node.offset_reset}")
    return found


def _aggregate_facts(node: Aggregate) -> list[str]:
    found = [f"by {_names(node.keys)}"]
    if node.window is not None:
        found.append(window_text(node.window))
    found.append(", ".join(_aggregation(aggregation) for aggregation in node.aggregations))
    found.append(f"emit {node.emit}")
    if node.keep_null_keys:
        found.append("null keys kept")
    return found


def _aggregation(aggregation: Aggregation) -> str:
    return f"{aggregation.output} = {aggregation.function}({_names(aggregation.inputs)})"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)


def _value(value: object) -> str:
    if isinstance(value, MetaColumn):
        return f"meta.{value.value}"
    return _function(value) if callable(value) else repr(value)


def _function(function: object) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "a lambda" if name == "<lambda>" else f"{name}()"
