"""What topics look like: descriptions of existing ones, and the configuration of those that we create.

Rules:
    1. Nothing internal depends on record timestamps: replayed history is years old, and a topic with a time
       limit would lose it at once. Changelogs are compacted only; repartition records are kept until we
       delete them behind a commit.
    2. Timestamps are those of the writer, on every topic that we create.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streamframe.kafka.client_config import RECORD_BYTES_MAX

FOREVER: Final = "-1"

BROKER_DEFAULT: Final = -1
"""Replication factor: whatever the broker has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """An existing topic.

    Attributes:
        name: Its name.
        topic_id: Its identity, 16 bytes; a topic that was made anew has another one.
        partition_count: Number of partitions.
    """

    name: str
    topic_id: bytes
    partition_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic to be created.

    Attributes:
        name: Its name.
        partition_count: Number of partitions.
        replication_factor: Copies of each partition; -1: the broker's default.
        config: Topic configuration, in the broker's words.
    """

    name: str
    partition_count: int
    replication_factor: int = BROKER_DEFAULT
    config: Mapping[str, str] = field(default_factory=dict)


def changelog_spec(name: str, partition_count: int, replication_factor: int = BROKER_DEFAULT) -> TopicSpec:
    """Return the topic that mirrors a store: the last value of each key is kept for ever."""
    return TopicSpec(
        name=name,
        partition_count=partition_count,
        replication_factor=replication_factor,
        config={
            "cleanup.policy": "compact",
            "message.timestamp.type": "CreateTime",
            "max.message.bytes": str(RECORD_BYTES_MAX),
        },
    )


def repartition_spec(name: str, partition_count: int, replication_factor: int = BROKER_DEFAULT) -> TopicSpec:
    """Return a topic between two steps: every record is kept until it is purged behind a commit."""
    return TopicSpec(
        name=name,
        partition_count=partition_count,
        replication_factor=replication_factor,
        config={
            "cleanup.policy": "delete",
            "retention.ms": FOREVER,
            "retention.bytes": FOREVER,
            "message.timestamp.type": "CreateTime",
            "max.message.bytes": str(RECORD_BYTES_MAX),
        },
    )
