"""The cache home: what is fetched or made once and used by every later start.

::

    $STREAMFRAME_CACHE, or $XDG_CACHE_HOME/streamframe, or ~/.cache/streamframe
    ├── kafka/4.1.2/jars/           the release
    ├── kafka/4.1.2/template/       the data directory of a node that was only formatted
    ├── kafka/4.1.2/start-KEY.aot   image of the loaded classes, for one Java and one class path
    ├── kafka/4.1.2.lock            held by the one process that prepares the release
    ├── data/9092/                  data of the broker of that port
    └── running/9092.json           where the broker of that port has its data

Everything below ``kafka/`` appears by a rename of something complete, and may be deleted at any time.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamframe.core.errors import ConfigError

_LOCK_POLL_SECONDS = 0.05


def cache_home() -> Path:
    """Return the directory for fetched and prepared files (it may not exist yet)."""
    chosen = os.environ.get("STREAMFRAME_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache").absolute() / "streamframe"


def make_dir(path: Path) -> Path:
    """Create a directory with its parents and return it.

    Raises:
        ConfigError: It cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "cannot create a directory",
            hint="set STREAMFRAME_CACHE to a directory you may write, or give --data-dir",
            path=str(path),
            reason=error.strerror,
        ) from error
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new one, never a part."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


@contextmanager
def locked(path: Path, *, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock between processes; the operating system drops it when its owner dies.

    Args:
        path: The lock file. It is created, and left behind: deleting it would let two owners in.
        on_wait: Called once with the process id of the owner when the lock is not free.
    """
    make_dir(path.parent)
    with open(path, "a+", encoding="utf-8") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told and on_wait is not None:
                    file.seek(0)
                    on_wait(file.read().strip() or "unknown")
                told = True
                time.sleep(_LOCK_POLL_SECONDS)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)
