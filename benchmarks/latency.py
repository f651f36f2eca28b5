"""Latency under a steady load: from appending a record to its partition until its effect is visible.

Appended is when the broker says so (``LogAppendTime``, whole milliseconds). Visible means seen by a
``read_committed`` reader. Every record counts, not only the newest of a result: a change that says ``n = 7``
makes the seventh record of its window visible, and all before it that no earlier change had shown.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from confluent_kafka import TopicPartition

from benchmarks.events import pauses_of, snapshots
from benchmarks.machine import Neighbours
from benchmarks.oracles import SIZE_MS
from benchmarks.processes import python
from benchmarks.reading import decoded, reader, values_of
from benchmarks.world import PARTITIONS, World

Int64Array = npt.NDArray[np.int64]

WARM_UP_SECONDS = 5
SETTLE_SECONDS_MAX = 60.0
USERS = 10_000
PERCENTILES = (50, 90, 99, 99.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much, how long, and how often results are committed."""

    rate: int = 20_000
    seconds: int = 25
    commit_ms: int = 100


def measure_latency(world: World, program: str, load: Load) -> dict[str, Any]:
    """Return percentiles in milliseconds.

    Args:
        world: Where.
        program: ``latency-changes`` or ``latency-map``.
        load: The load.
    """
    name = world.next_name(program)
    source, output = _appended_topic(world, name), world.create(f"out-{name}")
    launch = world.launch(name, bounded=False, commit_ms=load.commit_ms, telemetry_ms=200)
    sent_file = world.place / name / "sent.npz"
    with world.engine(name, launch, program=program, source=source, output=output) as running:
        running.until(lambda: _all_running(launch.events), SETTLE_SECONDS_MAX)
        neighbours, before, cpu = Neighbours(), world.own_cpu(), running.cpu()
        pace = [world.bootstrap, source, str(load.rate), str(load.seconds), str(USERS), str(sent_file)]
        producer = subprocess.Popen(python("-m", "benchmarks.pacing", *pace))
        values, arrivals = _collect(world, output, producer, load)
        running.sample()
        cpu = running.cpu() - cpu
        others = neighbours.cores_taken(world.own_cpu() - before + cpu)
        usage = running.until(lambda: True, SETTLE_SECONDS_MAX * 4)
        running.stop()
    sent = pd.DataFrame(dict(np.load(sent_file)))
    sent["appended"] = _append_times(world, source, len(sent))
    seen = decoded(values).assign(arrival=arrivals)
    latencies = latencies_of(sent, seen, program)
    steady = latencies[sent["sent"] - sent["sent"].min() > WARM_UP_SECONDS * 1_000_000]
    world.drop(source, output)
    world.drop_application(name)
    missing = int(latencies.isna().sum())
    behind = (sent["appended"] - sent["sent"]) / 1_000
    steady_ms = steady.dropna() / 1_000
    return {
        "rate": load.rate,
        "commit_ms": load.commit_ms,
        "records": len(steady),
        "missing": missing,
        "right": missing == 0,
        **{f"p{percent:g}_ms": round(float(np.percentile(steady_ms, percent)), 1) for percent in PERCENTILES},
        "max_ms": round(float(steady_ms.max()), 1),
        "producer_p99_ms": round(float(np.percentile(behind, 99)), 1),
        "cpu_percent": round(100 * cpu / load.seconds, 1),
        "rss_mb": round(usage.rss_mb),
        **pauses_of(snapshots(launch.events)),
        "others_cores": round(others, 2),
    }


def latencies_of(sent: pd.DataFrame, seen: pd.DataFrame, program: str) -> pd.Series:
    """Return microseconds from appending each record to the first output that includes it; NaN: there is none."""
    if program == "latency-map":
        arrival = pd.Series(seen["arrival"].to_numpy(), index=seen["number"].to_numpy())
        assert arrival.index.is_unique, "a record came out twice"
        return arrival.reindex(sent.index) - sent["appended"]
    records = pd.DataFrame(
        {
            "user": "u" + sent["user"].astype(str).str.zfill(6),
            "window_start": sent["ts"] // SIZE_MS * SIZE_MS,
            "record": sent.index,
        }
    )
    records["n"] = records.groupby(["user", "window_start"]).cumcount() + 1
    changes = seen[["user", "window_start", "n", "arrival"]].sort_values("n", kind="stable")
    matched = pd.merge_asof(
        records.sort_values("n", kind="stable"), changes, on="n", by=["user", "window_start"], direction="forward"
    )
    arrival = matched.set_index("record")["arrival"].sort_index()
    return arrival - sent["appended"]


def _appended_topic(world: World, name: str) -> str:
    return world.create(f"in-{name}", message_timestamp_type="LogAppendTime")


def _append_times(world: World, topic: str, records: int) -> Int64Array:
    """Return when each record was appended, by its number, microseconds."""
    consumer = reader(world.bootstrap)
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    times = np.zeros(records, np.int64)
    left = records
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while left:
        assert time.monotonic() < deadline, f"{left} records of the load are not in the topic"
        found = [message for message in consumer.consume(5_000, 0.5) if message.error() is None]
        numbers = decoded([message.value() or b"{}" for message in found])
        if len(numbers):
            times[numbers["number"].to_numpy()] = [message.timestamp()[1] * 1_000 for message in found]
        left -= len(found)
    consumer.close()
    return times


def _all_running(events: str) -> bool:
    found = snapshots(events)
    return (
        bool(found) and len(found[-1]["tasks"]) > 0 and all(task["state"] == "running" for task in found[-1]["tasks"])
    )


def _collect(world: World, topic: str, producer: subprocess.Popen[bytes], load: Load) -> tuple[list[bytes], list[int]]:
    """Read until nothing has come for two seconds after the producer has ended."""
    consumer = reader(world.bootstrap, **{"fetch.wait.max.ms": 100, "enable.partition.eof": False})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    values: list[bytes] = []
    arrivals: list[int] = []
    quiet_since = time.monotonic()
    while producer.poll() is None or time.monotonic() - quiet_since < 2:
        first = consumer.poll(0.05)
        if first is None:
            continue
        # What is at hand; waiting for more would delay the stamp of the first.
        found = values_of([first, *consumer.consume(2_000, 0)])
        values += found
        arrivals += [time.time_ns() // 1_000] * len(found)
        quiet_since = time.monotonic()
    assert producer.returncode == 0, "the producer of the load failed"
    consumer.close()
    return values, arrivals
