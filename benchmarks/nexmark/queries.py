"""Nexmark queries with StreamFrame. Which one, and where the broker is, comes from the environment.

    BENCH_APP=q7 BENCH_BOOTSTRAP=localhost:9092 BENCH_PROGRAM=q7 BENCH_INPUT=events BENCH_OUTPUT=highest \\
        streamframe run benchmarks/nexmark/queries.py

One topic holds people, auctions and bids, told apart by ``kind``; the message key of auctions and bids is the auction.
All of these queries are about bids. What is different from the SQL, and why:

* q1 multiplies floats; SQL has a decimal.
* q5 and q7 keep all rows that share the first place. There is no join of streams yet and no top-n, so both have an
  aggregate of their own that keeps such rows.
* q12 counts by the clock of the machine that processes. StreamFrame has no windows of processing time: results would
  depend on where batches end and on crashes. Here it is the clock of the broker that appended the record, which is the
  same in every run over the same topic.
* q15, q17 and q18 are tables: each commit writes the present value of what changed.
"""

import os

import numpy as np
import pandas as pd

import streamframe as sf

GRACE = "4s"
BID = ["auction", "bidder", "price", "channel", "url", "dateTime", "extra"]
SCHEMA = {
    "kind": "string",
    "auction": "int64",
    "bidder": "int64",
    "price": "int64",
    "channel": "string",
    "url": "string",
    "dateTime": "timestamp[ms]",
    "extra": "string",
}


def q0(bids):
    """Pass through: what reading and writing cost."""
    return bids.select(BID)


def q1(bids):
    """Currency conversion."""
    return bids.select(BID).assign(price=lambda df: df["price"] * 0.908)


def q2(bids):
    """Selection."""
    return bids.query("auction % 123 == 0").select("auction", "price")


def q5(bids):
    """Hot items: the auctions with the most bids of the last ten seconds, every two seconds."""
    counts = bids.groupby("auction").window(sf.hopping("10s", every="2s", grace=GRACE)).agg(bids="size", name="counts")
    # The results of a window carry its last instant as event time: a window of two seconds holds those of one.
    counted = counts.rename(columns={"window_start": "starts", "window_end": "ends"}).assign(all="")
    hottest = counted.groupby("all").window(sf.tumbling("2s"))
    kept = hottest.agg(rows=rows_with_most("bids", "auction", "starts", "ends"), name="hottest")
    return kept.map_batches(row_by_row("bids", "auction", "starts", "ends"))


def q7(bids):
    """Highest bid: the bids with the highest price in ten seconds."""
    windows = bids.assign(all="").groupby("all").window(sf.tumbling("10s", grace=GRACE))
    kept = windows.agg(rows=rows_with_most("price", "auction", "bidder", "dateTime"), name="highest")
    return kept.map_batches(row_by_row("price", "auction", "bidder", "dateTime"))


def q12(bids):
    """Bids per bidder in ten seconds, by the broker's clock."""
    return bids.groupby("bidder").window(sf.tumbling("10s", grace=GRACE)).agg(bids="size", name="bids-by-bidder")


def q15(bids):
    """Bids per day: how many, by how many bidders, for how many auctions, each in three ranks of price."""
    ranked = bids.assign(**ranks(), **ranked_column("bidder"), **ranked_column("auction"))
    return ranked.groupby("day").agg(
        bids="size",
        bids_1=("rank_1", "sum"),
        bids_2=("rank_2", "sum"),
        bids_3=("rank_3", "sum"),
        **{f"{what}s": (what, "nunique") for what in ("bidder", "auction")},
        **{f"{what}s_{rank}": (f"{what}_{rank}", "nunique") for what in ("bidder", "auction") for rank in (1, 2, 3)},
        name="days",
    )


def q17(bids):
    """Auctions by day: bids in three ranks, and their prices."""
    return (
        bids.assign(**ranks())
        .groupby("auction", "day")
        .agg(
            bids="size",
            bids_1=("rank_1", "sum"),
            bids_2=("rank_2", "sum"),
            bids_3=("rank_3", "sum"),
            low=("price", "min"),
            high=("price", "max"),
            mean=("price", "mean"),
            total=("price", "sum"),
            name="auction-days",
        )
    )


def q18(bids):
    """The last bid of each bidder for each auction."""
    others = [name for name in BID if name not in ("auction", "bidder")]
    return bids.groupby("bidder", "auction").agg(**{name: (name, "last") for name in others}, name="last-bids")


def ranks():
    """The day of a bid, and in which of three ranks its price is."""
    return {
        "day": lambda df: df["dateTime"].dt.floor("D"),
        "rank_1": lambda df: df["price"] < 10_000,
        "rank_2": lambda df: (df["price"] >= 10_000) & (df["price"] < 1_000_000),
        "rank_3": lambda df: df["price"] >= 1_000_000,
    }


def ranked_column(name):
    """A column three times, each time only where the price is in one rank."""
    return {
        f"{name}_1": lambda df: df[name].where(df["price"] < 10_000),
        f"{name}_2": lambda df: df[name].where((df["price"] >= 10_000) & (df["price"] < 1_000_000)),
        f"{name}_3": lambda df: df[name].where(df["price"] >= 1_000_000),
    }


def rows_with_most(of, *columns):
    """An aggregate: the rows of a group whose value is the greatest, ties included, as lines of text."""

    def update(state, batch):
        most = np.maximum(state["most"], batch.groupby("group")[of].max().astype("int64"))
        top = batch[batch[of].to_numpy("int64") == most.to_numpy()[batch["group"].to_numpy()]]
        texts = [as_numbers(top[name]).astype(str) for name in (of, *columns)]
        lines = texts[0].str.cat(texts[1:], sep=" ") + "\n"
        found = lines.groupby(top["group"]).sum().reindex(state.index, fill_value="")
        return state.assign(most=most, rows=state["rows"].where(state["most"] == most, "") + found)

    def merge(left, right):
        most = np.maximum(left["most"], right["most"])
        kept = [side["rows"].where(side["most"] == most, "") for side in (left, right)]
        return left.assign(most=most, rows=kept[0] + kept[1])

    return sf.Aggregate(
        columns=[of, *columns],
        init={"most": -1, "rows": ""},
        update=update,
        merge=merge,
        finish=lambda state: state["rows"],
        type="string",
    )


def row_by_row(*columns):
    """The lines of ``rows_with_most`` as rows of integers; times in milliseconds."""

    def split(df: pd.DataFrame) -> pd.DataFrame:
        lines = df["rows"].str.split("\n").explode()
        fields = lines[lines.str.len() > 0].str.split(" ", expand=True).reindex(columns=range(len(columns)))
        return pd.DataFrame({name: fields[number].astype("int64") for number, name in enumerate(columns)})

    return split


def as_numbers(column):
    """Integers as they are, times as milliseconds."""
    if column.dtype.kind == "M":
        return column.astype("datetime64[ms]").astype("int64")
    return column.astype("int64")


QUERIES = {"q0": q0, "q1": q1, "q2": q2, "q5": q5, "q7": q7, "q12": q12, "q15": q15, "q17": q17, "q18": q18}

if "BENCH_APP" in os.environ:
    query = os.environ["BENCH_PROGRAM"]
    app = sf.App(os.environ["BENCH_APP"], brokers=os.environ["BENCH_BOOTSTRAP"])
    events = app.topic(
        os.environ["BENCH_INPUT"],
        schema=SCHEMA,
        event_time=None if query == "q12" else "dateTime",
        key="auction",
    )
    QUERIES[query](events.query("kind == 'bid'")).to_topic(os.environ["BENCH_OUTPUT"])
