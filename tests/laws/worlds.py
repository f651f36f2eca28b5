"""Programs, inputs and the plain pandas answers that the three laws are checked with."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from streamframe.api.windows import hopping, tumbling
from streamframe.app.application import App

SCHEMA = {"user": "string", "page": "string", "amount": "int64", "ts": "timestamp[ms]"}
SIZE, GRACE = 10_000, 2_000


@dataclass(frozen=True, slots=True)
class Input:
    """Records of a topic: one list per partition, in offset order."""

    partitions: tuple[tuple[dict[str, Any], ...], ...]

    def frame(self) -> pd.DataFrame:
        """All records with their partition, in an order that keeps that of each partition."""
        rows = [{**row, "partition": number} for number, rows in enumerate(self.partitions) for row in rows]
        frame = pd.DataFrame(rows, columns=["user", "page", "amount", "ts", "partition"])
        return frame.astype({"user": "str", "page": "str", "amount": "int64", "ts": "int64", "partition": "int64"})


def make_input(seed: int, *, partitions: int = 3, rows_max: int = 60, users: int = 5) -> Input:
    """Return seeded input: disordered, partly late, with one hot key and uneven, possibly empty partitions."""
    rng = random.Random(seed)
    found = []
    for number in range(partitions):
        time = rng.randint(0, 15_000)
        rows: list[dict[str, Any]] = []
        for _ in range(rng.choice([0, rng.randint(1, rows_max), rows_max])):
            time += rng.choice([0, 100, 700, 3_000])
            late = rng.choice([0, 0, 500, 1_500, 9_000, 25_000])
            # The message key is the user, so a user's records are in one partition.
            user = f"u{number + partitions * (0 if rng.random() < 0.4 else rng.randrange(users))}"
            page = rng.choice(["/a", "/b", "/c"])
            rows.append({"user": user, "page": page, "amount": rng.randint(-5, 100), "ts": max(-20_000, time - late)})
        found.append(tuple(rows))
    return Input(tuple(found))


def keyed_app() -> App:
    """Tumbling windows by the message key: no repartition."""
    app = App("keyed")
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    totals = clicks.groupby("user").window(tumbling("10s", grace="2s")).agg(**AGGREGATIONS, name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")
    return app


def repartitioned_app() -> App:
    """The same by another column: partial aggregates through a repartition topic."""
    app = App("repartitioned")
    clicks = app.topic("clicks", SCHEMA, event_time="ts")
    totals = clicks.groupby("page").window(tumbling("10s", grace="2s")).agg(**AGGREGATIONS, name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")
    return app


def rows_app() -> App:
    """By another column with an aggregation that does not merge: rows through a repartition topic."""
    app = App("rows")
    clicks = app.topic("clicks", SCHEMA, event_time="ts")
    grouped = clicks.groupby("page").window(tumbling("10s", grace="2s"))
    totals = grouped.agg(**AGGREGATIONS, users=("user", "nunique"), name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")
    return app


def hopping_app() -> App:
    """Overlapping windows by the message key."""
    app = App("hopping")
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    totals = clicks.groupby("user").window(hopping("10s", "5s", grace="2s")).agg(**AGGREGATIONS, name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")
    return app


AGGREGATIONS: Mapping[str, Any] = {
    "n": ("amount", "count"),
    "total": ("amount", "sum"),
    "low": ("amount", "min"),
    "high": ("amount", "max"),
    "first": ("amount", "first"),
    "last": ("amount", "last"),
}


def windows_of(frame: pd.DataFrame, every: int) -> pd.DataFrame:
    """Return one row per record and window that it belongs to, with what its partition had observed."""
    frame = frame.assign(observed=frame.groupby("partition")["ts"].cummax())
    parts = []
    for step in range(SIZE // every):
        parts.append(frame.assign(window_start=frame["ts"] // every * every - step * every))
    return pd.concat(parts)


def expected(
    found: Input, keys: list[str], *, every: int = SIZE, repartitioned: bool = False, nunique: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the final windows and the late rows that plain pandas computes over the whole input."""
    frame = found.frame().reset_index(names="order")
    # A step is fed by one partition per task, or, behind a repartition topic, by all of them; one that
    # never had a row holds everything back.
    reached = frame["ts"].groupby(frame["partition"]).transform("max")
    if repartitioned:
        silent = any(len(rows) == 0 for rows in found.partitions)
        reached = pd.Series(-(1 << 62) if silent else reached.min(), index=frame.index)
    frame["watermark"] = reached
    pairs = windows_of(frame, every)
    end = pairs["window_start"] + SIZE
    late = pairs[pairs["observed"] >= end + GRACE]
    closed = pairs[(pairs["observed"] < end + GRACE) & (end + GRACE <= pairs["watermark"])]
    # First and last are by event time, then partition, then offset.
    ordered = closed.sort_values(["ts", "partition", "order"], kind="stable")
    grouped = ordered.groupby([*keys, "window_start"])
    totals = grouped["amount"].agg(n="count", total="sum", low="min", high="max", first="first", last="last")
    if nunique:
        totals["users"] = grouped["user"].nunique()
    return totals.reset_index(), late[["user", "page", "amount", "ts", "window_start"]].reset_index(drop=True)
