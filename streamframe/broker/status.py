"""How a local cluster is doing, as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamframe.broker import wire
from streamframe.broker.process import is_alive, resident_bytes
from streamframe.broker.state import RunningCluster


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node.

    Attributes:
        node: Its number, from 1.
        port: Its port for clients.
        pid: Its process id (of the last process, when it is down).
        is_up: Whether the process runs.
        known_brokers: How many live brokers it knows; 0 when it does not answer.
        resident_bytes: Memory in use, where the system tells it.
    """

    node: int
    port: int
    pid: int
    is_up: bool
    known_brokers: int
    resident_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """A cluster that was started here.

    Attributes:
        bootstrap: Addresses for clients.
        version: The Kafka release.
        data_dir: Where its data and logs are.
        nodes: Its nodes, by number.
    """

    bootstrap: str
    version: str
    data_dir: Path
    nodes: tuple[NodeStatus, ...]

    @property
    def is_up(self) -> bool:
        """Whether every node runs and sees all others."""
        return all(node.is_up and node.known_brokers >= len(self.nodes) for node in self.nodes)


def look_at(running: RunningCluster, data_dir: Path) -> ClusterStatus:
    """Return the status of a cluster now."""
    nodes = []
    for node, process in running.processes.items():
        alive, port = is_alive(process), running.broker_ports[node - 1]
        nodes.append(
            NodeStatus(
                node=node,
                port=port,
                pid=process.pid,
                is_up=alive,
                known_brokers=wire.broker_count(port) if alive else 0,
                resident_bytes=resident_bytes(process) if alive else None,
            )
        )
    return ClusterStatus(bootstrap=running.bootstrap, version=running.version, data_dir=data_dir, nodes=tuple(nodes))
