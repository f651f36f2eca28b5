"""The server properties of a node: what a broker for development and tests should do unlike a production one.

Pure text: nothing here touches a file or a process.
"""

from __future__ import annotations

from pathlib import Path

from streamframe.broker.spec import BrokerSpec

INTERNAL_PARTITIONS = 4
"""Partitions of the topics of group and transaction coordinators (Kafka: 50): quick first use, quick restart."""


def node_properties(
    spec: BrokerSpec, *, node: int, broker_ports: tuple[int, ...], controller_ports: tuple[int, ...], log_dir: Path
) -> dict[str, str]:
    """Return the properties of one node, by name.

    Args:
        spec: The cluster; its ``settings`` win over everything here.
        node: Number of the node, from 1.
        broker_ports: Ports for clients, in the order of the nodes.
        controller_ports: Ports for the metadata quorum, in the order of the nodes.
        log_dir: The node's data.
    """
    merged = {
        **_place(node, broker_ports, controller_ports, log_dir),
        **_replication(spec.replication_factor),
        **_GROUPS,
        **_TRANSACTIONS,
        **_SIZES,
        **spec.settings,
    }
    return {name: str(value) for name, value in merged.items()}


def render(properties: dict[str, str]) -> str:
    """Return the text of a Java properties file. Backslashes are the only thing that must be escaped here."""
    return "".join(f"{name}={value.replace(chr(92), chr(92) * 2)}\n" for name, value in properties.items())


def _place(
    node: int, broker_ports: tuple[int, ...], controller_ports: tuple[int, ...], log_dir: Path
) -> dict[str, str | int]:
    client = f"PLAINTEXT://127.0.0.1:{broker_ports[node - 1]}"
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controller_ports, 1)),
        "listeners": f"{client},CONTROLLER://127.0.0.1:{controller_ports[node - 1]}",
        "advertised.listeners": client,
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(log_dir),
        # A killed node may register again after this long (default 9 s: its old incarnation is still "alive").
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
    }


def _replication(factor: int) -> dict[str, str | int]:
    in_sync = 2 if factor > 1 else 1
    return {
        "default.replication.factor": factor,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": factor,
        "transaction.state.log.replication.factor": factor,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": factor,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


_GROUPS: dict[str, str | int] = {
    # Quick rebalances. A client may ask for a session as short as a second (Kafka: 6 s and 45 s), so that
    # a test does not wait long for a killed member; with KIP-848 the broker decides, and says 6 s.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "group.consumer.min.session.timeout.ms": 1000,
    "group.consumer.min.heartbeat.interval.ms": 100,
    "group.consumer.session.timeout.ms": 6000,
    "group.consumer.heartbeat.interval.ms": 500,
}

_TRANSACTIONS: dict[str, str | int] = {
    # A dead producer's transaction ends this soon after its timeout (Kafka: 10 s). The longest timeout a
    # client may ask for stays Kafka's 15 minutes: a program that fits here must fit there.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
}

_SIZES: dict[str, str | int] = {
    "offsets.topic.num.partitions": INTERNAL_PARTITIONS,
    "transaction.state.log.num.partitions": INTERNAL_PARTITIONS,
    "share.coordinator.state.topic.num.partitions": INTERNAL_PARTITIONS,
    # A small machine: fewer threads, and 16 MB instead of 128 MB for the log cleaner.
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 4,
    "log.cleaner.dedupe.buffer.size": 16 << 20,
    "log.segment.bytes": 256 << 20,
    # Kafka's defaults, written down because people meet them here first: records older than a week
    # are deleted *by their timestamp*, and offsets of a group that is gone after a week.
    "log.retention.hours": 168,
    "offsets.retention.minutes": 10080,
    # A missing topic is an error to be seen, not an empty topic with one partition.
    "auto.create.topics.enable": "false",
    "num.partitions": 4,
}
