"""Several named stores in one database: each lives below its length-prefixed name.

A task has one database. The prefix is the length of the name (two bytes, big-endian) and the name, so that no
name is the beginning of another's keys.
"""

from __future__ import annotations

from collections.abc import Iterator

from streamframe.state.store import Changes, StoreReader, prefix_end


def namespace(name: str) -> bytes:
    """Return the key prefix of the store ``name``.

    Example:
        >>> namespace("totals")
        b'\\x00\\x06totals'
    """
    encoded = name.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def prefixed(changes: Changes, name: str) -> Changes:
    """Return changes of the store ``name`` as changes of the database it lives in."""
    prefix = namespace(name)
    return Changes(
        puts=[(prefix + key, value) for key, value in changes.puts],
        deletes=[prefix + key for key in changes.deletes],
        ranges=[(prefix + begin, prefix + end) for begin, end in changes.ranges],
    )


def everything(name: str) -> Changes:
    """Return the changes of the database that forget the whole store ``name``."""
    prefix = namespace(name)
    return Changes(ranges=[(prefix, prefix_end(prefix))])


class NamespaceReader:
    """A ``StoreReader`` of the store ``name`` inside the database that ``reader`` reads.

    Example:
        >>> from streamframe.state.memory import MemoryStore
        >>> database = MemoryStore()
        >>> database.write(prefixed(Changes(puts=[(b"k", b"v")]), "totals"))
        >>> NamespaceReader(database, "totals").get(b"k"), NamespaceReader(database, "other").seek(b"")
        (b'v', None)
    """

    __slots__ = ("_prefix", "_reader")

    def __init__(self, reader: StoreReader, name: str) -> None:
        self._reader = reader
        self._prefix = namespace(name)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or ``None``."""
        return self._reader.get(self._prefix + key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys of this store that begin with ``prefix`` and their values, in key order."""
        cut = len(self._prefix)
        return ((key[cut:], value) for key, value in self._reader.scan(self._prefix + prefix))

    def seek(self, key: bytes) -> bytes | None:
        """Return the first key of this store that is ``>= key``, or ``None``."""
        found = self._reader.seek(self._prefix + key)
        return found[len(self._prefix) :] if found is not None and found.startswith(self._prefix) else None
