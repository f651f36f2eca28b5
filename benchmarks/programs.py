"""The measured programs, as a user would write them. Which one, and where the broker is, comes from the environment."""

import os

import pandas as pd

import streamframe as sf

WINDOW, GRACE = "10s", "2s"
COLUMNS = ("user", "ts", "amount", "country", "page", "category")
AGGREGATES = ("sum", "count", "min", "max", "mean", "first", "last", "std")
STATISTICS = {
    "n": ("amount", "count"),
    "total": ("amount", "sum"),
    "low": ("amount", "min"),
    "high": ("amount", "max"),
}


def tumbling(clicks):
    return clicks.groupby("user").window(sf.tumbling(WINDOW, grace=GRACE)).agg(**STATISTICS, name="totals")


def hopping(clicks):
    return clicks.groupby("user").window(sf.hopping("60s", "10s", grace=GRACE)).agg(**STATISTICS, name="totals")


def changes(clicks):
    windows = clicks.groupby("user").window(sf.tumbling(WINDOW, grace=GRACE))
    return windows.agg(**STATISTICS, name="totals", emit="changes")


def table(clicks):
    return clicks.groupby("user").agg(**STATISTICS, name="totals")


def mapped(clicks):
    chosen = clicks.query("amount >= 25")
    return chosen.assign(cost=lambda df: df["amount"] * 1.19).select("user", "page", "country", "cost", "ts")


def repartition(clicks):
    groups = clicks.groupby("country", "category")
    return groups.window(sf.tumbling(WINDOW, grace=GRACE)).agg(**STATISTICS, name="totals")


def scored(batch: pd.DataFrame) -> pd.DataFrame:
    """A function of a user: plain pandas, every row of the batch."""
    batch["score"] = (batch["amount"] - 50.0).clip(lower=0.0) * batch["country"].isin(["DE", "FR"]) + 1.0
    batch["big"] = batch["amount"] > 90.0
    return batch[["user", "amount", "country", "score", "big", "ts"]]


def pandas_function(clicks):
    return clicks.select("user", "amount", "country", "ts").map_batches(scored)


def updated(state: pd.DataFrame, batch: pd.DataFrame) -> pd.DataFrame:
    """The update of an aggregate of one's own: whole columns, no loop over groups."""
    squares = (batch["amount"] * batch["amount"]).groupby(batch["group"]).sum()
    counts = batch["group"].value_counts()
    return state.assign(
        squares=state["squares"].add(squares, fill_value=0.0),
        rows=state["rows"].add(counts, fill_value=0).astype("int64"),
    )


def own_aggregate(clicks):
    energy = sf.Aggregate(
        columns=["amount"],
        init={"squares": 0.0, "rows": 0},
        update=updated,
        finish=lambda state: state["squares"] / state["rows"],
        type="float64",
    )
    return clicks.groupby("user").window(sf.tumbling(WINDOW, grace=GRACE)).agg(energy=energy, name="totals")


def columns(count):
    """Pass on the first columns: what each one costs, in and out."""
    return lambda clicks: clicks.select(*COLUMNS[:count])


def aggregates(count):
    """The first of some aggregates of one column."""
    chosen = {name: ("amount", name) for name in AGGREGATES[:count]}
    return lambda clicks: clicks.groupby("user").window(sf.tumbling(WINDOW, grace=GRACE)).agg(**chosen, name="totals")


def live_state(clicks):
    """A window that does not close: every key stays in the state."""
    return clicks.groupby("user").window(sf.tumbling("1d", grace="1h")).agg(**STATISTICS, name="totals")


def many_windows(clicks):
    """Short windows that stay open for an hour: far more state than fits the bound on memory."""
    return clicks.groupby("user").window(sf.tumbling("1s", grace="1h")).agg(**STATISTICS, name="totals")


def large_state(clicks):
    """Windows that stay open for a day: nothing is ever emitted, everything is kept."""
    return clicks.groupby("user").window(sf.tumbling(WINDOW, grace="1d")).agg(**STATISTICS, name="totals")


def latest_sent(clicks):
    """For latency: each change of a window tells how many records it has seen."""
    windows = clicks.groupby("user").window(sf.tumbling(WINDOW, grace=GRACE))
    return windows.agg(n=("amount", "count"), total=("amount", "sum"), name="totals", emit="changes")


def passed_on(clicks):
    """For latency: each record that arrives comes out again."""
    return clicks.query("amount >= 0").assign(cost=lambda df: df["amount"] * 1.19).select("user", "number", "cost")


PROGRAMS = {
    "tumbling": tumbling,
    "hopping": hopping,
    "changes": changes,
    "table": table,
    "map": mapped,
    "repartition": repartition,
    "pandas-function": pandas_function,
    "own-aggregate": own_aggregate,
    "live-state": live_state,
    "many-windows": many_windows,
    "large-state": large_state,
    "latency-changes": latest_sent,
    "latency-map": passed_on,
    **{f"columns-{count}": columns(count) for count in range(1, len(COLUMNS) + 1)},
    **{f"aggregates-{count}": aggregates(count) for count in range(1, len(AGGREGATES) + 1)},
}


def application(name: str, bootstrap: str, program: str, source: str, output: str) -> sf.App:
    """Return a program as an app."""
    app = sf.App(name, brokers=bootstrap)
    schema = {
        "user": "string",
        "page": "string",
        "amount": "float64",
        "country": "string",
        "category": "string",
        "ts": "timestamp[ms]",
    }
    if program == "latency-map":
        schema["number"] = "int64"
    clicks = app.topic(source, schema=schema, event_time="ts", key=None if program == "repartition" else "user")
    PROGRAMS[program](clicks).to_topic(output)
    return app


if "BENCH_APP" in os.environ:
    app = application(*(os.environ[f"BENCH_{name}"] for name in ("APP", "BOOTSTRAP", "PROGRAM", "INPUT", "OUTPUT")))
