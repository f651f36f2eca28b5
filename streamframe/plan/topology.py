"""The compiled form of a plan: sub-topologies of stages, their stores and internal topics.

A plan is cut wherever rows must change partition. Each part is a *sub-topology*; one sub-topology on
one partition number is a task. Inside a sub-topology rows flow from stage to stage in memory::

    sub-topology 0                               sub-topology 1
    SOURCE clicks ─ STEP filter ─ SEND ══ topic ══ RECEIVE ─ AGGREGATE ─ STEP ─ STEP sink
                                   └ late ─ STEP sink

Stateless parts fed by several topics are split into one sub-topology per topic, so that topics with
different partition counts can be united; stateful parts need equal partition counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from streamframe.plan.nodes import Aggregate, Assign, MetaColumn, Node, Plan, Source

Port = Literal["rows", "late"]


class Role(Enum):
    """What a stage does."""

    SOURCE = "source"
    """Decodes records of an external topic; ``node`` is a ``Source``."""
    RECEIVE = "receive"
    """Decodes blocks of a repartition topic; ``node`` is the ``Aggregate`` they are for."""
    STEP = "step"
    """A stateless step or a sink; ``node`` says which."""
    SEND = "send"
    """Writes rows or partial aggregates to a repartition topic; ``node`` is the ``Aggregate``."""
    AGGREGATE = "aggregate"
    """Folds rows, or merges partial aggregates, into state; ``node`` is the ``Aggregate``."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a stage's rows come from: a stage of the same sub-topology and one of its ports."""

    stage: int
    port: Port = "rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repartition:
    """An internal topic between two sub-topologies.

    Attributes:
        topic: Full name, ``<application>-<name>-repartition``.
        aggregate: The step that reads it.
        partials: Blocks hold partial aggregates (lateness decided by the sender), else rows.
        columns: Columns of the rows in ``rows`` mode (the keys and what the aggregations read, and
            every column when somebody reads the late rows).
        senders: Sub-topologies that write to it.
        receiver: The sub-topology that reads it.
    """

    topic: str
    aggregate: Aggregate
    partials: bool
    columns: tuple[str, ...]
    senders: tuple[int, ...]
    receiver: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDeclaration:
    """A named store of a sub-topology and its changelog topic ``<application>-<name>-changelog``."""

    name: str
    changelog: str
    node: Node
    windowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a sub-topology; stages are in topological order.

    Attributes:
        index: Position in ``SubTopology.stages``.
        role: What it does.
        node: The plan node it stands for.
        upstream: Where its rows come from; empty for ``SOURCE`` and ``RECEIVE``.
        columns: Columns of the incoming rows that this stage or a later one reads (for ``SOURCE``: the
            fields to decode, event time included). Others may be absent.
        repartition: For ``SEND``, ``RECEIVE`` and the ``AGGREGATE`` behind a ``RECEIVE``.
        store: Name of the store of a stateful stage.
        late_used: Somebody reads the ``late`` port.
    """

    index: int
    role: Role
    node: Node
    upstream: tuple[Edge, ...] = ()
    columns: tuple[str, ...] = ()
    repartition: Repartition | None = None
    store: str | None = None
    late_used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubTopology:
    """A part of the topology that is connected without a repartition topic.

    Attributes:
        id: Number, stable for a given plan.
        stages: In topological order.
        sources: External topics it reads.
        repartitions: Repartition topics it reads.
        stores: Its named stores.
        depth: 0 when it reads external topics only; else one more than its deepest sender.
    """

    id: int
    stages: tuple[Stage, ...]
    sources: tuple[Source, ...]
    repartitions: tuple[Repartition, ...]
    stores: tuple[StoreDeclaration, ...]
    depth: int

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics it reads."""
        return tuple(s.topic for s in self.sources) + tuple(r.topic for r in self.repartitions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The compiled plan.

    Attributes:
        plan: What it was compiled from.
        sub_topologies: Indexed by their id.
        repartitions: All repartition topics.
        sink_topics: External topics written to (dead letters included).
        fingerprint: Hash of everything that decides the meaning of stored bytes: per store its name,
            keys, aggregations, window and types. Two plans with equal fingerprints can use each other's state.
    """

    plan: Plan
    sub_topologies: tuple[SubTopology, ...]
    repartitions: tuple[Repartition, ...]
    sink_topics: tuple[str, ...]
    fingerprint: str

    @property
    def application(self) -> str:
        """Application id."""
        return self.plan.application

    @property
    def sources(self) -> tuple[Source, ...]:
        """All external sources, in order, each once."""
        return tuple(dict.fromkeys(s for sub in self.sub_topologies for s in sub.sources))

    @property
    def changelogs(self) -> tuple[str, ...]:
        """Names of all changelog topics."""
        return tuple(d.changelog for sub in self.sub_topologies for d in sub.stores)

    @property
    def reads_headers(self) -> bool:
        """Whether headers of input records may be asked for: as a column, or for a dead letter."""
        steps = [stage.node for sub in self.sub_topologies for stage in sub.stages]
        values = [value for step in steps if isinstance(step, Assign) for _, value in step.assignments]
        return self.plan.dead_letters is not None or any(value is MetaColumn.HEADERS for value in values)
