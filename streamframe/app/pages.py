"""Finding the pages of programs that run on this machine, and reading them. Needs neither pandas nor a broker."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from streamframe.app.places import pages_directory
from streamframe.app.supervisor_page import ask
from streamframe.core.errors import ConfigError, Unavailable
from streamframe.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Page:
    """Where a running program can be looked at."""

    application: str
    url: str


def find_pages(settings: Settings, application: str = "") -> list[Page]:
    """Return the pages of running programs that share this state directory, by name."""
    return sorted(_noted(settings, application), key=lambda page: (page.application, page.url))


def read_document(url: str, name: str, settings: Settings) -> dict[str, Any]:
    """Return a document of a page.

    Raises:
        Unavailable: Nobody answers there.
        ConfigError: The page wants a token, or does not know the document.
    """
    status, found = ask(urlsplit(url).netloc or url, f"/api/{name}", settings.telemetry)
    if status == 0:
        raise Unavailable("nobody answers at this address", url=url)
    if status == 401:
        raise ConfigError("the page wants a token", hint="set STREAMFRAME_TELEMETRY_TOKEN", url=url)
    if status != 200:
        raise ConfigError("the page does not say", url=url, document=name, status=status)
    return found


def _noted(settings: Settings, application: str) -> Iterator[Page]:
    directory = pages_directory(settings.state)
    for note in sorted(directory.glob("*.json")) if directory.is_dir() else ():
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(note.read_text(encoding="utf-8"))
            if _lives(int(found["pid"])) and application in ("", found["application"]):
                yield Page(found["application"], found["url"])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
