"""The programs of the crash campaigns; the broker's address and the grouping come from the environment."""

import os

import streamframe as sf

app = sf.App(os.environ["CAMPAIGN_APP"], brokers=os.environ["CAMPAIGN_BOOTSTRAP"])
keys = os.environ["CAMPAIGN_KEYS"].split(",")
clicks = app.topic(
    "clicks",
    schema={
        "user": "string",
        "page": "string",
        "amount": "float64",
        "country": "string",
        "category": "string",
        "ts": "timestamp[ms]",
    },
    event_time="ts",
    key="user" if keys == ["user"] else None,
)
totals = (
    clicks.groupby(*keys)
    .window(sf.tumbling("10s", grace="2s"))
    .agg(n=("amount", "count"), total=("amount", "sum"), low=("amount", "min"), high=("amount", "max"), name="totals")
)
totals.to_topic(os.environ["CAMPAIGN_OUTPUT"])
