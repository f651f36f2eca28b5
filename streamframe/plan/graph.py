"""Walking a plan: which nodes take part, in which order, and where a node's rows come from."""

from __future__ import annotations

from collections.abc import Iterable

from streamframe.plan.nodes import Aggregate, Late, MapBatches, Node, Source, Step, Union


def topological(ends: Iterable[Node]) -> tuple[Node, ...]:
    """Return every node that feeds one of ``ends``, and these, each once, inputs first.

    The order depends on the plan only: depth first, inputs in the order in which they were written.
    """
    ordered: dict[Node, None] = {}
    for end in ends:
        stack: list[tuple[Node, bool]] = [(end, False)]
        while stack:
            node, inputs_done = stack.pop()
            if node in ordered:
                continue
            if inputs_done:
                ordered[node] = None
                continue
            stack.append((node, True))
            stack.extend((before, False) for before in reversed(node.inputs))
    return tuple(ordered)


def sources_of(node: Node) -> tuple[Source, ...]:
    """Return the sources that feed a node, also through aggregates, each once."""
    return tuple(before for before in topological([node]) if isinstance(before, Source))


def emitter(node: Node) -> Aggregate | None:
    """Return the aggregate whose changes reach ``node`` unaggregated, or ``None``.

    Rows of such a frame correct earlier rows, so adding them up would count twice.
    """
    match node:
        case Aggregate():
            return node if node.emit == "changes" else None
        case Union():
            return next((found for branch in node.branches if (found := emitter(branch)) is not None), None)
        case Step():
            return emitter(node.input)
        case _:
            return None


def root_name(node: Node) -> str:
    """Return the name that generated names of later steps start with.

    The topic of a source, the name of an aggregate: what stateless steps come between does not matter, so
    editing them leaves generated names alone.
    """
    match node:
        case Source():
            return node.topic
        case Aggregate():
            return node.name
        case Late():
            return f"{node.aggregate.name}-late"
        case Step():
            return root_name(node.input)
        case Union():
            return "-".join(dict.fromkeys(root_name(branch) for branch in node.branches))
        case _:
            return node.name


def has_row_origin(node: Node) -> bool:
    """Whether each row of a node stems from one record of a topic, whose metadata it can have."""
    match node:
        case Source():
            return True
        case Union():
            return all(has_row_origin(branch) for branch in node.branches)
        case Aggregate() | MapBatches():
            return False
        case Step():
            return has_row_origin(node.input)
        case _:
            return False
