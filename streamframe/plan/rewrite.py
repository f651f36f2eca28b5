"""Rules that turn a plan into an equivalent one before it is compiled.

``settle_emissions``: a frame of results may be written with another ``emit`` than it was declared with
(``totals.to_topic("live", emit="changes")``). Such a sink hangs on a *twin* of the aggregate that differs in
``emit`` only. There is one state, so all uses of the rows must agree; readers of late rows, who do not care,
are moved to the twin that is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from streamframe.core.errors import PlanError
from streamframe.plan.graph import topological
from streamframe.plan.nodes import Aggregate, BatchSink, Late, Node, Plan, PrintSink, Sink, Step, TopicSink, Union


def settle_emissions(plan: Plan) -> Plan:
    """Return an equivalent plan in which each aggregate exists once.

    Raises:
        PlanError: Two uses of one aggregate want different emissions.
    """
    nodes = topological(plan.sinks)
    families = _families(nodes)
    if all(len(family) == 1 for family in families):
        return plan
    rows_read = {node for reader in nodes if not isinstance(reader, Late) for node in reader.inputs}
    chosen: dict[Node, Node] = {}
    for family in families:
        used = [twin for twin in family if twin in rows_read] or family[:1]
        if len({twin.emit for twin in used}) > 1:
            raise PlanError(
                "one step cannot emit both final results and changes",
                hint="give the results two aggregates with different name=, or write both topics with one emit=",
                step=used[0].name,
            )
        chosen |= dict.fromkeys(family, used[0])
    return replace(plan, sinks=tuple(_rebuilt(plan.sinks, chosen)))


def _families(nodes: Sequence[Node]) -> list[list[Aggregate]]:
    """Group the aggregates that differ in ``emit`` only, which the frames of the API make by replacement."""
    families: dict[tuple[object, ...], list[Aggregate]] = {}
    for node in nodes:
        if isinstance(node, Aggregate):
            identity = (node.name, node.input, node.keys, node.window, node.aggregations, node.keep_null_keys)
            families.setdefault(identity, []).append(node)
    return list(families.values())


def _rebuilt(sinks: Sequence[Sink], chosen: Mapping[Node, Node]) -> list[Sink]:
    """Return the sinks over a graph in which every node of ``chosen`` is replaced."""
    done: dict[Node, Node] = {}

    def new(node: Node) -> Node:
        node = chosen.get(node, node)
        if node not in done:
            done[node] = _over(node, new)
        return done[node]

    rebuilt: list[Sink] = []
    for sink in sinks:
        replacement = new(sink)
        assert isinstance(replacement, TopicSink | BatchSink | PrintSink)
        rebuilt.append(replacement)
    return rebuilt


def _over(node: Node, new: Callable[[Node], Node]) -> Node:
    """Return ``node`` with its inputs replaced; the same node when none of them was."""
    match node:
        case Late(aggregate=aggregate):
            replacement = new(aggregate)
            assert isinstance(replacement, Aggregate)
            return node if replacement is aggregate else replace(node, aggregate=replacement)
        case Union(branches=branches):
            united = tuple(new(branch) for branch in branches)
            return node if united == branches else replace(node, branches=united)
        case Step(input=before):
            return node if new(before) is before else replace(node, input=new(before))
        case _:
            return node
