"""Plan -> topology: cut at the repartition topics, number the parts, lay out their stages.

Every node that rows of a part reach becomes a stage of that part. A stateless node behind a union of topics
is reached in several parts and becomes a stage in each of them; a stateful one joins its topics to one part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from streamframe.core.errors import PlanError
from streamframe.plan.graph import topological
from streamframe.plan.names import changelog_topic, repartition_topic
from streamframe.plan.nodes import Aggregate, BatchSink, Late, Node, Plan, Source, Step, TopicSink, Union
from streamframe.plan.partitioning import Partitioning, partitioning
from streamframe.plan.projection import Projection, decoded
from streamframe.plan.rewrite import settle_emissions
from streamframe.plan.signature import fingerprint
from streamframe.plan.topology import (
    Edge,
    Repartition,
    Role,
    Stage,
    StoreDeclaration,
    SubTopology,
    Topology,
)
from streamframe.plan.validate import check_plan

STORE_NAMES_MAX: Final = 3_500
"""Bytes for the names of the stores of one part: their versions are committed as text with each offset, behind its
stream time, and brokers keep 4096 bytes of that (``offset.metadata.max.bytes``)."""

VERSION_LENGTH: Final = 12
"""Of the number of a commit and the signs around it: a commit a second for three hundred years."""

Part = tuple[Node, ...]
"""The origins of one sub-topology: sources, or the one aggregate behind its repartition topic."""


def compile_plan(plan: Plan) -> Topology:
    """Check a plan and return its topology. Equal programs give equal topologies.

    Raises:
        PlanError: The plan is wrong; see ``streamframe.plan.validate``. Or the stores of one part are too many to be
            committed with its offsets.
    """
    plan = settle_emissions(plan)
    check_plan(plan)
    nodes = topological(plan.sinks)
    spread = partitioning(nodes)
    parts = _numbered(_parts(nodes, spread), spread)
    projection = Projection(nodes)
    repartitions = _repartitions(plan, spread, parts, projection)
    layouts = [_Layout(part, spread, nodes, projection, repartitions).build() for part in parts]
    depths = [_depth(part, parts, spread) for part in parts]
    subs = tuple(
        _sub_topology(number, layouts[number], depths[number], plan.application) for number in range(len(parts))
    )
    topology = Topology(
        plan=plan,
        sub_topologies=subs,
        repartitions=tuple(repartitions[node] for part in parts for node in part if isinstance(node, Aggregate)),
        sink_topics=_sink_topics(plan),
        fingerprint="",
    )
    return replace(topology, fingerprint=fingerprint(topology))


def _parts(nodes: Sequence[Node], spread: Partitioning) -> list[Part]:
    """Group the origins: those that feed one stateful step belong together, the others stand alone."""
    part_of: dict[Node, list[Node]] = {
        node: [node] for node in nodes if isinstance(node, Source) or node in spread.cuts
    }
    for node in nodes:
        if isinstance(node, Aggregate) and node not in spread.cuts:
            first, *others = spread.origins[node]
            for other in others:
                if part_of[other] is not part_of[first]:
                    part_of[first].extend(part_of[other])
                    for moved in part_of[other]:
                        part_of[moved] = part_of[first]
    position = {node: index for index, node in enumerate(nodes)}
    unique = {id(part): part for part in part_of.values()}
    return [tuple(sorted(part, key=position.__getitem__)) for part in unique.values()]


def _numbered(parts: list[Part], spread: Partitioning) -> list[Part]:
    """Order the parts: senders before receivers, else in the order of the program."""
    depths = {part: _depth(part, parts, spread) for part in parts}
    return sorted(parts, key=lambda part: depths[part])


def _senders(node: Aggregate, parts: Sequence[Part], spread: Partitioning) -> tuple[int, ...]:
    origins = set(spread.origins[node.input])
    return tuple(number for number, part in enumerate(parts) if origins & set(part))


def _depth(part: Part, parts: Sequence[Part], spread: Partitioning) -> int:
    senders = {number for node in part if isinstance(node, Aggregate) for number in _senders(node, parts, spread)}
    return max((1 + _depth(parts[number], parts, spread) for number in senders), default=0)


def _repartitions(
    plan: Plan, spread: Partitioning, parts: Sequence[Part], projection: Projection
) -> dict[Aggregate, Repartition]:
    return {
        node: Repartition(
            topic=repartition_topic(plan.application, node.name),
            aggregate=node,
            partials=partials,
            columns=projection.aggregated(node, late=not partials),
            senders=_senders(node, parts, spread),
            receiver=next(number for number, part in enumerate(parts) if node in part),
        )
        for node, partials in spread.cuts.items()
    }


@dataclass(slots=True)
class _Layout:
    """The stages of one part, laid out in the order of the plan's nodes."""

    part: Part
    spread: Partitioning
    nodes: Sequence[Node]
    projection: Projection
    repartitions: Mapping[Aggregate, Repartition]
    stages: list[Stage] = field(default_factory=list)
    rows: dict[Node, Edge] = field(default_factory=dict)
    late: dict[Aggregate, Edge] = field(default_factory=dict)

    def build(self) -> tuple[Stage, ...]:
        for node in self.nodes:
            match node:
                case Source():
                    if node in self.part:
                        columns = decoded(node, self.projection.leaving(node))
                        self.rows[node] = self._add(Role.SOURCE, node, (), columns)
                case Aggregate():
                    self._add_aggregate(node)
                case Late(aggregate=aggregate):
                    if aggregate in self.late:
                        self.rows[node] = self.late[aggregate]
                case Step() | Union():
                    upstream = tuple(self.rows[before] for before in node.inputs if before in self.rows)
                    if upstream:
                        columns = (
                            self.projection.leaving(node) if isinstance(node, Union) else self.projection.entering(node)
                        )
                        self.rows[node] = self._add(Role.STEP, node, upstream, columns)
                case _:
                    raise AssertionError(node)
        return tuple(self.stages)

    def _add_aggregate(self, node: Aggregate) -> None:
        repartition = self.repartitions.get(node)
        if repartition is None:
            if node.input in self.rows:
                columns = self.projection.aggregated(node, late=True)
                upstream = (self.rows[node.input],)
                self._add_stateful(node, upstream, columns, repartition, late=True)
            return
        if node.input in self.rows:
            columns = self.projection.aggregated(node, late=True)
            late_used = repartition.partials and self.projection.late_is_read(node)
            edge = self._add(Role.SEND, node, (self.rows[node.input],), columns, repartition, late_used=late_used)
            if repartition.partials:
                self.late[node] = Edge(edge.stage, "late")
        if node in self.part:
            received = self._add(Role.RECEIVE, node, (), repartition.columns, repartition)
            self._add_stateful(node, (received,), repartition.columns, repartition, late=not repartition.partials)

    def _add_stateful(
        self,
        node: Aggregate,
        upstream: tuple[Edge, ...],
        columns: tuple[str, ...],
        repartition: Repartition | None,
        *,
        late: bool,
    ) -> None:
        late_used = late and self.projection.late_is_read(node)
        edge = self._add(Role.AGGREGATE, node, upstream, columns, repartition, late_used=late_used)
        self.rows[node] = edge
        if late:
            self.late[node] = Edge(edge.stage, "late")

    def _store(self, role: Role, node: Node) -> str | None:
        """Return the name of the store of a stage: aggregates and outboxes of ``for_each_batch`` have one."""
        if role is Role.AGGREGATE:
            return node.name
        if not isinstance(node, BatchSink):
            return None
        # Behind a union of topics the sink is a stage of several parts: each keeps an outbox of its own.
        alone = set(self.spread.origins[node]) <= set(self.part)
        return node.name if alone else f"{node.name}-{self.part[0].name}"

    def _add(
        self,
        role: Role,
        node: Node,
        upstream: tuple[Edge, ...],
        columns: tuple[str, ...],
        repartition: Repartition | None = None,
        *,
        late_used: bool = False,
    ) -> Edge:
        index = len(self.stages)
        self.stages.append(
            Stage(
                index=index,
                role=role,
                node=node,
                upstream=upstream,
                columns=columns,
                repartition=repartition,
                store=self._store(role, node),
                late_used=late_used,
            )
        )
        return Edge(index)


def _sub_topology(number: int, stages: tuple[Stage, ...], depth: int, application: str) -> SubTopology:
    stores = tuple(
        StoreDeclaration(
            name=stage.store,
            changelog=changelog_topic(application, stage.store),
            node=stage.node,
            windowed=isinstance(stage.node, Aggregate) and stage.node.windowed,
        )
        for stage in stages
        if stage.store is not None
    )
    room = sum(len(store.name.encode()) + VERSION_LENGTH for store in stores)
    if room > STORE_NAMES_MAX:
        raise PlanError(
            "one part of the program has too many stores, or their names are too long",
            hint="give its steps shorter names, or make two programs of it",
            stores=len(stores),
            bytes=room,
            bytes_max=STORE_NAMES_MAX,
        )
    return SubTopology(
        id=number,
        stages=stages,
        sources=tuple(stage.node for stage in stages if isinstance(stage.node, Source)),
        repartitions=tuple(
            stage.repartition for stage in stages if stage.role is Role.RECEIVE and stage.repartition is not None
        ),
        stores=stores,
        depth=depth,
    )


def _sink_topics(plan: Plan) -> tuple[str, ...]:
    topics = [sink.topic for sink in plan.sinks if isinstance(sink, TopicSink)]
    if plan.dead_letters is not None:
        topics.append(plan.dead_letters)
    return tuple(dict.fromkeys(topics))
