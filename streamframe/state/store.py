"""The store port: an ordered map from bytes to bytes with atomic batches, and the words to change it.

Rules:
    1. Keys are ordered as bytes.
    2. ``Store.write`` is the only way to change a store, and it is atomic: after a crash a store holds
       all of a batch or nothing of it. It may hold an older state than the last write (a store need not
       be durable), but only one that it really had after some write.
    3. A damaged store raises ``StoreCorrupted``; it never answers with less or something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Changes:
    """One atomic batch. Applied in the order: ranges, then deletes, then puts.

    Attributes:
        puts: Keys and their new values.
        deletes: Keys to forget; unknown keys are allowed.
        ranges: Half-open ranges ``[begin, end)`` of keys to forget.
    """

    puts: Sequence[tuple[bytes, bytes]] = ()
    deletes: Sequence[bytes] = ()
    ranges: Sequence[tuple[bytes, bytes]] = ()

    def __bool__(self) -> bool:
        return bool(self.puts or self.deletes or self.ranges)


class StoreReader(Protocol):
    """Reading a store."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or ``None``.

        Raises:
            StoreCorrupted: The stored bytes are damaged.
        """
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with ``prefix`` and their values, in key order, as of the call.

        Raises:
            StoreCorrupted: The stored bytes are damaged; never a silently shorter answer.
        """
        ...

    def seek(self, key: bytes) -> bytes | None:
        """Return the first key that is ``>= key``, or ``None``."""
        ...


class Store(StoreReader, Protocol):
    """A store that can be changed."""

    def write(self, changes: Changes) -> None:
        """Apply one batch atomically.

        Raises:
            StoreUnavailable: The batch could not be written; nothing of it was applied.
        """
        ...

    def flush(self) -> None:
        """Make everything written so far survive the end of the process."""
        ...

    def close(self) -> None:
        """Flush and release everything. A closed store must not be used; closing twice is allowed."""
        ...


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key after every key that begins with ``prefix``.

    Example:
        >>> prefix_end(b"ab"), prefix_end(b"a\\xff")
        (b'ac', b'b')
    """
    trimmed = prefix.rstrip(b"\xff")
    assert trimmed, "a prefix of 0xff bytes has no end"
    return trimmed[:-1] + bytes([trimmed[-1] + 1])
