"""What the author of a program might want to know about its topology: what costs something, and how to save it."""

from __future__ import annotations

from collections.abc import Iterator

from streamframe.plan.graph import topological
from streamframe.plan.nodes import Assign, Filter, MapBatches, Node, Project, Source
from streamframe.plan.partitioning import merges
from streamframe.plan.topology import Repartition, Topology


def hints(topology: Topology) -> list[str]:
    """Return one sentence for each thing that could be had cheaper or safer, in the order of the topology."""
    found: list[str] = []
    for repartition in topology.repartitions:
        found.extend(_repartition_hints(repartition))
    for sub in topology.sub_topologies:
        stored = [store for store in sub.stores if store.node.generated]
        found.extend(
            f"name the step {store.name!r} (name='...'): its state is found by a name that was generated from its "
            "inputs, keys and window"
            for store in stored
        )
        if len(sub.sources) > 1 and sub.stores:
            topics = ", ".join(source.topic for source in sub.sources)
            found.append(f"the topics {topics} are read side by side and must have equal numbers of partitions")
    for node in topological(topology.plan.sinks):
        if isinstance(node, Filter | Assign | MapBatches) and node.uses is None:
            found.append(
                f"it cannot be told which columns {node.name!r} reads, so all are decoded: use df['column'] without "
                "branches, or select(...) what it needs before"
            )
    return found


def _repartition_hints(repartition: Repartition) -> Iterator[str]:
    node = repartition.aggregate
    source, columns = _origin(node.input, node.keys)
    if source is not None and not source.key and not node.keep_null_keys:
        key = repr(columns[0]) if len(columns) == 1 else repr(list(columns))
        yield (
            f"if the records of {source.topic!r} are keyed so, declare it (topic({source.topic!r}, key={key}, ...)) "
            f"and the topic {repartition.topic!r} is not needed"
        )
    if not repartition.partials:
        whole = [aggregation.output for aggregation in node.aggregations if not merges(aggregation)]
        reason = f"{', '.join(whole)} cannot be merged" if whole else "a source has an idle_timeout"
        yield f"every row of {node.name!r} goes through {repartition.topic!r}, because {reason}"


def _origin(node: Node, columns: tuple[str, ...]) -> tuple[Source | None, tuple[str, ...]]:
    """Return the one source whose unchanged columns these are, and their names there."""
    match node:
        case Source():
            return (node, columns) if all(name in node.schema.names for name in columns) else (None, ())
        case Project(input=before):
            old = dict(node.columns)
            return _origin(before, tuple(old[name] for name in columns))
        case Assign(input=before) if not {name for name, _ in node.assignments} & set(columns):
            return _origin(before, columns)
        case Filter(input=before):
            return _origin(before, columns)
        case _:
            return None, ()
