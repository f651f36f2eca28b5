"""The dashboards by file. ``make dashboards`` writes them to ``grafana/dashboards/``; a test compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import as_text
from grafana.client import client
from grafana.overview import overview
from grafana.state import state
from grafana.topology import topology

FOLDER: Final = Path(__file__).parent / "dashboards"

DASHBOARDS: Final[Mapping[str, Callable[[], Dashboard]]] = {
    "overview.json": overview,
    "topology.json": topology,
    "state.json": state,
    "client.json": client,
}
"""File to what makes it."""


def write(folder: Path = FOLDER) -> None:
    """Write all dashboards."""
    folder.mkdir(exist_ok=True)
    for name, make in DASHBOARDS.items():
        (folder / name).write_text(as_text(make()), encoding="utf-8")
