"""``streamframe check``: findings about a program, its topics and its state. Changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streamframe.app.application import App
from streamframe.app.places import state_root
from streamframe.app.preparing import check_internal, internal_topics
from streamframe.core.acceleration import description, native
from streamframe.core.errors import StreamFrameError, TopologyMismatch
from streamframe.core.settings import Settings
from streamframe.core.time import format_duration
from streamframe.engine.sizing import size_topology
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.native_client import is_available
from streamframe.plan.nodes import TopicSink
from streamframe.plan.topology import Topology

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: ``ok``, ``warning`` or ``error``.
        text: What was found.
        hint: What to do about it; empty when there is nothing.
    """

    level: Level
    text: str
    hint: str = ""


def check(app: App, settings: Settings, *, offline: bool = False) -> list[Finding]:
    """Look at a program, and unless ``offline`` at the broker.

    Raises:
        PlanError: The program is wrong.
        Unavailable: The broker does not answer.
    """
    topology = app.topology()
    stores = sum(len(sub.stores) for sub in topology.sub_topologies)
    findings = [
        Finding("ok", f"the program is right: {len(topology.sub_topologies)} sub-topologies, {stores} stores"),
        Finding("ok", f"data path: {data_path()}"),
        *_local(topology, settings),
    ]
    if not offline:
        admin = TopicAdmin(settings.kafka, ClientLog(logging.getLogger("streamframe.kafka")))
        admin.connect()
        findings.append(Finding("ok", f"the broker answers at {settings.kafka.bootstrap}"))
        findings += _topics(topology, settings, admin)
        admin.close()
    return findings


def data_path() -> str:
    """Say which implementation moves the data."""
    if native is not None and not is_available():
        return f"{description}, but the pure Kafka client: another librdkafka is loaded"
    return description


def _local(topology: Topology, settings: Settings) -> Iterator[Finding]:
    root = state_root(settings.state) / topology.application
    if root.is_dir():
        yield Finding("ok", f"local state in {root}")
    elif any(sub.stores for sub in topology.sub_topologies):
        yield Finding("ok", f"no local state yet; it will be in {root}")


def _topics(topology: Topology, settings: Settings, admin: TopicAdmin) -> Iterator[Finding]:
    names = [source.topic for source in topology.sources] + list(topology.sink_topics)
    found = admin.describe(list(dict.fromkeys(names)))
    missing = [name for name in dict.fromkeys(names) if name not in found]
    for name in missing:
        yield Finding("error", f"topic {name} does not exist", "create it; external topics are never created for you")
    for facts in found.values():
        yield Finding("ok", f"topic {facts.name}: {facts.partition_count} partitions")
    yield from _retention(topology, admin, set(found))
    if missing:
        return
    try:
        sizes = size_topology(topology, {name: facts.partition_count for name, facts in found.items()})
        specs = internal_topics(topology, sizes, settings.kafka)
        existing = admin.describe([spec.name for spec in specs])
        check_internal(specs, existing)
    except TopologyMismatch as error:
        yield _as_error(error)
        return
    yield Finding("ok", f"{sizes.tasks} tasks")
    made = [spec.name for spec in specs if spec.name not in existing]
    if made:
        yield Finding("ok", f"internal topics that the first start will create: {', '.join(made)}")
    yield from _stored(topology, settings)


def _stored(topology: Topology, settings: Settings) -> Iterator[Finding]:
    """Compare what is stored in the changelogs with what the program would store."""
    from streamframe.app.state_reading import open_topology_state

    if not any(sub.stores for sub in topology.sub_topologies):
        return
    try:
        with open_topology_state(topology, settings) as state:
            state.check()
    except StreamFrameError as error:
        yield _as_error(error)
        return
    yield Finding("ok", "stored state fits the program")


def _retention(topology: Topology, admin: TopicAdmin, existing: set[str]) -> Iterator[Finding]:
    windowed = [s for s in topology.plan.sinks if isinstance(s, TopicSink) and s.topic in existing]
    configs = admin.configs(sorted({sink.topic for sink in windowed}))
    for topic, config in sorted(configs.items()):
        retention = int(config.get("retention.ms", "-1") or "-1")
        if retention < 0 or "delete" not in config.get("cleanup.policy", "delete"):
            continue
        yield Finding(
            "warning",
            f"topic {topic} deletes records whose event time is older than {format_duration(retention * 1_000)}",
            "results carry event time: replayed history is deleted soon after it is written; retention.ms=-1 keeps it",
        )


def _as_error(error: StreamFrameError) -> Finding:
    facts = " ".join(f"{key}={value}" for key, value in error.facts.items())
    return Finding("error", f"{error.message} {facts}".strip(), error.hint or "")
