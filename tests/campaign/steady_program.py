"""The program of the long run: windows by the message key, windows and a table by other columns, late rows."""

import os

import streamframe as sf

app = sf.App("steady", brokers=os.environ["STEADY_BOOTSTRAP"])
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
    key="user",
)
window = sf.tumbling("10s", grace="2s")
users = (
    clicks.groupby("user")
    .window(window)
    .agg(n=("amount", "count"), total=("amount", "sum"), low=("amount", "min"), high=("amount", "max"), name="users")
)
users.to_topic("users")
users.late.select("user", "ts").to_topic("late")
groups = (
    clicks.groupby("country", "category")
    .window(window)
    .agg(n=("amount", "count"), total=("amount", "sum"), low=("amount", "min"), high=("amount", "max"), name="groups")
)
groups.to_topic("groups")
clicks.groupby("page").agg(n="size", total=("amount", "sum"), name="pages").to_topic("pages")
