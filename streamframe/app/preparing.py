"""Before workers start: look at the topics, decide sizes, make what is ours.

Every worker does this; two at once do no harm. External topics are never created or changed: what is
missing is an error that says how to create it.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamframe.core.errors import TopologyMismatch
from streamframe.core.settings import KafkaSettings
from streamframe.engine.sizing import Sizes, size_topology
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.topics import TopicFacts, TopicSpec, changelog_spec, repartition_spec
from streamframe.plan.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What was found and made.

    Attributes:
        sizes: Partitions and tasks.
        created: Names of internal topics that did not exist.
    """

    sizes: Sizes
    created: tuple[str, ...]


def prepare(topology: Topology, settings: KafkaSettings, admin: TopicAdmin) -> Prepared:
    """Check external topics, create internal ones.

    Raises:
        TopologyMismatch: An external topic is missing, or an internal one has another shape than the
            program needs.
        Unavailable: The broker does not answer.
    """
    found = admin.describe(_external(topology))
    check_external(topology, found)
    sizes = size_topology(topology, {name: facts.partition_count for name, facts in found.items()})
    specs = internal_topics(topology, sizes, settings)
    existing = admin.describe([spec.name for spec in specs])
    check_internal(specs, existing)
    created = admin.create([spec for spec in specs if spec.name not in existing])
    return Prepared(sizes=sizes, created=tuple(created))


def _external(topology: Topology) -> list[str]:
    names = [source.topic for source in topology.sources] + list(topology.sink_topics)
    return list(dict.fromkeys(names))


def check_external(topology: Topology, found: dict[str, TopicFacts]) -> None:
    """Raise ``TopologyMismatch`` when a topic that the program reads or writes does not exist."""
    missing = [name for name in _external(topology) if name not in found]
    if missing:
        partitions = max((facts.partition_count for facts in found.values()), default=4)
        raise TopologyMismatch(
            "topics of the program do not exist",
            hint=f"create them: kafka-topics.sh --create --partitions {partitions} --topic {missing[0]}",
            topics=", ".join(missing),
        )


def internal_topics(topology: Topology, sizes: Sizes, settings: KafkaSettings) -> list[TopicSpec]:
    """Return the internal topics that the program needs, as they must be."""
    copies = settings.replication_factor
    specs = [
        repartition_spec(repartition.topic, sizes.partition_counts[repartition.topic], copies)
        for repartition in topology.repartitions
    ]
    for sub in topology.sub_topologies:
        count = sizes.task_counts[sub.id]
        specs += [changelog_spec(declaration.changelog, count, copies) for declaration in sub.stores]
    return specs


def check_internal(specs: list[TopicSpec], existing: dict[str, TopicFacts]) -> None:
    """Raise ``TopologyMismatch`` when an internal topic has another partition count than it must have."""
    for spec in specs:
        facts = existing.get(spec.name)
        if facts is not None and facts.partition_count != spec.partition_count:
            raise TopologyMismatch(
                "an internal topic has another partition count than the program needs",
                hint="the source topic has changed its partitions; stop all workers and use `streamframe reset`",
                topic=spec.name,
                found=facts.partition_count,
                needed=spec.partition_count,
            )
