"""Start the nodes of a cluster and wait until a client would find nothing missing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from streamframe.broker import wire
from streamframe.broker.nodes import keep_old_log, last_words, make_node, node_dir
from streamframe.broker.ports import free_ports, is_free, listener
from streamframe.broker.process import Guard, ProcessId, identify, is_alive
from streamframe.broker.release import Release, server_command
from streamframe.broker.spec import BrokerSpec
from streamframe.broker.state import RunningCluster
from streamframe.core.errors import ConfigError, Unavailable

UP_SECONDS_MAX = 120.0
_POLL_SECONDS = 0.01
_LINE_LENGTH_MAX = 300
_BIND_FAILURE = "Address already in use"


class PortsLost(Exception):
    """Somebody else took one of our free ports between looking and listening: try other ones."""


def choose_ports(spec: BrokerSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ports for clients and for the metadata quorum.

    Raises:
        ConfigError: A port that was asked for is taken.
    """
    free = free_ports(2 * spec.nodes)
    if spec.port == 0:
        return free[: spec.nodes], free[spec.nodes :]
    wanted = check_ports(spec)
    return wanted, tuple(port for port in free if port not in wanted)[: spec.nodes]


def check_ports(spec: BrokerSpec) -> tuple[int, ...]:
    """Return the ports for clients that were asked for (none with port 0).

    Raises:
        ConfigError: One of them is taken.
    """
    wanted = tuple(range(spec.port, spec.port + spec.nodes)) if spec.port else ()
    for port in wanted:
        if not is_free(port):
            raise ConfigError(
                "the port is taken",
                hint="stop that process, or choose another port with --port (0 picks a free one)",
                port=port,
                taken_by=listener(port) or "a process of another user",
            )
    return wanted


def launch_cluster(
    guard: Guard, spec: BrokerSpec, release: Release, *, data_dir: Path, cluster_id: str, owned: bool
) -> RunningCluster:
    """Start every node and return at once."""
    ports = choose_ports(spec)
    processes = {}
    for node in range(1, spec.nodes + 1):
        make_node(data_dir, node, spec=spec, release=release, cluster_id=cluster_id, ports=ports)
        keep_old_log(data_dir, node)
        processes[node] = launch_node(guard, spec, release, data_dir=data_dir, node=node)
    return RunningCluster(
        owner=identify(os.getpid()) if owned else None,
        processes=processes,
        broker_ports=ports[0],
        controller_ports=ports[1],
        version=release.version,
    )


def launch_node(
    guard: Guard, spec: BrokerSpec, release: Release, *, data_dir: Path, node: int, record_image: Path | None = None
) -> ProcessId:
    """Start the process of one node whose directory is ready."""
    place = node_dir(data_dir, node)
    command = server_command(
        release, node_dir=place, heap=spec.heap_size, tuned_for=spec.tuned_for, record_image=record_image
    )
    process = guard.launch(command, cwd=place, output=place / "out.log")
    if process is None:
        raise _failed(data_dir, node)
    return process


def wait_until_up(running: RunningCluster, data_dir: Path, *, seconds_max: float = UP_SECONDS_MAX) -> None:
    """Wait until every node answers and sees all others, coordinators are ready and replicas in sync.

    Args:
        running: The cluster; only nodes in its ``processes`` are waited for.
        data_dir: Where the logs are, for an error.
        seconds_max: How long to wait.

    Raises:
        PortsLost: A port was taken by somebody else meanwhile.
        ConfigError: A node ended by itself.
        Unavailable: The cluster was not up in time.
    """
    deadline = time.monotonic() + seconds_max
    ports = [running.broker_ports[node - 1] for node in running.processes]
    for port in ports:
        while wire.broker_count(port) < len(running.processes):
            _check(running.processes, data_dir, deadline)
    for port in ports:
        while not wire.coordinators_ready(port):
            _check(running.processes, data_dir, deadline)
    while not wire.are_replicas_in_sync(ports[0], list(running.processes)):
        _check(running.processes, data_dir, deadline)


def _check(processes: Mapping[int, ProcessId], data_dir: Path, deadline: float) -> None:
    for node, process in processes.items():
        if not is_alive(process):
            raise _failed(data_dir, node)
    if time.monotonic() > deadline:
        words = [line for node in processes for line in last_words(data_dir, node, lines_max=4)]
        raise Unavailable("the broker was not up in time", hint=_logged(words), data_dir=str(data_dir))
    time.sleep(_POLL_SECONDS)


def _failed(data_dir: Path, node: int) -> Exception:
    words = last_words(data_dir, node)
    if any(_BIND_FAILURE in line for line in words):
        return PortsLost()
    return ConfigError(
        "the broker ended by itself while it started", hint=_logged(words), directory=str(node_dir(data_dir, node))
    )


def _logged(lines: list[str]) -> str:
    said = "".join(f"\n  | {line[:_LINE_LENGTH_MAX]}" for line in lines)
    return f"server.log and out.log of the node tell the whole story; what seems to matter:{said or ' nothing'}"
