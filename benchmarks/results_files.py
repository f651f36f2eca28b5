"""Result files: one JSON object per subject and data path below ``results/``, with the machine it was measured on.

``throughput-pure.json`` was measured without ``streamframe-native``, ``throughput-native.json`` with it. Peers have no
such difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, native_path

PATHS = ("pure", "native")
RESULTS = Path(__file__).parent / "results"


def save(subject: str, measured: dict[str, Any]) -> Path:
    """Write what was measured, with the machine; return the file."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / _name(subject, native_path())
    file.write_text(json.dumps({"machine": describe(), "measured": measured}, indent=1) + "\n")
    return file


def load(subject: str, path: str) -> dict[str, Any] | None:
    """Return a result file, or ``None`` when the subject was not measured on that data path."""
    file = RESULTS / _name(subject, path)
    return json.loads(file.read_text()) if file.exists() else None


def subjects() -> list[str]:
    """Return what was measured."""
    return sorted(file.stem for file in RESULTS.glob("*.json"))


def _name(subject: str, path: str) -> str:
    return f"{subject}.json" if subject == "peers" else f"{subject}-{path}.json"
