"""The topics of a program: what they are for, whether they are there, and making those that are not."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from streamframe.app.application import App
from streamframe.app.preparing import check_internal, internal_topics
from streamframe.core.errors import TopologyMismatch
from streamframe.core.settings import Settings
from streamframe.engine.sizing import size_topology
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.topics import TopicSpec
from streamframe.plan.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow:
    """One topic.

    Attributes:
        topic: Its name.
        role: ``input``, ``output``, ``dead letters``, ``repartition`` or ``changelog``.
        partitions: Its partitions, or those it would have; ``None``: nobody can tell yet.
        exists: Whether it is there.
    """

    topic: str
    role: str
    partitions: int | None
    exists: bool


def list_topics(app: App, settings: Settings) -> list[TopicRow]:
    """Return the topics of a program.

    Raises:
        Unavailable: The broker does not answer.
    """
    admin = _connected(settings)
    try:
        return _rows(app.topology(), settings, admin, 0)
    finally:
        admin.close()


def create_topics(app: App, settings: Settings, *, partitions: int, dry_run: bool) -> list[TopicRow]:
    """Create the topics that are missing, or tell which would be; return those.

    Args:
        app: The program.
        settings: Connection, and the replication factor.
        partitions: Of external topics that are made; internal ones follow from the inputs.
        dry_run: Make nothing.

    Raises:
        TopologyMismatch: A topic that exists has a partition count that does not fit.
        Unavailable: The broker does not answer.
    """
    admin = _connected(settings)
    topology = app.topology()
    try:
        rows = [row for row in _rows(topology, settings, admin, partitions) if not row.exists]
        if not dry_run:
            copies = settings.kafka.replication_factor
            external = [row for row in rows if row.role not in ("repartition", "changelog")]
            admin.create(
                [
                    TopicSpec(name=row.topic, partition_count=row.partitions or partitions, replication_factor=copies)
                    for row in external
                ]
            )
            missing = {row.topic for row in rows}
            specs = _internal(topology, settings, admin, partitions)
            admin.create([spec for spec in specs if spec.name in missing])
        return rows
    finally:
        admin.close()


def _connected(settings: Settings) -> TopicAdmin:
    admin = TopicAdmin(settings.kafka, ClientLog(logging.getLogger("streamframe.kafka")))
    admin.connect()
    return admin


def _rows(topology: Topology, settings: Settings, admin: TopicAdmin, partitions: int) -> list[TopicRow]:
    roles = {source.topic: "input" for source in topology.sources}
    roles |= {topic: "output" for topic in topology.sink_topics if topic not in roles}
    if topology.plan.dead_letters:
        roles[topology.plan.dead_letters] = "dead letters"
    found = admin.describe(list(roles))
    rows = [
        TopicRow(
            topic=topic,
            role=role,
            partitions=found[topic].partition_count if topic in found else (partitions or None),
            exists=topic in found,
        )
        for topic, role in roles.items()
    ]
    names = {repartition.topic: "repartition" for repartition in topology.repartitions}
    names |= dict.fromkeys(topology.changelogs, "changelog")
    existing = admin.describe(list(names))
    try:
        planned = {spec.name: spec.partition_count for spec in _internal(topology, settings, admin, partitions)}
    except TopologyMismatch:
        planned = {}
        if partitions:
            raise
    return rows + [
        TopicRow(
            topic=name,
            role=role,
            partitions=existing[name].partition_count if name in existing else planned.get(name),
            exists=name in existing,
        )
        for name, role in names.items()
    ]


def _internal(topology: Topology, settings: Settings, admin: TopicAdmin, partitions: int) -> list[TopicSpec]:
    """Return the internal topics that follow from the inputs, those to be made with ``partitions`` included."""
    names = list(dict.fromkeys([source.topic for source in topology.sources] + list(topology.sink_topics)))
    counts = {facts.name: facts.partition_count for facts in admin.describe(names).values()}
    missing = [source.topic for source in topology.sources if source.topic not in counts]
    if missing and not partitions:
        raise TopologyMismatch("input topics do not exist", topics=", ".join(missing))
    sizes = size_topology(topology, {name: partitions for name in names if name not in counts} | counts)
    specs = internal_topics(topology, sizes, settings.kafka)
    check_internal(specs, admin.describe([spec.name for spec in specs]))
    return specs
