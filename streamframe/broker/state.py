"""What is written beside the data: which cluster it is, and which processes run it now.

``cluster.json`` is made once with the directory. ``broker.json`` is there while processes run, or were
left by a crash; it is believed only as far as its processes are alive (`ProcessId`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamframe.broker.caches import cache_home, make_dir, write_whole
from streamframe.broker.process import ProcessId, is_alive
from streamframe.core.errors import ConfigError

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterIdentity:
    """Made with the data directory, never changed.

    Attributes:
        cluster_id: Kafka's name of the cluster.
        nodes: How many nodes it was made for.
        version: Newest Kafka release that wrote it: an older one cannot read it.
    """

    cluster_id: str
    nodes: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCluster:
    """The processes of a data directory.

    Attributes:
        owner: The process that the cluster must not outlive; ``None`` when it is detached.
        processes: Node number -> its process.
        broker_ports: Ports for clients, in the order of the nodes.
        controller_ports: Ports of the metadata quorum, in the order of the nodes.
        version: The Kafka release that runs.
    """

    owner: ProcessId | None
    processes: Mapping[int, ProcessId]
    broker_ports: tuple[int, ...]
    controller_ports: tuple[int, ...]
    version: str

    @property
    def bootstrap(self) -> str:
        """Addresses for clients."""
        return ",".join(f"127.0.0.1:{port}" for port in self.broker_ports)

    def alive(self) -> dict[int, ProcessId]:
        """Return the nodes that run."""
        return {node: process for node, process in self.processes.items() if is_alive(process)}


def read_identity(data_dir: Path) -> ClusterIdentity | None:
    """Return what cluster a directory holds; ``None`` for a new one."""
    found = _read(data_dir / "cluster.json")
    return None if found is None else ClusterIdentity(**found)


def write_identity(data_dir: Path, identity: ClusterIdentity) -> None:
    """Write down what cluster a directory holds."""
    _write(data_dir / "cluster.json", asdict(identity))


def read_running(data_dir: Path) -> RunningCluster | None:
    """Return the processes last started for a directory, dead or alive."""
    found = _read(data_dir / "broker.json")
    if found is None:
        return None
    owner = found["owner"]
    return RunningCluster(
        owner=None if owner is None else ProcessId(**owner),
        processes={int(node): ProcessId(**process) for node, process in found["processes"].items()},
        broker_ports=tuple(found["broker_ports"]),
        controller_ports=tuple(found["controller_ports"]),
        version=found["version"],
    )


def write_running(data_dir: Path, running: RunningCluster) -> None:
    """Write down which processes run a directory."""
    _write(data_dir / "broker.json", asdict(running))


def clear_running(data_dir: Path) -> None:
    """Say that nothing runs."""
    (data_dir / "broker.json").unlink(missing_ok=True)


def data_dir_of_port(port: int) -> Path:
    """Return where a broker of this port keeps its data unless told otherwise."""
    return cache_home() / "data" / str(port)


def find_data_dir(port: int) -> Path:
    """Return the data directory of the broker that was last started detached on this port."""
    found = _read(_pointer(port))
    return data_dir_of_port(port) if found is None else Path(found["data_dir"])


def point_to_data_dir(port: int, data_dir: Path) -> None:
    """Remember where the broker of a port has its data, so that it can be stopped by its port."""
    make_dir(_pointer(port).parent)
    _write(_pointer(port), {"data_dir": str(data_dir)})


def forget_port(port: int) -> None:
    """Forget where the broker of a port has its data."""
    _pointer(port).unlink(missing_ok=True)


def _pointer(port: int) -> Path:
    return cache_home() / "running" / f"{port}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
        if content.pop("format") != _FORMAT:
            raise ValueError("another format")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "a state file of the local broker cannot be used",
            hint="stop its processes yourself if there are any, then delete the file",
            path=str(path),
            reason=str(error),
        ) from error
    return content


def _write(path: Path, content: Mapping[str, object]) -> None:
    write_whole(path, json.dumps({"format": _FORMAT, **content}, indent=1, default=str).encode() + b"\n")
