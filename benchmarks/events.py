"""What the workers of a run reported: the file that ``launcher`` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def read_events(path: str | Path) -> list[Event]:
    """Return the complete lines so far."""
    file = Path(path)
    if not file.exists():
        return []
    lines = file.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines]


def snapshots(path: str | Path) -> list[Event]:
    """Return the snapshots, each with the time ``at`` which it was received."""
    return [{"at": each["at"], **each["snapshot"]} for each in read_events(path) if each["kind"] == "SnapshotReceived"]


def pauses_of(found: list[Event]) -> dict[str, float]:
    """Return the longest and the median time, in ms, for which a commit kept the loop from reading and processing."""
    commits = {each["at"]: each for snapshot in found for each in snapshot["measured"]["commits"]}
    pauses = sorted(each["stalled"] / 1_000 for each in commits.values())
    if not pauses:
        return {"commits": 0, "longest_pause_ms": 0.0, "median_pause_ms": 0.0}
    return {
        "commits": len(pauses),
        "longest_pause_ms": round(pauses[-1], 1),
        "median_pause_ms": round(pauses[len(pauses) // 2], 1),
        "longest_sealing_ms": round(max(each["sealing"] for each in commits.values()) / 1_000, 1),
    }


def total(path: str | Path, count: str) -> int:
    """Return a count summed over workers and steps, as of the last snapshot of each worker."""
    last = {each["worker"]: each for each in snapshots(path)}
    return sum(
        number for each in last.values() for name, number in each["counts"].items() if name.split(":")[0] == count
    )
