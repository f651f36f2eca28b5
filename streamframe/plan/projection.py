"""Which columns are read: what nobody reads is not decoded, not kept and not sent.

``Projection`` is computed from the sinks backwards. A step whose user function could not be traced
(``uses is None``) reads every column of its input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from streamframe.plan.nodes import (
    Aggregate,
    Assign,
    BatchSink,
    Explode,
    Late,
    MapBatches,
    Node,
    PrintSink,
    Project,
    Source,
    Step,
    TopicSink,
)

LATE_COLUMNS = ("window_start", "window_end", "late_by")
"""Columns that late rows have in addition to those of the rows that were late."""


class Projection:
    """The columns that are read of the rows which leave and enter each node.

    Args:
        nodes: All nodes of a plan, in topological order.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._read: dict[Node, set[str]] = {node: set() for node in nodes}
        self._read_late: dict[Aggregate, set[str]] = {}
        for node in reversed(nodes):
            if isinstance(node, Late):
                self._read_late.setdefault(node.aggregate, set()).update(self._read[node] - set(LATE_COLUMNS))
                continue
            for before in node.inputs:
                self._read[before] |= self._reads(node)

    def leaving(self, node: Node) -> tuple[str, ...]:
        """Columns of the rows leaving ``node`` that somebody reads, in the order of its schema."""
        return _in_order(self._read[node], node.schema)

    def entering(self, node: Step) -> tuple[str, ...]:
        """Columns of the rows entering ``node`` that it or a later node reads, in the order of the input."""
        return _in_order(self._reads(node), node.input.schema)

    def aggregated(self, node: Aggregate, *, late: bool) -> tuple[str, ...]:
        """Columns that an aggregate reads, with or without those that the readers of late rows read."""
        names = _folded(node) | (self._read_late.get(node, set()) if late else set())
        return _in_order(names, node.input.schema)

    def late_is_read(self, node: Aggregate) -> bool:
        """Whether somebody reads the late rows of ``node``."""
        return node in self._read_late

    def _reads(self, node: Node) -> set[str]:
        read = self._read[node]
        match node:
            case Aggregate():
                return _folded(node) | self._read_late.get(node, set())
            case TopicSink() | BatchSink() | PrintSink():
                return set(node.input.schema.names)
            case Project(columns=columns):
                return {old for new, old in columns if new in read}
            case Step(uses=None):
                return set(node.input.schema.names)
            case MapBatches(uses=uses):
                assert uses is not None
                return set(uses)
            case Assign(assignments=assignments, uses=uses):
                assert uses is not None
                return set(uses) | (read - {name for name, _ in assignments})
            case Explode(column=column):
                return read | {column}
            case Step(uses=uses):
                assert uses is not None
                return set(uses) | read
            case _:
                return read


def _folded(node: Aggregate) -> set[str]:
    return set(node.keys) | {column for aggregation in node.aggregations for column in aggregation.inputs}


def decoded(source: Source, read: Iterable[str]) -> tuple[str, ...]:
    """Return the fields of a source to decode: those that are read, and the event time."""
    names = set(read) if source.event_time is None else {*read, source.event_time}
    return _in_order(names, source.schema)


def _in_order(names: set[str], schema: pa.Schema) -> tuple[str, ...]:
    return tuple(name for name in schema.names if name in names)
