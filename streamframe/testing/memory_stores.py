"""Local stores in memory that behave like a disk: a crash loses what was not flushed.

RocksDB without a write-ahead log moves back, after a kill, to an older state that it really had after
some write. ``MemoryStores.crash`` does the same: it keeps any prefix of the unflushed writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from streamframe.core.errors import StoreUnavailable
from streamframe.core.ids import TaskId
from streamframe.state.memory import MemoryStore
from streamframe.state.store import Changes, Store


@dataclass(slots=True)
class Disk:
    """What one task's store holds.

    Attributes:
        durable: Content that survives a crash.
        unflushed: Writes since the last flush, in order.
        owner: The open store, if any.
    """

    durable: dict[bytes, bytes] = field(default_factory=dict)
    unflushed: list[Changes] = field(default_factory=list)
    owner: DiskStore | None = None

    def flush(self, count: int | None = None) -> None:
        """Make the first ``count`` unflushed writes durable (all of them by default); drop the rest."""
        store = MemoryStore(self.durable)
        for changes in self.unflushed[:count]:
            store.write(changes)
        self.durable = store.content()
        self.unflushed = []


class DiskStore:
    """An open store on a ``Disk``."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._store = MemoryStore(disk.durable)

    def get(self, key: bytes) -> bytes | None:
        """See ``StoreReader.get``."""
        return self._store.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See ``StoreReader.scan``."""
        return self._store.scan(prefix)

    def seek(self, key: bytes) -> bytes | None:
        """See ``StoreReader.seek``."""
        return self._store.seek(key)

    def write(self, changes: Changes) -> None:
        """See ``Store.write``."""
        self._store.write(changes)
        self._disk.unflushed.append(changes)

    def flush(self) -> None:
        """See ``Store.flush``."""
        self._disk.flush()

    def close(self) -> None:
        """See ``Store.close``."""
        if self._disk.owner is self:
            self.flush()
            self._disk.owner = None


class MemoryStores:
    """The engine's ``Stores`` port: the state directory of one machine."""

    def __init__(self) -> None:
        self.disks: dict[TaskId, Disk] = {}

    def open(self, task: TaskId) -> Store:
        """See ``Stores.open``."""
        disk = self.disks.setdefault(task, Disk())
        if disk.owner is not None:
            raise StoreUnavailable("store is held by another worker", task=str(task))
        disk.owner = DiskStore(disk)
        return disk.owner

    def wipe(self, task: TaskId) -> None:
        """See ``Stores.wipe``."""
        disk = self.disks.get(task)
        if disk is not None and disk.owner is not None:
            raise StoreUnavailable("store is held by another worker", task=str(task))
        self.disks.pop(task, None)

    def crash(self, tasks: list[TaskId], keep: Callable[[int], int]) -> None:
        """The process that had these stores open is gone.

        Args:
            tasks: Its tasks.
            keep: Given the number of unflushed writes of a store, how many of them survived.
        """
        for task in tasks:
            disk = self.disks.get(task)
            if disk is not None:
                disk.flush(keep(len(disk.unflushed)))
                disk.owner = None
