"""What decides the meaning of stored bytes, as text.

Two programs with equal signatures can use each other's state. The text is made to be compared line by line,
so that a mismatch can be shown as a diff, and its hash is the fingerprint stored beside the state. What is
left out on purpose: how results are emitted, steps without state, names of topics that are only read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from streamframe.core.time import format_duration
from streamframe.plan.nodes import Aggregate, Aggregation, Window
from streamframe.plan.topology import Role, Stage, SubTopology, Topology


def state_signature(topology: Topology) -> str:
    """Return the signature of all stores, sorted by their names; empty when nothing is stored."""
    signatures = {
        stage.node.name: store_signature(sub, stage)
        for sub in topology.sub_topologies
        for stage in sub.stages
        if stage.role is Role.AGGREGATE and isinstance(stage.node, Aggregate)
    }
    return "".join(signatures[name] + "\n" for name in sorted(signatures))


def store_signature(sub: SubTopology, stage: Stage) -> str:
    """Return the signature of the store of one aggregate."""
    assert isinstance(stage.node, Aggregate)
    return "\n".join(_lines(stage.node, partition_text(sub, stage)))


def fingerprint(topology: Topology) -> str:
    """Return the SHA-256 of the signature, in hexadecimal."""
    return hashlib.sha256(state_signature(topology).encode()).hexdigest()


def partition_text(sub: SubTopology, stage: Stage) -> str:
    """Return in words how rows found the partition of their key, for a stage that keeps state."""
    keys = [repartition.aggregate.keys for repartition in sub.repartitions]
    if stage.repartition is not None:
        return f"{', '.join(stage.repartition.aggregate.keys)} (repartition topic)"
    if keys:
        return f"{', '.join(keys[0])} (repartition topic of an earlier step)"
    return f"{', '.join(sub.sources[0].key)} (message key)"


def _lines(node: Aggregate, partitioned: str) -> Iterator[str]:
    types = {name: node.input.schema.field(name).type for name in node.input.schema.names}
    yield f"store {node.name}"
    for key in node.keys:
        yield f"  key {key}: {types[key]}"
    yield f"  null keys: {'kept' if node.keep_null_keys else 'dropped'}"
    # Where a key lives depends on who chose the partition: the producers of the topic, or we.
    yield f"  partitioned by: {partitioned}"
    yield f"  window: {window_text(node.window)}"
    for aggregation in node.aggregations:
        inputs = ", ".join(f"{name}: {types[name]}" for name in aggregation.inputs)
        yield f"  column {aggregation.output}: {aggregation.function}({inputs}) -> {aggregation.type}"
        yield from _custom_lines(aggregation)


def _custom_lines(aggregation: Aggregation) -> Iterator[str]:
    """A function has no name that survives an edit, but the columns of its state do."""
    if aggregation.custom is not None:
        for name, value in aggregation.custom.init.items():
            yield f"    state {name}: {type(value).__name__} = {value!r}"


def window_text(window: Window | None) -> str:
    """Return a window in words.

    Example:
        >>> window_text(Window(size=60_000_000, every=60_000_000, grace=10_000_000))
        'tumbling 1min, grace 10s'
    """
    if window is None:
        return "none"
    text = f"tumbling {format_duration(window.size)}"
    if window.size != window.every:
        text = f"hopping {format_duration(window.size)} every {format_duration(window.every)}"
    text += f", grace {format_duration(window.grace)}"
    return text if window.offset == 0 else f"{text}, offset {format_duration(window.offset)}"
