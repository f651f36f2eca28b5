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

    __slots__ = ("_cache_bytes", "buffers", "cache")

    def __init__(self, *, cache_bytes: int = 32 * MEBIBYTE, buffers_bytes: int = 128 * MEBIBYTE) -> None:
        self._cache_bytes = cache_bytes
        self.cache = Cache(cache_bytes)
        self.buffers = WriteBufferManager(buffers_bytes, True)

    @property
    def cached_bytes(self) -> int:
        """Bytes in the block cache now, of all databases."""
        return self.cache.get_usage()

    def forget_cached(self) -> None:
        """Empty the block cache: RocksDB leaves blocks of a closed database in it until others push them out.

        Each time that a task moved to another worker 50 KB stayed behind. Open databases read their blocks again.
        """
        self.cache.set_capacity(0)
        self.cache.set_capacity(self._cache_bytes)

    @property
    def buffered_bytes(self) -> int:
        """Bytes in write buffers now, of all databases."""
        return self.buffers.get_usage()
