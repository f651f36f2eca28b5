"""The page of a worker: who it is, where it serves, and the telemetry that keeps it up to date."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from streamframe.app.queries import StoreQueries
from streamframe.core.errors import ConfigError
from streamframe.core.metric_catalogue import PREFIX
from streamframe.core.settings import Settings
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.core.user_metrics import UserMetrics
from streamframe.engine.ports import Telemetry
from streamframe.engine.snapshot import ClientSnapshot, Snapshot
from streamframe.kafka.client_stats import client_version
from streamframe.observe.exposition import WorkerCollector, page_of
from streamframe.observe.fleet import Board, Identity
from streamframe.observe.routes import Sources, respond
from streamframe.observe.site import Site
from streamframe.plan.explain import describe
from streamframe.plan.nodes import Aggregate, BatchSink, PrintSink, TopicSink
from streamframe.plan.topology import Topology
from streamframe.runtime.driver import windowed_by_sink
from streamframe.storage.state_dir import StateDirectory

LOOP_GRACE_SECONDS = 30.0
"""Beyond the watchdog, which ends a call that does not return: then the loop is dead indeed."""


@dataclass(frozen=True, slots=True)
class BoardTelemetry:
    """Puts everything on the board before it is passed on.

    Attributes:
        board: What the page shows.
        address: Where the page is; empty when there is none.
        next: The telemetry behind.
    """

    board: Board
    address: str
    next: Telemetry

    def publish(self, snapshot: Snapshot) -> None:
        """See ``Telemetry.publish``."""
        shown = replace(snapshot, address=self.address)
        self.board.show(shown)
        self.next.publish(shown)

    def notice(self, level: str, text: str, facts: Mapping[str, object]) -> None:
        """See ``Telemetry.notice``."""
        self.board.remark(level, text, facts)
        self.next.notice(level, text, facts)


@dataclass(frozen=True, slots=True)
class ProgramTelemetry:
    """Adds the metrics of program and clients to each snapshot; called in the thread that runs the program's functions.

    Attributes:
        metrics: What the program has declared.
        clients: What the Kafka clients say of themselves.
        next: The telemetry behind.
    """

    metrics: UserMetrics
    clients: Callable[[], tuple[ClientSnapshot, ...]]
    next: Telemetry

    def publish(self, snapshot: Snapshot) -> None:
        """See ``Telemetry.publish``."""
        self.next.publish(replace(snapshot, user=self.metrics.snapshot(), clients=self.clients()))

    def notice(self, level: str, text: str, facts: Mapping[str, object]) -> None:
        """See ``Telemetry.notice``."""
        self.next.notice(level, text, facts)


@contextmanager
def observed(
    topology: Topology, settings: Settings, telemetry: Telemetry, stores: StateDirectory, *, port: int
) -> Iterator[Telemetry]:
    """Serve the page of a worker, if the settings want one, and return the telemetry that feeds it.

    A port that is taken is no reason not to work: a free one is used instead, and somebody is told.
    """
    if not settings.telemetry.http:
        yield telemetry
        return
    board = Board()

    def latest() -> Snapshot | None:
        return board.fleet().snapshots.get(0)

    identity = worker_identity(topology, settings)
    plan: dict[str, Any] = json.loads(describe(topology, "json"))
    sources = Sources(
        identity=identity,
        board=board,
        metrics=page_of(WorkerCollector(identity, latest)),
        plan=lambda: plan,
        query=StoreQueries(topology, stores, latest).rows,
    )
    place = settings.telemetry
    try:
        site = Site(partial(respond, sources), host=place.host, port=port, token=place.token)
    except ConfigError as error:
        telemetry.notice("warning", error.message, error.facts)
        site = Site(partial(respond, sources), host=place.host, port=0, token=place.token)
    telemetry.notice("info", "status page and metrics", {"url": f"http://{site.address}/"})
    try:
        yield BoardTelemetry(board, site.address, telemetry)
    finally:
        site.close()


def worker_identity(topology: Topology, settings: Settings) -> Identity:
    """Return who a worker of this topology is, and which of its series exist from the start."""
    from streamframe import __version__

    return Identity(
        application=topology.application,
        version=__version__,
        python=platform.python_version(),
        librdkafka=client_version(),
        fingerprint=topology.fingerprint[:12],
        guarantee=settings.commit.guarantee,
        known=_known(topology),
        known_drops=_known_drops(topology),
        changelogs={d.changelog: d.name for sub in topology.sub_topologies for d in sub.stores},
        alive_seconds=settings.limits.watchdog / MICROS_PER_SECOND + LOOP_GRACE_SECONDS,
    )


def _known(topology: Topology) -> dict[str, tuple[str, ...]]:
    nodes = dict.fromkeys(stage.node for sub in topology.sub_topologies for stage in sub.stages)
    inputs = tuple(dict.fromkeys(topic for sub in topology.sub_topologies for topic in sub.topics))
    sources = tuple(source.name for source in topology.sources)
    sinks = tuple(node.name for node in nodes if isinstance(node, TopicSink | BatchSink | PrintSink))
    aggregates = tuple(node.name for node in nodes if isinstance(node, Aggregate))
    windowed = tuple(node.name for node in nodes if isinstance(node, Aggregate) and node.window is not None)
    written = tuple(dict.fromkeys(windowed_by_sink(topology).values()))
    stores = tuple(declaration.name for sub in topology.sub_topologies for declaration in sub.stores)
    outputs = tuple(dict.fromkeys([*topology.sink_topics, *(each.topic for each in topology.repartitions)]))
    known = {
        "records_consumed_total": inputs,
        "bytes_consumed_total": inputs,
        "end_to_end_latency_seconds": inputs,
        "records_produced_total": outputs,
        "bytes_produced_total": outputs,
        "rows_in_total": sources,
        "dead_letters_total": sources if topology.plan.dead_letters else (),
        "rows_out_total": sinks,
        "rows_aggregated_total": aggregates,
        "rows_emitted_total": aggregates,
        "windows_closed_total": windowed,
        "emit_delay_seconds": written,
        "windows_missed_total": windowed,
        "rows_late_partly_total": windowed,
        "changelog_records_total": stores,
        "restore_records_total": stores,
    }
    return {PREFIX + name: values for name, values in known.items() if values}


def _known_drops(topology: Topology) -> tuple[tuple[str, str], ...]:
    nodes = dict.fromkeys(stage.node for sub in topology.sub_topologies for stage in sub.stages)
    pairs = [(source.name, reason) for source in topology.sources for reason in ("null_value", "skipped")]
    for node in nodes:
        if isinstance(node, Aggregate):
            reasons = ("null_key",) if node.window is None else ("null_key", "outside", "late")
            pairs += [(node.name, reason) for reason in reasons]
    return tuple(pairs)
