"""The state directory of an application: one database per task, its lock, its marker, its quarantine.

::

    <state directory>/<application>/<task>/
        marker.json     what the directory is: format, application, task
        lock            held (flock) by the process that has the store open
        db/             the RocksDB database
        aside/          the last database that was wiped, kept for diagnosis

Rules:
    1. Nothing below a directory without our marker is ever removed.
    2. The lock lies outside the database, so that it also covers wiping, and ends with the process that holds it.
    3. Whatever is wrong with a local store, its changelog can rebuild it; so damage is an answer
       (``StoreCorrupted``), not a catastrophe. The exception is a full disk: rebuilding needs more space.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streamframe.core.errors import ConfigError, StateError, StoreCorrupted, StoreUnavailable
from streamframe.core.ids import TaskId
from streamframe.engine.snapshot import DiskSnapshot
from streamframe.storage.resources import SharedResources
from streamframe.storage.rocksdb import FrozenReader, RocksStore

FORMAT: Final = 1
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_TASK: Final = re.compile(r"([0-9]+)_([0-9]+)")
_FRESH_MARKER: Final = "marker.json.new"
_OURS: Final = ("lock", _FRESH_MARKER)
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class StateDirectory:
    """The local stores of one application in one directory.

    Several processes may share the directory: each store is open in at most one of them.

    Args:
        root: The state directory; made if it is not there.
        application: Name of the application.
        resources: Memory shared by all databases of the process; made if not given.

    Raises:
        ConfigError: The directory cannot be used, or the name cannot be the name of a directory.

    Example::

        with StateDirectory(Path("/var/lib/streamframe"), "orders") as stores:
            store = stores.open(TaskId(0, 3))
    """

    def __init__(self, root: Path, application: str, resources: SharedResources | None = None) -> None:
        if not _NAME.fullmatch(application):
            raise ConfigError(
                "this name of an application cannot be a directory",
                hint="use letters, digits, '.', '_' and '-'",
                application=application,
            )
        self._application = application
        self._base = root / application
        self._resources = resources or SharedResources()
        self._open: dict[TaskId, RocksStore] = {}
        try:
            self._base.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(error, self._base) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def resources(self) -> SharedResources:
        """The memory shared by the stores."""
        return self._resources

    def open(self, task: TaskId) -> RocksStore:
        """Open or create the store of ``task``.

        Raises:
            StoreCorrupted: It is damaged, or the directory is not one of ours; ``wipe`` and open again.
            StoreUnavailable: It is in use by another process, or the disk is full.
        """
        assert task not in self._open, f"the store of task {task} is already open"
        lock = self._lock(task)
        try:
            self._check_marker(task)
            store = RocksStore.open(
                self._directory(task) / "db", self._resources, on_close=lambda: self._closed(task, lock)
            )
        except BaseException as error:
            os.close(lock)
            if isinstance(error, OSError):
                raise _refused(error, self._directory(task)) from error
            raise
        self._open[task] = store
        return store

    def wipe(self, task: TaskId) -> None:
        """Move the closed store of ``task`` aside, in place of the one moved aside before.

        Raises:
            StoreUnavailable: Another process has it open.
        """
        assert task not in self._open, f"the store of task {task} is still open"
        directory = self._directory(task)
        lock = self._lock(task)
        try:
            if self._marker(task) != self._wanted_marker(task):
                self._disown(task)
            elif (directory / "db").exists():
                shutil.rmtree(directory / "aside", ignore_errors=True)
                (directory / "db").rename(directory / "aside")
        except OSError as error:
            raise _refused(error, directory) from error
        finally:
            os.close(lock)

    def discard(self, task: TaskId) -> None:
        """Remove the closed store of ``task`` and what was moved aside of it, for ever.

        Raises:
            StoreUnavailable: Another process has it open.
            StoreCorrupted: The directory is not one of ours.
        """
        assert task not in self._open, f"the store of task {task} is still open"
        directory = self._directory(task)
        if not directory.exists():
            return
        lock = self._lock(task)
        try:
            self._check_marker(task)
            shutil.rmtree(directory)
        except OSError as error:
            raise _refused(error, directory) from error
        finally:
            os.close(lock)

    def tasks(self) -> list[TaskId]:
        """Return the tasks that have a store here, sorted."""
        found = []
        for entry in self._base.iterdir():
            name = _TASK.fullmatch(entry.name)
            if name and (entry / "db").is_dir():
                found.append(TaskId(int(name[1]), int(name[2])))
        return sorted(found)

    @contextmanager
    def frozen(self) -> Iterator[dict[TaskId, FrozenReader]]:
        """Give the open stores as they are now, for reading in another thread, while the context lasts."""
        found = {task: store.frozen() for task, store in dict(self._open).items()}
        readers = {task: reader for task, reader in found.items() if reader is not None}
        try:
            yield readers
        finally:
            for reader in readers.values():
                reader.release()

    def sizes(self) -> DiskSnapshot:
        """Return the open stores together."""
        found = [store.sizes() for store in self._open.values()]
        return DiskSnapshot(
            size=sum(each.size for each in found),
            entries=sum(each.entries for each in found),
            memtables=sum(each.memtables for each in found),
            pending=sum(each.pending for each in found),
            errors=sum(each.errors for each in found),
        )

    def close(self) -> None:
        """Close every open store."""
        for store in list(self._open.values()):
            store.close()

    def _directory(self, task: TaskId) -> Path:
        return self._base / str(task)

    def _closed(self, task: TaskId, lock: int) -> None:
        del self._open[task]
        self._resources.forget_cached()
        os.close(lock)

    def _lock(self, task: TaskId) -> int:
        directory = self._directory(task)
        try:
            directory.mkdir(exist_ok=True)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise _refused(error, directory) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The directory may have been moved or removed between the opening and the locking.
            if os.fstat(lock).st_ino != (directory / "lock").stat().st_ino:
                raise BlockingIOError
        except OSError as error:
            os.close(lock)
            raise StoreUnavailable(
                "the store is in use by another process",
                hint="stop the other worker, or give each its own state directory",
                reason="locked",
                path=str(directory),
            ) from error
        return lock

    def _wanted_marker(self, task: TaskId) -> object:
        return {"format": FORMAT, "application": self._application, "task": str(task)}

    def _marker(self, task: TaskId) -> object:
        """Return what the marker says, or ``None``."""
        try:
            return json.loads((self._directory(task) / "marker.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def _check_marker(self, task: TaskId) -> None:
        directory, wanted = self._directory(task), self._wanted_marker(task)
        found = self._marker(task)
        if found == wanted:
            return
        if found is not None or any(entry.name not in _OURS for entry in directory.iterdir()):
            raise StoreCorrupted("the directory holds something else", path=str(directory), marker=found)
        # Written aside and renamed: a marker is whole or not there.
        fresh = directory / _FRESH_MARKER
        fresh.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
        fresh.replace(directory / "marker.json")

    def _disown(self, task: TaskId) -> None:
        """Move a directory that is not ours out of the way, as it is, and take its place."""
        directory = self._directory(task)
        number = 1
        while (target := directory.with_name(f"{directory.name}.foreign-{number}")).exists():
            number += 1
        directory.rename(target)
        directory.mkdir()


def _refused(error: OSError, path: Path) -> StateError | ConfigError:
    if error.errno in _FULL:
        return StoreUnavailable(
            "the disk of the state directory is full",
            hint="make room and start again; nothing is lost",
            reason="no space",
            path=str(path),
        )
    return ConfigError("the state directory cannot be used", path=str(path), cause=str(error))
