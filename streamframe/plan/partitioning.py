"""Which rows are already where they belong, and where they must change partition.

A *promise* says that rows with equal values of some columns are in one partition. It starts at a topic whose
message key is declared, or behind a repartition topic, and ends where a step changes those columns. An
aggregate needs a repartition topic (is *cut*) unless the promised columns are among its keys: rows of one
group then agree in the promised columns too, so they are in one partition.

An *origin* is where rows enter a sub-topology: a source, or an aggregate behind its repartition topic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamframe.plan.graph import sources_of
from streamframe.plan.nodes import (
    Aggregate,
    Aggregation,
    Assign,
    Cast,
    Explode,
    Late,
    MapBatches,
    Node,
    Project,
    Source,
    Step,
    Union,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Rows with equal values of ``columns`` are in one partition; nothing is promised without columns.

    Attributes:
        columns: The promised columns, in the order of the key.
        nulls: Rows with a null among the columns are together as well. Not so behind a topic of others:
            a record without a key may be anywhere.
    """

    columns: tuple[str, ...] = ()
    nulls: bool = False


NOTHING = Promise()


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioning:
    """How the rows of a plan are spread over partitions.

    Attributes:
        promises: What is promised about the rows that leave a node.
        origins: Where the rows that leave a node entered its sub-topology.
        cuts: The aggregates behind a repartition topic, and whether it carries partial aggregates.
    """

    promises: Mapping[Node, Promise]
    origins: Mapping[Node, tuple[Node, ...]]
    cuts: Mapping[Aggregate, bool]


def partitioning(nodes: Sequence[Node]) -> Partitioning:
    """Decide where rows change partition, for nodes in topological order."""
    promises: dict[Node, Promise] = {}
    origins: dict[Node, tuple[Node, ...]] = {}
    cuts: dict[Aggregate, bool] = {}
    for node in nodes:
        before = tuple(dict.fromkeys(origin for up in node.inputs for origin in origins[up]))
        match node:
            case Source():
                promises[node], origins[node] = Promise(columns=node.key), (node,)
            case Aggregate():
                promise = promises[node.input]
                if _suffices(promise, before, node):
                    promises[node], origins[node] = promise, before
                else:
                    cuts[node] = carries_partials(node)
                    promises[node], origins[node] = Promise(columns=node.keys, nulls=True), (node,)
            case Late(aggregate=aggregate):
                # Late rows leave where lateness is decided: before the topic when it carries partial aggregates.
                decided_by_sender = cuts.get(aggregate, False)
                promises[node] = NOTHING
                origins[node] = origins[aggregate.input] if decided_by_sender else origins[aggregate]
            case Union():
                promises[node], origins[node] = _united([promises[branch] for branch in node.branches]), before
            case Step():
                promises[node], origins[node] = _kept(promises[node.input], node), before
            case _:
                raise AssertionError(node)
    return Partitioning(promises=promises, origins=origins, cuts=cuts)


def _suffices(promise: Promise, origins: tuple[Node, ...], node: Aggregate) -> bool:
    if not promise.columns or not set(promise.columns) <= set(node.keys):
        return False
    if node.keep_null_keys and not promise.nulls:
        return False
    # Several topics can be read side by side by one task; a repartition topic beside another topic could feed
    # the task that writes to it, and a sub-topology must not wait for itself.
    return len(origins) == 1 or all(isinstance(origin, Source) for origin in origins)


def carries_partials(node: Aggregate) -> bool:
    """Whether a repartition topic for ``node`` carries partial aggregates instead of rows.

    Every aggregation must be able to merge. The sender decides what is late, by its own stream time; where
    partitions may be declared idle the receiver decides, row by row.
    """
    return all(merges(aggregation) for aggregation in node.aggregations) and not any(
        source.idle_timeout is not None for source in sources_of(node)
    )


def merges(aggregation: Aggregation) -> bool:
    """Whether partial results of an aggregation can be combined."""
    if aggregation.custom is not None:
        return aggregation.custom.merge is not None
    return aggregation.function != "nunique"


def _united(promises: Sequence[Promise]) -> Promise:
    first = promises[0]
    if any(promise.columns != first.columns for promise in promises):
        return NOTHING
    # The nulls of two topics of ours need not be on the same partition number as those of others.
    return Promise(columns=first.columns, nulls=all(promise.nulls for promise in promises))


def _kept(promise: Promise, step: Step) -> Promise:
    """What remains of a promise behind a stateless step."""
    changed: set[str]
    match step:
        case MapBatches():
            return NOTHING
        case Project(columns=columns):
            new_by_old = {old: new for new, old in reversed(columns)}
            if not all(column in new_by_old for column in promise.columns):
                return NOTHING
            return Promise(columns=tuple(new_by_old[column] for column in promise.columns), nulls=promise.nulls)
        case Assign(assignments=assignments):
            changed = {name for name, _ in assignments}
        case Cast(columns=columns):
            changed = set(columns)
        case Explode(column=column):
            changed = {column}
        case _:
            return promise
    return NOTHING if changed & set(promise.columns) else promise
