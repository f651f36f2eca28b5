"""Positions in logs: values that questions and answers are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streamframe.core.ids import Offset, TopicPartition

EARLIEST: Final = Offset(-2)
"""Resume at the first record that is still there."""

LATEST: Final = Offset(-1)
"""Resume behind the last record."""

UNDELIVERED: Final = "|undelivered"
"""In the text of a committed offset: batches for functions were committed that nobody is known to have taken."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What the group has committed for a partition: the next offset (or ``NO_OFFSET``) and its text."""

    offset: Offset
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """First offset that is still there, and the offset behind the last one."""

    begin: Offset
    end: Offset


@dataclass(frozen=True, slots=True)
class ChangelogBounds:
    """Bounds of a changelog partition, and the identity of its topic.

    ``end`` is the *log end* (high watermark), not the last stable offset: records of a transaction that
    is still undecided may be among them, and restoring waits until they are decided.
    """

    topic_id: bytes
    begin: Offset
    end: Offset


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """All that counts together.

    Attributes:
        offsets: For every owned input partition the next offset and its text.
        changelog: Per changelog partition the records of this commit, in order.
    """

    offsets: Mapping[TopicPartition, Committed]
    changelog: Mapping[TopicPartition, Sequence[tuple[bytes, bytes | None]]]
