"""How many rows go along each edge of the plan: what a step counted is what it took out or put in.

Steps count what they drop and what they add, so what leaves a step follows from what enters it; a step that makes new
rows (an aggregate, a receiver) counts those itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streamframe.core import metrics as rows

Stage = tuple[int, int]
"""Number of the sub-topology, and of the stage in it."""

_TAKEN_OUT: Final = (rows.ROWS_NULL_VALUE, rows.ROWS_DEAD_LETTER, rows.ROWS_SKIPPED, rows.ROWS_FILTERED)
_SENDERS: Final = ("send", "receive")


def rows_by_stage(plan: Mapping[str, Any], counts: Mapping[str, Mapping[str, float]]) -> dict[Stage, dict[str, float]]:
    """Return the rows that leave each stage by port, ``rows`` and ``late``; stages that cannot be told are left out.

    Args:
        plan: The described topology.
        counts: By step and what was counted, over the time in question.

    Example:
        >>> stages = [{"index": 0, "verb": "source", "name": "clicks", "upstream": []},
        ...           {"index": 1, "verb": "filter", "name": "paid", "upstream": [{"stage": 0, "port": "rows"}]}]
        >>> plan = {"sub_topologies": [{"id": 0, "stages": stages}]}
        >>> rows_by_stage(plan, {"clicks": {"rows_in": 10}, "paid": {"rows_filtered": 4}})
        {(0, 0): {'rows': 10.0}, (0, 1): {'rows': 6.0}}
    """
    found: dict[Stage, dict[str, float]] = {}
    for sub in plan["sub_topologies"]:
        for stage in sub["stages"]:
            at = (sub["id"], stage["index"])
            counted = counts.get(stage["name"], {})
            ports = _ports(stage, counted, [_entering(found, sub["id"], edge) for edge in stage["upstream"]])
            if ports:
                found[at] = ports
    return found


def _entering(found: Mapping[Stage, Mapping[str, float]], sub: int, edge: Mapping[str, Any]) -> float | None:
    return found.get((sub, edge["stage"]), {}).get(edge["port"])


def _ports(
    stage: Mapping[str, Any], counted: Mapping[str, float], entering: list[float | None]
) -> dict[str, float] | None:
    verb = stage["verb"]
    if verb == "aggregate":
        return {
            "rows": float(counted.get(rows.ROWS_EMITTED, 0)),
            "late": float(counted.get(rows.WINDOWS_MISSED, 0)),
        }
    if verb in _SENDERS:
        return None
    if verb == "source":
        before = float(counted.get(rows.ROWS_IN, 0))
    elif entering and None not in entering:
        before = sum(each for each in entering if each is not None)
    else:
        return None
    taken = sum(counted.get(what, 0) for what in _TAKEN_OUT)
    return {"rows": max(0.0, before - taken + counted.get(rows.ROWS_ADDED, 0))}
