"""The engine's ``Stores`` port in the simulator: disks that fill up, break, forget, and come back older.

What is survivable, and so may happen: losing the unflushed writes of a killed process (any prefix of them
survives); a flush at any time; a full disk; damage that reads or writes notice; a disk that is wiped; an
older copy of a disk. What RocksDB does not do does not happen: a write batch is never torn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from streamframe.core.errors import StoreCorrupted, StoreUnavailable
from streamframe.core.ids import TaskId
from streamframe.state.store import Changes, Store
from streamframe.testing.memory_stores import Disk, DiskStore, MemoryStores
from streamframe.testing.sim.faults import Faults

OnWrite = Callable[[TaskId, Changes], None]


@dataclass(slots=True)
class Machine:
    """One state directory.

    Attributes:
        name: Its name.
        stores: What is on the disk.
        damaged: Stores that answer with ``StoreCorrupted`` until they are wiped.
        quiet: Those of them that can be opened all the same: only reads and writes find out.
        copies: An older copy of some stores.
    """

    name: str
    stores: MemoryStores = field(default_factory=MemoryStores)
    damaged: set[TaskId] = field(default_factory=set)
    quiet: set[TaskId] = field(default_factory=set)
    copies: dict[TaskId, Mapping[bytes, bytes]] = field(default_factory=dict)

    def copy(self) -> None:
        """Copy every store as a backup would find it: what has been flushed."""
        self.copies = {task: dict(disk.durable) for task, disk in sorted(self.stores.disks.items())}

    def bring_back(self) -> list[TaskId]:
        """Put the older copy in the place of every store that nobody has open."""
        brought = []
        for task, content in self.copies.items():
            disk = self.stores.disks.setdefault(task, Disk())
            if disk.owner is None:
                disk.durable, disk.unflushed = dict(content), []
                brought.append(task)
        return brought

    def wipe(self) -> list[TaskId]:
        """Lose every store that nobody has open."""
        lost = [task for task, disk in sorted(self.stores.disks.items()) if disk.owner is None]
        for task in lost:
            del self.stores.disks[task]
            self.repair(task)
        return lost

    def repair(self, task: TaskId) -> None:
        """A store begins anew."""
        self.damaged.discard(task)
        self.quiet.discard(task)


class SimStores:
    """One process's access to the state directory of its machine.

    Args:
        machine: Where the process runs.
        process: Its name.
        faults: What goes wrong.
        on_write: Is shown every write before it happens.
    """

    def __init__(self, machine: Machine, process: str, faults: Faults, on_write: OnWrite) -> None:
        self._machine = machine
        self._process = process
        self._faults = faults
        self._on_write = on_write
        self.open_stores: dict[TaskId, SimStore] = {}

    def open(self, task: TaskId) -> Store:
        """See ``Stores.open``."""
        self._faults.point(self._process, "open store")
        if self._faults.strikes("store busy"):
            raise StoreUnavailable("store is held by another process", task=str(task))
        inner = self._machine.stores.open(task)
        assert isinstance(inner, DiskStore)
        if task in self._machine.damaged and task not in self._machine.quiet:
            inner.close()
            raise StoreCorrupted("the store is damaged", task=str(task))
        store = SimStore(self, task, inner)
        self.open_stores[task] = store
        self._faults.point(self._process, "store opened")
        return store

    def wipe(self, task: TaskId) -> None:
        """See ``Stores.wipe``."""
        self._faults.point(self._process, "wipe store")
        self._machine.stores.wipe(task)
        self._machine.repair(task)

    def crash(self, keep: Callable[[int], int]) -> None:
        """The process is gone.

        Args:
            keep: Given the number of unflushed writes of a store, how many of them survived.
        """
        self._machine.stores.crash(sorted(self.open_stores), keep)
        self.open_stores.clear()

    def close_all(self) -> None:
        """The process ends by itself: what is still open is closed."""
        for task in sorted(self.open_stores):
            self.open_stores[task].close()

    # -- for the stores ----------------------------------------------------------------------------

    def check(self, task: TaskId) -> None:
        """Raise when the disk below a store is damaged."""
        if task in self._machine.damaged:
            raise StoreCorrupted("the store is damaged", task=str(task))

    def write(self, task: TaskId, inner: DiskStore, changes: Changes) -> None:
        """Write through to the disk, or not."""
        self._faults.point(self._process, "write store")
        if self._faults.strikes("disk full"):
            raise StoreUnavailable("no space left on the disk", task=str(task))
        if self._faults.strikes("damage on write"):
            self._machine.damaged.add(task)
        self.check(task)
        self._on_write(task, changes)
        inner.write(changes)
        if self._faults.strikes("flush"):
            inner.flush()
        self._faults.point(self._process, "store written")

    def closed(self, task: TaskId) -> None:
        """A store was closed."""
        self.open_stores.pop(task, None)


class SimStore:
    """An open store; see ``SimStores``."""

    def __init__(self, stores: SimStores, task: TaskId, inner: DiskStore) -> None:
        self._stores = stores
        self._task = task
        self._inner = inner

    def get(self, key: bytes) -> bytes | None:
        """See ``StoreReader.get``."""
        self._stores.check(self._task)
        return self._inner.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See ``StoreReader.scan``."""
        self._stores.check(self._task)
        return self._inner.scan(prefix)

    def seek(self, key: bytes) -> bytes | None:
        """See ``StoreReader.seek``."""
        self._stores.check(self._task)
        return self._inner.seek(key)

    def write(self, changes: Changes) -> None:
        """See ``Store.write``."""
        self._stores.write(self._task, self._inner, changes)

    def flush(self) -> None:
        """See ``Store.flush``."""
        self._inner.flush()

    def close(self) -> None:
        """See ``Store.close``."""
        self._stores.closed(self._task)
        self._inner.close()
