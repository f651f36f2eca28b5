"""Places for workers: a small number that no other living worker of this machine has.

A worker's transactional id must be its own while it lives, and the same again after a restart: then the
new worker ends the transaction that the dead one left open. So each worker takes the lowest number whose
lock file nobody holds; the system gives the lock back when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streamframe.core.errors import ConfigError

PLACES_MAX: Final = 1_024
"""Workers of one application on one machine: far more than cores."""


class WorkerPlace:
    """A number that is this process's alone until it is closed.

    Args:
        root: The state directory.
        application: Name of the application.

    Raises:
        ConfigError: The directory cannot be used.

    Example::

        with WorkerPlace(Path("/var/lib/streamframe"), "orders") as place:
            print(place.number)
    """

    def __init__(self, root: Path, application: str) -> None:
        directory = root / application / "workers"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self.number, self._lock = _lowest_free(directory)
        except OSError as error:
            raise ConfigError(
                "the state directory cannot be used",
                hint="choose another with --state-dir",
                path=str(directory),
                reason=str(error),
            ) from error

    def close(self) -> None:
        """Give the number back."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lowest_free(directory: Path) -> tuple[int, int]:
    for number in range(PLACES_MAX):
        lock = os.open(directory / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return number, lock
    raise ConfigError("too many workers on this machine", places=PLACES_MAX)
