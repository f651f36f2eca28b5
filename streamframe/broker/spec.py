"""What kind of broker is wanted: one value, checked when it is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from streamframe.core.errors import ConfigError

DEFAULT_VERSION: Final = "4.1.2"
"""The newest release without the transaction marker fault of one-node clusters (KAFKA-20734, 4.3 and later)."""

DEFAULT_PORT: Final = 9092


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSpec:
    """The Kafka cluster to run on this machine's loopback address.

    Attributes:
        nodes: 1, or 3 with replication factor 3 and two in-sync replicas.
        port: Port of the first node, the others follow it; 0 picks free ones.
        data_dir: Where logs and state live. ``None`` means a directory of the port below the cache home, or,
            with port 0, a scratch directory that is deleted when the broker stops.
        version: Release of Apache Kafka, at least 4.0.
        heap: Java heap of each node, such as ``"512m"``; ``None`` means 512 MB, or 384 MB with three nodes.
        settings: Further server properties; they win over ours.
        tuned_for: ``"start"`` compiles little (tests, demo: least processor time in the first minutes),
            ``"throughput"`` lets Java optimise fully (benchmarks).

    Raises:
        ConfigError: A field has a value that no broker can have.

    Example:
        >>> BrokerSpec(nodes=3).replication_factor
        3
    """

    nodes: int = 1
    port: int = DEFAULT_PORT
    data_dir: Path | None = None
    version: str = DEFAULT_VERSION
    heap: str | None = None
    settings: Mapping[str, str | int] = field(default_factory=dict)
    tuned_for: Literal["start", "throughput"] = "start"

    def __post_init__(self) -> None:
        if self.nodes not in (1, 3):
            raise ConfigError("a local cluster has 1 or 3 nodes", nodes=self.nodes)
        if not 0 <= self.port <= 65535 - self.nodes:
            raise ConfigError("no such port", port=self.port)
        if not re.fullmatch(r"[4-9]\.\d+\.\d+", self.version):
            raise ConfigError(
                "not a Kafka release that can be run here",
                hint=f"use a full version from 4.0.0 on, such as {DEFAULT_VERSION}",
                version=self.version,
            )
        if self.heap is not None and not re.fullmatch(r"\d+[kmgKMG]", self.heap):
            raise ConfigError("not a Java heap size", hint='write it like "512m" or "2g"', heap=self.heap)

    @property
    def replication_factor(self) -> int:
        """Replicas of every topic: one for each node."""
        return self.nodes

    @property
    def heap_size(self) -> str:
        """The Java heap of each node, with the default filled in."""
        return self.heap or ("512m" if self.nodes == 1 else "384m")
