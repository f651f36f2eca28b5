"""The reference store: a dict with its keys kept in order. Every other backend must equal it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from streamframe.state.store import Changes


class MemoryStore:
    """A ``Store`` in memory. Nothing survives the object.

    Args:
        content: What the store holds at first.

    Example:
        >>> store = MemoryStore()
        >>> store.write(Changes(puts=[(b"a", b"1"), (b"b", b"2")]))
        >>> list(store.scan(b"a")), store.seek(b"aa")
        ([(b'a', b'1')], b'b')
    """

    __slots__ = ("_closed", "_order", "_value_by_key")

    def __init__(self, content: Mapping[bytes, bytes] | None = None) -> None:
        self._value_by_key = dict(content or {})
        self._order: list[bytes] | None = None
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        assert not self._closed
        return self._value_by_key.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        assert not self._closed
        keys = self._keys()
        items = []
        for position in range(bisect_left(keys, prefix), len(keys)):
            if not keys[position].startswith(prefix):
                break
            items.append((keys[position], self._value_by_key[keys[position]]))
        return iter(items)

    def seek(self, key: bytes) -> bytes | None:
        assert not self._closed
        keys = self._keys()
        position = bisect_left(keys, key)
        return keys[position] if position < len(keys) else None

    def write(self, changes: Changes) -> None:
        assert not self._closed
        for begin, end in changes.ranges:
            keys = self._keys()
            for key in keys[bisect_left(keys, begin) : bisect_left(keys, end)]:
                del self._value_by_key[key]
            self._order = None
        for key in changes.deletes:
            self._value_by_key.pop(key, None)
        for key, value in changes.puts:
            self._value_by_key[key] = value
        self._order = None

    def flush(self) -> None:
        assert not self._closed

    def close(self) -> None:
        self._closed = True

    def content(self) -> dict[bytes, bytes]:
        """Return a copy of everything, in key order."""
        return {key: self._value_by_key[key] for key in self._keys()}

    def _keys(self) -> list[bytes]:
        if self._order is None:
            self._order = sorted(self._value_by_key)
        return self._order
