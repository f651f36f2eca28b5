"""A broker that outlives the command that started it: ``streamframe broker start|stop|status``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from streamframe.broker.boot import PortsLost, check_ports, launch_cluster, wait_until_up
from streamframe.broker.cluster import STOP_SECONDS_MAX
from streamframe.broker.ownership import claimed
from streamframe.broker.ports import free_ports, is_free
from streamframe.broker.prepare import prepare
from streamframe.broker.process import Guard, end_processes, is_alive
from streamframe.broker.progress import Progress, SilentProgress
from streamframe.broker.spec import BrokerSpec
from streamframe.broker.state import (
    RunningCluster,
    clear_running,
    data_dir_of_port,
    find_data_dir,
    forget_port,
    point_to_data_dir,
    read_running,
    write_running,
)
from streamframe.broker.status import ClusterStatus, look_at
from streamframe.core.errors import ConfigError, Unavailable

_ATTEMPTS = 3


def start_detached(spec: BrokerSpec, progress: Progress | None = None) -> ClusterStatus:
    """Start a cluster that runs until it is stopped, and return when clients find all they need.

    Its data stay when it stops. With port 0 a free port is chosen that has no data yet.

    Raises:
        ConfigError: No Java, the port is taken, the data directory is in use or of another cluster.
        Unavailable: Kafka could not be fetched, or was not up in time.
    """
    release = prepare(spec.version, progress or SilentProgress())
    if spec.port == 0:
        spec = replace(spec, port=_new_port(spec))
    data_dir = (spec.data_dir or data_dir_of_port(spec.port)).absolute()
    _refuse_second_start(spec.port)
    check_ports(spec)
    with claimed(data_dir, spec) as identity:
        for _ in range(_ATTEMPTS):
            guard = Guard(grace_seconds=0, detach=True)
            try:
                running = launch_cluster(
                    guard, spec, release, data_dir=data_dir, cluster_id=identity.cluster_id, owned=False
                )
                write_running(data_dir, running)
                wait_until_up(running, data_dir)
            except PortsLost:
                guard.finish()
                clear_running(data_dir)
                continue
            except BaseException:
                guard.finish()
                clear_running(data_dir)
                raise
            guard.release()
            point_to_data_dir(spec.port, data_dir)
            return look_at(running, data_dir)
    raise Unavailable("no free ports could be kept", attempts=_ATTEMPTS)


def stop_detached(*, port: int, data_dir: Path | None = None) -> int:
    """Stop the cluster of a port or a data directory; return how many nodes were running.

    Raises:
        ConfigError: The cluster belongs to a process that is alive: end that.
    """
    place = data_dir.absolute() if data_dir is not None else find_data_dir(port)
    running = read_running(place)
    if running is None:
        return 0
    if running.owner is not None and is_alive(running.owner):
        raise ConfigError(
            "the broker belongs to a running process",
            hint="end that process; the broker ends with it",
            owner_pid=running.owner.pid,
            data_dir=str(place),
        )
    alive = running.alive()
    end_processes(list(alive.values()), grace_seconds=STOP_SECONDS_MAX)
    clear_running(place)
    _forget(running)
    return len(alive)


def detached_status(*, port: int, data_dir: Path | None = None) -> ClusterStatus | None:
    """Return the status of the cluster of a port or a data directory; ``None`` when none was started."""
    place = data_dir.absolute() if data_dir is not None else find_data_dir(port)
    running = read_running(place)
    return None if running is None else look_at(running, place)


def _refuse_second_start(port: int) -> None:
    """Name our own broker on the port, rather than a process id that the reader must look up."""
    other = find_data_dir(port)
    running = read_running(other)
    if running is not None and running.alive() and port in running.broker_ports:
        raise ConfigError(
            "a broker of this port is running already",
            hint=f"use it, or stop it first: streamframe broker stop --port {port}",
            bootstrap=running.bootstrap,
            data_dir=str(other),
            pids=[process.pid for process in running.alive().values()],
        )


def _new_port(spec: BrokerSpec) -> int:
    for _ in range(100):
        (port,) = free_ports(1)
        wanted = range(port, port + spec.nodes)
        if all(is_free(one) for one in wanted) and not data_dir_of_port(port).exists():
            return port
    raise Unavailable("no free ports were found", nodes=spec.nodes)


def _forget(running: RunningCluster) -> None:
    forget_port(running.broker_ports[0])
