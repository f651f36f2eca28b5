"""The programs of the smoke test: ``windows`` aggregates the data, ``tables`` reads its changes again as tables.

Where Kafka Streams joins two tables, the changes of both go into one: the extremes of what only rises, or only falls,
are its present values. Kafka Streams takes a key out of its old group when its count changes; here the counts are
grouped once they are final.
"""

import os

import streamframe as sf

prefix = os.environ["SMOKE_PREFIX"]
app = sf.App(f"{prefix}{os.environ['SMOKE_PROGRAM']}", brokers=os.environ["SMOKE_BOOTSTRAP"])

if os.environ["SMOKE_PROGRAM"] == "windows":
    columns = {"key": "string", "value": "int32", "ts": "timestamp[ms]"}
    records = app.topic(f"{prefix}data", schema=columns, event_time="ts", key="key").query("key != 'flush'")
    records.to_topic(f"{prefix}echo")
    keys = records.groupby("key")
    day, two_days = sf.tumbling("1d", grace="1min"), sf.tumbling("2d")
    lows = keys.window(day).agg(low=("value", "min"), name="low", emit="changes")
    lows.to_topic(f"{prefix}min", key="key")
    lows.to_topic(f"{prefix}min-raw")
    keys.window(day).agg(low=("value", "min"), name="low-final").to_topic(f"{prefix}min-suppressed")
    slices = keys.window(sf.hopping("2s", every="1s", grace="30s"))
    slices.agg(total=("value", "sum"), name="slices", emit="changes").to_topic(f"{prefix}sws-raw")
    slices.agg(total=("value", "sum"), name="slices-final").to_topic(f"{prefix}sws-suppressed")
    keys.window(two_days).agg(high=("value", "max"), name="high", emit="changes").to_topic(f"{prefix}max", key="key")
    keys.window(two_days).agg(total=("value", "sum"), name="sum", emit="changes").to_topic(f"{prefix}sum", key="key")
    keys.window(two_days).agg(n="size", name="cnt", emit="changes").to_topic(f"{prefix}cnt", key="key")
    final_counts = keys.window(two_days).agg(n="size", name="cnt-final")
    final_counts.groupby("n").agg(keys="size", name="tagg").to_topic(f"{prefix}tagg")
else:
    rising = app.topic(f"{prefix}max", schema={"key": "string", "high": "int32"}, key="key").assign(low=2**40)
    falling = app.topic(f"{prefix}min", schema={"key": "string", "low": "int32"}, key="key").assign(high=-(2**40))
    wide = {"high": "int64", "low": "int64"}
    extremes = sf.union(rising.astype(wide), falling.astype(wide)).groupby("key")
    both = extremes.agg(high=("high", "max"), low=("low", "min"), name="extremes").query("high >= low")
    both.assign(dif=lambda df: df["high"] - df["low"]).select("key", "dif").to_topic(f"{prefix}dif", key="key")
    sums = app.topic(f"{prefix}sum", schema={"key": "string", "total": "int64"}, key="key").assign(n=0)
    counts = app.topic(f"{prefix}cnt", schema={"key": "string", "n": "int64"}, key="key").assign(total=0)
    rates = sf.union(sums, counts).groupby("key").agg(total=("total", "max"), n=("n", "max"), name="rates")
    averages = rates.query("n > 0").assign(avg=lambda df: df["total"] / df["n"])
    averages.select("key", "avg").to_topic(f"{prefix}avg", key="key")
