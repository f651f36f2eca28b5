"""Totals by user over rows of one topic: what the tests of folding and of users' aggregates run."""

from __future__ import annotations

from typing import Any

from streamframe.plan.nodes import Aggregation, Window
from tests.operators.harness import Cluster, aggregate, aggregate_of, source, to_topic, topology

MS = 1_000
HUGE = (1 << 63) - 1
SCHEMA = {"user": "string", "amount": "int64", "other": "int64", "price": "float64", "ts": "timestamp[us]"}
TEN = Window(size=10 * MS, every=10 * MS)
HOP = Window(size=10 * MS, every=5 * MS)


def run(
    rows: list[dict[str, Any]],
    functions: dict[str, tuple[str, str]] | list[Aggregation],
    window: Window | None = TEN,
    *,
    direct: bool = True,
    batch: int = 1 << 20,
    **options: Any,
) -> Cluster:
    node = source(schema=SCHEMA, key=("user",) if direct else ())
    dead_letters = "dead" if options.get("on_error") == "dead_letter" else None
    make: Any = aggregate if isinstance(functions, dict) else aggregate_of
    totals = make(node, ["user"], functions, window, **options)
    cluster = Cluster(topology(to_topic(totals), dead_letters=dead_letters))
    cluster.send("clicks", [{"user": "a", "ts": 1 * MS, **row} for row in rows], by="user")
    return cluster.run(batch, flush=True)
