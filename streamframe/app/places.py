"""Where things are on this machine, when nobody says otherwise. The only reader of the environment here."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

from streamframe.core.settings import StateSettings, TelemetrySettings


def state_root(settings: StateSettings) -> Path:
    """Return the state directory: the one that was set, else ``$XDG_STATE_HOME/streamframe``."""
    if settings.directory:
        return Path(settings.directory).expanduser()
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "streamframe"


def installation(instance: str, root: Path) -> str:
    """Return the name of an installation, which must be its own in the group, and the same after a restart.

    Two workers of one name would fence each other for ever. Two installations on one machine have state directories
    of their own, because a directory belongs to one of them; so without a name it is that of the machine and the
    directory.

    Args:
        instance: The name that was given; empty: none.
        root: Its state directory.

    Example:
        >>> installation("blue", Path("/var/lib/streamframe"))
        'blue'
    """
    if instance:
        return instance
    return f"{socket.gethostname()}-{hashlib.blake2b(os.fsencode(root.resolve()), digest_size=3).hexdigest()}"


def worker_port(settings: TelemetrySettings, slot: int) -> int:
    """Return the port of a worker's page: behind that of the supervisor, in the order of the slots; 0: a free one.

    Example:
        >>> worker_port(TelemetrySettings(port=9464), 1), worker_port(TelemetrySettings(), 1)
        (9466, 0)
    """
    return settings.port + 1 + slot if settings.port else 0


def pages_directory(settings: StateSettings) -> Path:
    """Return where running programs of this machine write down the addresses of their pages."""
    return state_root(settings) / ".pages"
