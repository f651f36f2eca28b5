"""Whose data directory is it? Asked before every start, with the directory's lock held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from streamframe.broker.caches import locked, make_dir
from streamframe.broker.nodes import new_uuid
from streamframe.broker.process import end_processes, is_alive
from streamframe.broker.spec import BrokerSpec
from streamframe.broker.state import (
    ClusterIdentity,
    clear_running,
    read_identity,
    read_running,
    write_identity,
)
from streamframe.core.errors import ConfigError


@contextmanager
def claimed(data_dir: Path, spec: BrokerSpec) -> Iterator[ClusterIdentity]:
    """Hold the directory for a start, after making sure that nothing runs in it.

    What a crash left is cleaned up: the state of dead processes, and brokers whose owner is dead.

    Raises:
        ConfigError: A broker runs in the directory, or it was made for another cluster.
    """
    with locked(make_dir(data_dir) / "broker.lock"):
        _end_orphans(data_dir)
        yield _identity(data_dir, spec)


def _end_orphans(data_dir: Path) -> None:
    running = read_running(data_dir)
    if running is None:
        return
    alive = running.alive()
    if alive and (running.owner is None or is_alive(running.owner)):
        pids = [process.pid for process in alive.values()]
        detached = running.owner is None
        raise ConfigError(
            "a broker is running in this data directory",
            hint=f"stop it first: streamframe broker stop --data-dir {data_dir}"
            if detached
            else "it belongs to that process; end it, or choose another data directory",
            data_dir=str(data_dir),
            bootstrap=running.bootstrap,
            **({"pids": pids} if running.owner is None else {"owner_pid": running.owner.pid}),
        )
    end_processes(list(alive.values()), grace_seconds=0)
    clear_running(data_dir)


def _identity(data_dir: Path, spec: BrokerSpec) -> ClusterIdentity:
    found = read_identity(data_dir)
    if found is None:
        found = ClusterIdentity(cluster_id=new_uuid(), nodes=spec.nodes, version=spec.version)
        write_identity(data_dir, found)
        return found
    if found.nodes != spec.nodes:
        raise ConfigError(
            "the data directory was made for another number of nodes",
            hint=f"start it with --nodes {found.nodes}, or choose another data directory (or delete this one)",
            data_dir=str(data_dir),
            made_for=found.nodes,
            asked=spec.nodes,
        )
    if _numbers(spec.version) < _numbers(found.version):
        raise ConfigError(
            "the data directory was written by a newer Kafka",
            hint=f"start it with --version {found.version}, or choose another data directory (or delete this one)",
            data_dir=str(data_dir),
            written_by=found.version,
            asked=spec.version,
        )
    if spec.version != found.version:
        found = replace(found, version=spec.version)
        write_identity(data_dir, found)
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
