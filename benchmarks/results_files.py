"""Result files: one JSON object per subject below ``results/``, each with the machine it was measured on.

A subject is measured anew, not merged: what a file says was measured in one session.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.machine import describe

RESULTS = Path(__file__).parent / "results"


def save(subject: str, measured: dict[str, Any]) -> Path:
    """Write what was measured, with the machine; return the file."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{subject}.json"
    file.write_text(json.dumps({"machine": describe(), "measured": measured}, indent=1) + "\n")
    return file


def load(subject: str) -> dict[str, Any] | None:
    """Return a result file, or ``None`` when the subject was not measured."""
    file = RESULTS / f"{subject}.json"
    return json.loads(file.read_text()) if file.exists() else None


def subjects() -> list[str]:
    """Return what was measured."""
    return sorted(file.stem for file in RESULTS.glob("*.json"))
