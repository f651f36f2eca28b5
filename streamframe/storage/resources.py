"""The memory that all databases of a process share."""

from __future__ import annotations

from typing import Final

from rocksdict import Cache, WriteBufferManager

MEBIBYTE: Final = 1 << 20


class SharedResources:
    """One block cache and one write-buffer manager, given to every database of the process.

    State is kept in memory as tables and in RocksDB as blobs that are read once, so the cache is small.

    Args:
        cache_bytes: Size of the block cache.
        buffers_bytes: Bound of all write buffers together. A write beyond it waits for a flush: measured, the
            bound does not hold (331 MB where 32 were asked) unless writers may be stalled.
    """

    __slots__ = ("buffers", "cache")

    def __init__(self, *, cache_bytes: int = 32 * MEBIBYTE, buffers_bytes: int = 128 * MEBIBYTE) -> None:
        self.cache = Cache(cache_bytes)
        self.buffers = WriteBufferManager(buffers_bytes, True)

    @property
    def buffered_bytes(self) -> int:
        """Bytes in write buffers now, of all databases."""
        return self.buffers.get_usage()
