"""Pictures of the page: where they are written, and cases as bars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.plots import Bar

DOCS = Path(__file__).resolve().parents[1] / "docs"
IMAGES = DOCS / "images"


def case_bar(label: str, case: dict[str, Any], *, kind: str, limit: float | None = None) -> Bar:
    """Return a throughput case as a bar."""
    cost = case["cpu_s_per_million"]
    return Bar(label=label, value=cost["median"], low=cost["low"], high=cost["high"], limit=limit, kind=kind)


def image(name: str, text: str) -> str:
    """Write a picture; return the reference to it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / f"{name}.svg").write_text(text)
    return f"![{name}](images/{name}.svg)"
