"""Where things are on this machine, when nobody says otherwise. The only reader of the environment here."""

from __future__ import annotations

import os
from pathlib import Path

from streamframe.core.settings import StateSettings


def state_root(settings: StateSettings) -> Path:
    """Return the state directory: the one that was set, else ``$XDG_STATE_HOME/streamframe``."""
    if settings.directory:
        return Path(settings.directory).expanduser()
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "streamframe"
