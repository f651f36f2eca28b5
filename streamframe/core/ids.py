"""Identifiers: partitions, tasks, offsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

Offset = NewType("Offset", int)
"""A position in a partition: always the *next* record to read."""

NO_OFFSET = Offset(-1)
"""No offset is known (nothing committed yet)."""


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of one topic. Prints as ``clicks[3]``."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


@dataclass(frozen=True, slots=True, order=True)
class TaskId:
    """One sub-topology on one partition number: the unit of work, of state and of ownership.

    Prints as ``0_3`` (sub-topology 0, partition 3), as in Kafka Streams.
    """

    sub_topology: int
    partition: int

    def __str__(self) -> str:
        return f"{self.sub_topology}_{self.partition}"
