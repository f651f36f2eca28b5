"""A cluster that lives no longer than this process: for tests, fixtures and the demo."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from streamframe.broker.boot import PortsLost, check_ports, launch_cluster, launch_node, wait_until_up
from streamframe.broker.nodes import keep_old_log
from streamframe.broker.ownership import claimed
from streamframe.broker.prepare import prepare
from streamframe.broker.process import Guard, ProcessId, end_processes, send_signal, wait_gone
from streamframe.broker.progress import Progress, SilentProgress
from streamframe.broker.release import Release
from streamframe.broker.spec import BrokerSpec
from streamframe.broker.state import (
    ClusterIdentity,
    RunningCluster,
    clear_running,
    data_dir_of_port,
    write_running,
)
from streamframe.broker.status import ClusterStatus, look_at
from streamframe.core.errors import ConfigError, Unavailable

STOP_SECONDS_MAX = 30.0
_PORT_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Live:
    """Everything about a started cluster."""

    release: Release
    data_dir: Path
    guard: Guard
    running: RunningCluster


class LocalCluster:
    """A real Kafka on the loopback address, ended with this process however it ends.

    With port 0 and no data directory the cluster is a throw-away: it is killed, not stopped, and its data
    are deleted.

    Args:
        spec: What to run; by default one node on a free port, thrown away at the end.

    Example:
        >>> with LocalCluster() as cluster:  # doctest: +SKIP
        ...     print(cluster.bootstrap)
        127.0.0.1:40123
    """

    def __init__(self, spec: BrokerSpec | None = None) -> None:
        self.spec = spec or BrokerSpec(port=0)
        self._live: _Live | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """Addresses for clients.

        Raises:
            ConfigError: The cluster was not started.
        """
        return self._started().running.bootstrap

    @property
    def data_dir(self) -> Path:
        """Where data and logs are; a scratch directory is gone after `stop`."""
        return self._started().data_dir

    def start(self, progress: Progress | None = None) -> str:
        """Start every node, wait until clients find all they need, and return the addresses.

        The first start on a machine fetches Kafka and prepares it; ``progress`` hears of it.

        Raises:
            ConfigError: No Java, the port is taken, the data directory is in use or of another cluster.
            Unavailable: Kafka could not be fetched, or was not up in time.
        """
        if self._live is not None:
            raise ConfigError("this cluster was started before", bootstrap=self.bootstrap)
        check_ports(self.spec)
        release = prepare(self.spec.version, progress or SilentProgress())
        for _ in range(_PORT_ATTEMPTS):
            try:
                self._live = self._start_once(release)
                return self.bootstrap
            except PortsLost:
                continue
        raise Unavailable("no free ports could be kept", attempts=_PORT_ATTEMPTS)

    def stop(self) -> None:
        """Stop every node and return when none runs; does nothing when nothing was started."""
        live, self._live = self._live, None
        if live is None:
            return
        if not self._is_scratch:
            end_processes(list(live.running.processes.values()), grace_seconds=STOP_SECONDS_MAX)
            clear_running(live.data_dir)
        live.guard.finish()

    def status(self) -> ClusterStatus:
        """Return how each node is doing."""
        live = self._started()
        return look_at(live.running, live.data_dir)

    def kill(self, node: int) -> None:
        """End a node with SIGKILL and return when it is gone. Its data stay."""
        process = self._process(node)
        send_signal(process, signal.SIGKILL)
        wait_gone([process], seconds_max=STOP_SECONDS_MAX)

    def stop_node(self, node: int) -> None:
        """Stop a node as an operator would (it hands its partitions over first) and return when it is gone."""
        end_processes([self._process(node)], grace_seconds=STOP_SECONDS_MAX)

    def revive(self, *nodes: int) -> None:
        """Start nodes again that were killed or stopped, together, and return when clients can use them.

        Raises:
            ConfigError: One of the nodes is running.
        """
        live = self._started()
        for node in nodes:
            old = self._process(node)
            if node in live.running.alive():
                raise ConfigError("the node is running", node=node, pid=old.pid)
        processes = dict(live.running.processes)
        for node in nodes:
            keep_old_log(live.data_dir, node)
            processes[node] = launch_node(live.guard, self.spec, live.release, data_dir=live.data_dir, node=node)
        running = replace(live.running, processes=processes)
        self._live = replace(live, running=running)
        write_running(live.data_dir, running)
        wait_until_up(replace(running, processes=running.alive()), live.data_dir)

    @property
    def _is_scratch(self) -> bool:
        return self.spec.data_dir is None and self.spec.port == 0

    def _start_once(self, release: Release) -> _Live:
        if self._is_scratch:
            data_dir = Path(tempfile.mkdtemp(prefix="streamframe-broker-"))
            guard = Guard(grace_seconds=0, scratch=data_dir)
        else:
            data_dir = (self.spec.data_dir or data_dir_of_port(self.spec.port)).absolute()
            guard = Guard(grace_seconds=STOP_SECONDS_MAX)
        try:
            with claimed(data_dir, self.spec) as identity:
                running = self._launch(guard, release, data_dir, identity)
        except BaseException:
            guard.finish()
            raise
        return _Live(release=release, data_dir=data_dir, guard=guard, running=running)

    def _launch(self, guard: Guard, release: Release, data_dir: Path, identity: ClusterIdentity) -> RunningCluster:
        running = launch_cluster(
            guard, self.spec, release, data_dir=data_dir, cluster_id=identity.cluster_id, owned=True
        )
        write_running(data_dir, running)
        try:
            wait_until_up(running, data_dir)
        except BaseException:
            end_processes(list(running.processes.values()), grace_seconds=0)
            clear_running(data_dir)
            raise
        return running

    def _started(self) -> _Live:
        if self._live is None:
            raise ConfigError("the cluster was not started", hint="use it in a `with` statement, or call start()")
        return self._live

    def _process(self, node: int) -> ProcessId:
        processes: Mapping[int, ProcessId] = self._started().running.processes
        if node not in processes:
            raise ConfigError("no such node", node=node, nodes=sorted(processes))
        return processes[node]
