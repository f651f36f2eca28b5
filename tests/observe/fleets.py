"""A fleet with one of everything, for the tests of pages and documents."""

from streamframe.core.metric_values import HistogramSnapshot, UserMetricSnapshot
from streamframe.engine.snapshot import (
    ClientSnapshot,
    CommitSnapshot,
    DeadLetterSnapshot,
    DiskSnapshot,
    Measured,
    PartitionSnapshot,
    Snapshot,
    StoreSnapshot,
    TaskSnapshot,
)
from streamframe.observe.fleet import Fleet, Identity, Remark

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND

IDENTITY = Identity(
    application="shop",
    version="1.2.3",
    python="3.11.0",
    librdkafka="2.13.0",
    fingerprint="abc",
    guarantee="exactly_once",
    known={"streamframe_records_consumed_total": ("clicks", "views"), "streamframe_rows_in_total": ("clicks",)},
    known_drops=(("clicks", "null_value"),),
    changelogs={"shop-totals-changelog": "totals"},
)


def stage(index, verb, name, *, topic=None, feeds=None, port="rows"):
    upstream = [] if feeds is None else [{"stage": feeds, "port": port}]
    return {"index": index, "verb": verb, "name": name, "topic": topic, "upstream": upstream}


PLAN = {
    "repartitions": [{"step": "totals", "topic": "shop-totals-repartition"}],
    "sub_topologies": [
        {"id": 0, "stages": [stage(0, "source", "clicks", topic="clicks"), stage(1, "send", "totals", feeds=0)]},
        {
            "id": 1,
            "stages": [
                stage(0, "receive", "totals"),
                stage(1, "aggregate", "totals", feeds=0),
                stage(2, "to_topic", "out", topic="counts", feeds=1, port="late"),
            ],
        },
    ],
}


MEASURED = Measured(
    loop={"process": 8 * SECOND, "idle": 2 * SECOND},
    consumed={"clicks": (100, 5_000)},
    produced={"counts": (7, 70)},
    changelog={"shop-totals-changelog": 9},
    rebalances={"assigned": 1},
    histograms={
        "batch_size_records": HistogramSnapshot(counts=(0, 1, 2, 0, 0, 0, 0, 0, 0, 1), total=60_111.0),
        "end_to_end_latency_seconds:clicks": HistogramSnapshot(counts=(100, *([0] * 15)), total=0.5),
    },
    commits=(CommitSnapshot(at=NOW, records=50, batches=2, processing=4_000, sealing=1_000, committing=9_000),),
    dead_letters=(
        DeadLetterSnapshot(at=NOW, step="<clicks>", topic="clicks", partition="0", offset="17", error="json"),
    ),
    progress_at=NOW,
    commit_at=NOW,
)

USER = (
    UserMetricSnapshot(
        name="streamframe_user_refunds_total",
        kind="counter",
        meaning="Refunds.",
        labels=("currency",),
        edges=(),
        values=((("EUR",), 3.0), (("<b>",), 1.0)),
    ),
    UserMetricSnapshot(
        name="streamframe_user_order_euro",
        kind="histogram",
        meaning="Sizes.",
        labels=(),
        edges=(10.0,),
        values=(((), HistogramSnapshot(counts=(1, 2), total=30.0)),),
    ),
)


def snapshot(**changes) -> Snapshot:
    """One worker that runs one task and restores another."""
    values = {
        "worker": "shop-host-0",
        "now": NOW,
        "state": "restoring",
        "tasks": (
            TaskSnapshot(task="0_0", state="running", watermark=NOW - 5 * SECOND),
            TaskSnapshot(task="1_1", state="restoring", restored=30, restore_total=100),
        ),
        "counts": {"rows_in:clicks": 100, "rows_late:totals": 3, "rows_out:out": 7, "rows_added:boom": -2},
        "commits": 5,
        "rollbacks": 1,
        "lag": {"clicks[0]": 4},
        "partitions": (
            PartitionSnapshot(
                topic="clicks",
                partition=0,
                task="0_0",
                running=True,
                position=96,
                committed=90,
                lag=4,
                record_time=NOW - 2 * SECOND,
                stream_time=NOW - 3 * SECOND,
            ),
            PartitionSnapshot(topic="shop-totals-repartition", partition=1, task="1_1"),
        ),
        "stores": (
            StoreSnapshot(store="totals", partition=0, memory_bytes=1_000),
            StoreSnapshot(store="totals", partition=1, remaining=70),
        ),
        "operators": {"clicks": 2 * SECOND, "totals": 6 * SECOND},
        "restored": {"totals": 30},
        "disk": DiskSnapshot(size=4_096, entries=12, memtables=64, pending=5),
        "clients": (
            ClientSnapshot(client="consumer", rtt_seconds=0.002, fetch_queue_bytes=9),
            ClientSnapshot(client="producer", queue_records=3),
        ),
        "measured": MEASURED,
        "user": USER,
        "address": "127.0.0.1:1234",
    }
    return Snapshot(**{**values, **changes})


def fleet(**changes) -> Fleet:
    """That worker, and a remark with a text that must be escaped."""
    remark = Remark(at=NOW / SECOND, worker=0, level="warning", text="<script>alert(1)</script>", facts={"a": "<b>"})
    values = {"snapshots": {0: snapshot()}, "remarks": (remark,), "restarts": 2, "now": NOW / SECOND}
    return Fleet(**{**values, **changes})
