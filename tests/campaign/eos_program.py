"""The programs of the exactly-once test: ``simple`` is a copy and a table, ``complex`` also moves rows to another key.

The app ``second`` reads what the complex one writes: input with transaction markers in it.
"""

import os
from pathlib import Path

import streamframe as sf
from tests.campaign.hanging import hang_once

prefix, program = os.environ["EOS_PREFIX"], os.environ["EOS_PROGRAM"]
app = sf.App(os.environ["EOS_APP"], brokers=os.environ["EOS_BOOTSTRAP"])
columns = {"key": "string", "value": "int32"}
if program == "second":
    again = app.topic(f"{prefix}again", schema=columns, key="key")
    again.groupby("key").agg(high=("value", "max"), n="size", name="maxima").to_topic(f"{prefix}maxima")
else:
    data = app.topic(f"{prefix}data", schema=columns, key="key")
    data.to_topic(f"{prefix}echo")
    sums = data.groupby("key").agg(low=("value", "min"), total=("value", "sum"), n="size", name="sums")
    sums.to_topic(f"{prefix}sums")
    if program == "complex":
        data.to_topic(f"{prefix}again")
        digits = data.assign(digit=lambda df: df["value"] % 10)
        digits.groupby("digit").agg(total=("value", "sum"), n="size", name="digits").to_topic(f"{prefix}digits")
if "EOS_HANG" in os.environ:
    hang_once(Path(os.environ["EOS_HANG"]), at_call=5)
