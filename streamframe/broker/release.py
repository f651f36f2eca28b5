"""A Kafka release that is ready to run, and the command line of one node.

Nothing here fetches or starts anything: `prepare` makes a `Release`, `boot` runs its commands.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamframe.broker.java import Java

FIRST_JAVA_WITH_AOT = 25

_LOG_SETTINGS = {
    "showDateTime": "true",
    "dateTimeFormat": "yyyy-MM-dd HH:mm:ss.SSS",
    "showThreadName": "false",
    "showShortLogName": "true",
    # Three screens of settings at each start, and a line for each try to reach a node that is down.
    "log.org.apache.kafka.common.config.AbstractConfig": "warn",
    "log.kafka.server.KafkaConfig": "warn",
    "log.org.apache.kafka.clients.NetworkClient": "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Kafka and a Java to run it.

    Attributes:
        version: Kafka's release.
        java: The Java.
        jars: The class path, sorted: a class image fits one order of it only.
        template: Directory with what Kafka's formatting tool makes, less the names of cluster and node.
        image: Image of the loaded classes for this Java and class path; ``None`` where there is none.
    """

    version: str
    java: Java
    jars: tuple[Path, ...]
    template: Path
    image: Path | None = None

    @property
    def class_path(self) -> str:
        """The class path as Java wants it."""
        return os.pathsep.join(str(jar) for jar in self.jars)


def server_command(
    release: Release, *, node_dir: Path, heap: str, tuned_for: Literal["start", "throughput"], record_image: Path | None
) -> list[str]:
    """Return the command line that runs one node.

    Args:
        release: What to run.
        node_dir: Directory with the node's ``server.properties``; its server log is written there.
        heap: The Java heap, such as ``"512m"``.
        tuned_for: See `BrokerSpec`.
        record_image: Write an image of the loaded classes there when the node stops.
    """
    logging = [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in _LOG_SETTINGS.items()]
    return [
        str(release.java.path),
        f"-Xmx{heap}",
        *_tuning(tuned_for),
        *_image_flags(release, record_image),
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dorg.slf4j.simpleLogger.logFile={node_dir / 'server.log'}",
        *logging,
        "-cp",
        release.class_path,
        "kafka.Kafka",
        str(node_dir / "server.properties"),
    ]


def format_command(release: Release, *, properties: Path, cluster_id: str) -> list[str]:
    """Return the command line of Kafka's own formatting tool."""
    return [
        str(release.java.path),
        *_tuning("start"),
        "-cp",
        release.class_path,
        "kafka.tools.StorageTool",
        "format",
        "--cluster-id",
        cluster_id,
        "--config",
        str(properties),
    ]


def _tuning(tuned_for: Literal["start", "throughput"]) -> list[str]:
    # The serial collector and the first compiler alone: least memory, fewest threads, least processor
    # time for a broker that lives for minutes on a machine that has other things to do.
    return ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] if tuned_for == "start" else ["-XX:+UseG1GC"]


def _image_flags(release: Release, record: Path | None) -> list[str]:
    # Java 25 makes an ahead-of-time cache in one run (JEP 483, 514); from 13 on there is an archive of
    # loaded classes. Both are ignored, not fatal, when they do not fit the Java or the class path.
    modern = release.java.major >= FIRST_JAVA_WITH_AOT
    if record is not None:
        return [f"-XX:AOTCacheOutput={record}" if modern else f"-XX:ArchiveClassesAtExit={record}"]
    if release.image is not None:
        return [f"-XX:AOTCache={release.image}" if modern else f"-XX:SharedArchiveFile={release.image}"]
    return []
