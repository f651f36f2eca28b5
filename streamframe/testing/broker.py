"""A real broker for tests: started here, or the one that ``STREAMFRAME_TEST_BOOTSTRAP`` names."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from streamframe.broker import DEFAULT_VERSION, BrokerSpec, ConsoleProgress, LocalCluster
from streamframe.core.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

EXTERNAL_BOOTSTRAP = "STREAMFRAME_TEST_BOOTSTRAP"
_ADMIN_SECONDS_MAX = 30.0


class KafkaBroker:
    """An Apache Kafka on this machine that ends with the ``with`` statement, or with the process.

    A new one is up in about a second, holds nothing, and leaves nothing behind. The first on a machine
    takes a quarter of a minute: Kafka is fetched and prepared, and standard error shows how far it is.

    When the environment variable ``STREAMFRAME_TEST_BOOTSTRAP`` is set, nothing is started: that broker is
    used instead, and its nodes cannot be killed.

    Args:
        nodes: 1, or 3 with replication factor 3 and two in-sync replicas.
        version: Release of Apache Kafka.
        settings: Further server properties.
        data_dir: Where to keep the data; by default a scratch directory, deleted at the end.

    Example:
        >>> with KafkaBroker() as broker:  # doctest: +SKIP
        ...     broker.create_topic("clicks", 4, {"cleanup.policy": "delete"})
        ...     run_my_app(brokers=broker.bootstrap)
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        version: str = DEFAULT_VERSION,
        settings: Mapping[str, str | int] | None = None,
        data_dir: Path | None = None,
    ) -> None:
        self._external = os.environ.get(EXTERNAL_BOOTSTRAP) or None
        self._cluster = LocalCluster(
            BrokerSpec(nodes=nodes, port=0, version=version, settings=settings or {}, data_dir=data_dir)
        )
        self._admin: AdminClient | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """Addresses for clients: ``host:port``, with commas between several."""
        return self._external or self._cluster.bootstrap

    def start(self) -> None:
        """Start the broker, unless an external one is used, and return when clients find all they need.

        Raises:
            ConfigError: There is no Java, or the extra ``streamframe[broker]`` is not installed.
            Unavailable: Kafka could not be fetched, or was not up in time.
        """
        if self._external is None:
            self._cluster.start(ConsoleProgress())

    def stop(self) -> None:
        """End the broker and delete its data; an external one is left alone."""
        self._admin = None
        if self._external is None:
            self._cluster.stop()

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str | int] | None = None) -> None:
        """Create a topic, replicated to every node, and return when each partition has a leader.

        Args:
            name: The topic.
            partitions: How many partitions.
            config: Topic settings, such as ``{"cleanup.policy": "compact"}``. Records with old timestamps
                need ``{"retention.ms": -1}``: the broker deletes what is a week old by its timestamp.

        Raises:
            ConfigError: The broker refuses the topic, for example because it exists.
            Unavailable: It was not there in time.
        """
        from confluent_kafka import KafkaException
        from confluent_kafka.cimpl import NewTopic

        admin = self._admin_client()
        topic = NewTopic(name, partitions, config={key: str(value) for key, value in (config or {}).items()})
        try:
            admin.create_topics([topic], operation_timeout=_ADMIN_SECONDS_MAX)[name].result(_ADMIN_SECONDS_MAX)
        except KafkaException as error:
            reason = error.args[0]
            if reason.retriable():
                raise Unavailable("the topic could not be created", topic=name, reason=reason.str()) from error
            raise ConfigError("the broker refuses the topic", topic=name, reason=reason.str()) from error
        self._wait_for_leaders(admin, name, partitions)

    def kill(self, node: int = 1) -> None:
        """End a node with SIGKILL; its data stay for `revive`.

        Raises:
            ConfigError: The broker is an external one.
        """
        self._ours("kill").kill(node)

    def stop_node(self, node: int = 1) -> None:
        """Stop a node as an operator would, so that it hands its partitions over first.

        Raises:
            ConfigError: The broker is an external one.
        """
        self._ours("stop_node").stop_node(node)

    def revive(self, *nodes: int) -> None:
        """Start nodes that were killed or stopped (node 1 when none is named), together; return when all can be used.

        Raises:
            ConfigError: The broker is an external one, or a node is running.
        """
        self._ours("revive").revive(*(nodes or (1,)))

    def _ours(self, action: str) -> LocalCluster:
        if self._external is not None:
            raise ConfigError(
                "an external broker is used, its nodes are not ours",
                hint=f"unset {EXTERNAL_BOOTSTRAP} to run this against a broker started here",
                action=action,
                bootstrap=self._external,
            )
        return self._cluster

    def _admin_client(self) -> AdminClient:
        from confluent_kafka.admin import AdminClient

        # Kept: the results of a client that is gone are errors.
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap})
        return self._admin

    def _wait_for_leaders(self, admin: AdminClient, name: str, partitions: int) -> None:
        deadline = time.monotonic() + _ADMIN_SECONDS_MAX
        while time.monotonic() < deadline:
            found = admin.list_topics(name, timeout=_ADMIN_SECONDS_MAX).topics[name].partitions
            if len(found) == partitions and all(partition.leader >= 0 for partition in found.values()):
                return
            time.sleep(0.01)
        raise Unavailable("the topic has no leader yet", topic=name, partitions=partitions)
