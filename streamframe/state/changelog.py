"""The changelog: records to changes, and how far a local store has come.

The key of a changelog record is the store key (below the name of the store), its value the stored value, a null
value a deletion. Restoring and following a changelog apply records through ``apply_records`` only, and what a
commit writes locally has the same effect: a store never holds what its changelog does not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from streamframe.core.errors import StoreCorrupted, StoreIncompatible
from streamframe.state.store import Changes

POSITION_KEY: Final = b"o"
"""Where a store keeps its ``LocalPosition``. Never written to the changelog."""

_POSITION_VERSION: Final = 1
_POSITION: Final = struct.Struct("<B?16sq")


@dataclass(frozen=True, slots=True)
class LocalPosition:
    """How much of its changelog a local store contains.

    It is written in the same batch as the changes it speaks of.

    Attributes:
        topic_id: The 16 bytes of the topic's id, or ``None`` where the broker has none. Another id means
            that the topic was deleted and made again: the local store is worthless.
        offset: The next offset to read.
    """

    topic_id: bytes | None
    offset: int

    def encode(self) -> bytes:
        """Return the stored bytes."""
        assert self.topic_id is None or len(self.topic_id) == 16
        return _POSITION.pack(_POSITION_VERSION, self.topic_id is not None, self.topic_id or b"", self.offset)

    @classmethod
    def decode(cls, stored: bytes) -> LocalPosition:
        """Read what ``encode`` wrote.

        Raises:
            StoreIncompatible: The bytes are of another version.
            StoreCorrupted: They are no position.
        """
        if stored and stored[0] != _POSITION_VERSION:
            raise StoreIncompatible("a changelog position has another format", version=stored[0])
        if len(stored) != _POSITION.size:
            raise StoreCorrupted("a changelog position is damaged", bytes=len(stored))
        _, known, topic_id, offset = _POSITION.unpack(stored)
        return cls(topic_id if known else None, offset)


def apply_records(records: Iterable[tuple[bytes, bytes | None]]) -> Changes:
    """Return the changes that changelog records make, in order; the last record of a key wins.

    Example:
        >>> apply_records([(b"a", b"1"), (b"b", b"2"), (b"a", None)])
        Changes(puts=[(b'b', b'2')], deletes=[b'a'], ranges=())
    """
    last: dict[bytes, bytes | None] = {}
    last.update(records)
    return Changes(
        puts=[(key, value) for key, value in last.items() if value is not None],
        deletes=[key for key, value in last.items() if value is None],
    )
