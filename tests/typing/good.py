"""What a program may write; mypy must accept every line."""

import pandas as pd
import pyarrow as pa

from streamframe.api import meta
from streamframe.api.builder import PlanBuilder
from streamframe.api.custom_aggregates import Aggregate
from streamframe.api.frame import Aggregated, Frame, Grouped, WindowAggregated, Windowed, union
from streamframe.api.serdes import json, string
from streamframe.api.windows import hopping, tumbling

app = PlanBuilder("app", dead_letters="dead")
clicks: Frame = app.topic("clicks", {"user": "string", "amount": "float64"}, key="user", idle_timeout="5s")
lines: Frame = app.topic("lines", value=string())
columns: pa.Schema = clicks.schema

kept: Frame = clicks.query("amount > 0").filter(lambda df: df["amount"] > 0, on_error="skip")
made: Frame = kept.assign(euro=lambda df: df["amount"] * 0.92, source=meta.partition, one=1, word="x")
chosen: Frame = made.select("user", "euro").rename({"euro": "total"}).astype({"total": "float32"}).drop("user")
mapped: Frame = kept.map_batches(lambda df: df[["user"]], schema={"user": "string"})
both: Frame = union(clicks, kept).union(kept)

grouped: Grouped = clicks.groupby("user", ["amount"], dropna=False)
windowed: Windowed = grouped.window(tumbling("1min", grace="10s"))
table: Aggregated = grouped.agg({"amount": ["sum", "mean"]}, n="size", name="table")
totals: WindowAggregated = clicks.groupby("user").window(hopping("1h", every="5min")).agg(total=("amount", "sum"))
late: Frame = totals.late
again: WindowAggregated = totals.groupby("user").window(tumbling("1d")).agg(total=("total", "sum"), emit="changes")
own: Aggregated = clicks.groupby("user").agg(
    out=Aggregate(
        columns="amount",
        init={"total": 0.0},
        update=lambda state, batch: state.assign(total=batch.groupby("group")["amount"].sum()),
        finish=lambda state: state["total"],
    )
)


def write(df: pd.DataFrame, batch_id: str) -> None:
    """Take a batch."""


totals.to_topic("totals", key="user", value=json(iso=True), emit="final")
late.to_topic("late", key=["user"])
made.for_each_batch(write, name="warehouse")
made.print(limit=3, prefix="> ")
rows: pd.DataFrame = made.head(3)
