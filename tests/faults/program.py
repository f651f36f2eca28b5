"""The program under faults: a copy, and a table of count and sum per key."""

import os

import streamframe as sf

prefix = os.environ["FAULTS_PREFIX"]
app = sf.App(f"{prefix}app", brokers=os.environ["FAULTS_BOOTSTRAP"])
numbers = app.topic(f"{prefix}in", schema={"key": "string", "value": "int64"}, key="key")
numbers.to_topic(f"{prefix}copy")
table = numbers.groupby("key").agg(n="size", total=("value", "sum"), high=("value", "max"), name="table")
table.to_topic(f"{prefix}table")
