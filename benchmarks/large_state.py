"""State that grows: every record makes a new row, all windows stay open, memory for state is bounded.

What is shown is the rate, the memory and the longest stall of a commit between one number of live rows and the next. In
the end the changelog is read back and counted: nothing that was dropped from memory may be missing.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from itertools import islice, repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Producer

from benchmarks.events import Event, pauses_of, snapshots
from benchmarks.programs import application
from benchmarks.workload import START_MS
from benchmarks.world import PARTITIONS, World
from streamframe.app.state_reading import open_topology_state
from streamframe.app.stored_rows import open_aggregate
from streamframe.core.settings import KafkaSettings, Settings

POINTS = (10_000, 100_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
WINDOW_ROWS = 200_000
"""Rows of one window of ten seconds: as many distinct users."""

CHUNK = 500_000
SLICE = 20_000
SAMPLE_SECONDS = 0.25
LIMIT_SECONDS = 600.0


def measure_large_state(world: World, rows: int, bound_mb: int) -> dict[str, Any]:
    """Fill ``rows`` rows of state under a bound of memory."""
    topic, total = _input(world, rows)
    name = world.next_name("large")
    output = world.create(f"out-{name}")
    launch = world.launch(name, telemetry_ms=250, state_memory=bound_mb << 20)
    memory: list[tuple[float, float]] = []
    with world.engine(name, launch, program="large-state", source=topic, output=output) as running:
        usage = running.to_end(LIMIT_SECONDS, lambda megabytes: memory.append((time.time(), megabytes)))
    found = snapshots(launch.events)
    points = [point for point in POINTS if point < rows] + [rows]
    stored = _stored(world, name, topic, output)
    world.drop(topic, output)
    world.drop_application(name)
    return {
        "bound_mb": bound_mb,
        "rows": rows,
        "points": [_between(found, memory, low, high) for low, high in zip([0, *points], points, strict=False)],
        "cpu_s_per_million": round(usage.cpu / rows * 1e6, 2),
        "rss_mb": round(usage.rss_mb),
        "changelog_mb": round(stored["bytes"] / 1e6),
        "right": (stored["rows"], stored["n"]) == (rows, rows) and abs(stored["total"] - total) < 1e-6 * total,
    }


def _input(world: World, rows: int) -> tuple[str, float]:
    """Make a topic in which every user of a window has one record; return it and the sum of the amounts.

    Records are joined by columns and handed to the client without a line of Python each: there are very many.
    """
    topic = world.create(world.next_name("input-large"))
    properties = {"compression.type": "lz4", "linger.ms": 20, "queue.buffering.max.messages": 2 * CHUNK}
    # Its threads run where nothing runs yet: waiting for a busy broker they spin, and would keep it from its core.
    os.sched_setaffinity(0, world.cores.engine)
    producer = Producer({"bootstrap.servers": world.bootstrap, "enable.idempotence": True, **properties})
    os.sched_setaffinity(0, world.cores.broker)
    cents = 0
    for first in range(0, rows, CHUNK):
        number = np.arange(first, min(rows, first + CHUNK))
        amounts = np.random.default_rng(first).integers(0, 10_000, len(number))
        cents += int(amounts.sum())
        # Neighbours in time are not neighbours in the key space.
        users = number * 7_919 % WINDOW_ROWS
        times = START_MS + number // WINDOW_ROWS * 10_000 + number % WINDOW_ROWS * 10_000 // WINDOW_ROWS
        keys = pc.binary_join_element_wise("u", pc.cast(pa.array(users), pa.string()), "")
        values = pc.binary_join_element_wise(
            '{"user":"', keys, '","page":"/p/7","amount":', pc.cast(pa.array(amounts / 100), pa.string()),
            ',"country":"DE","category":"c3","ts":', pc.cast(pa.array(times), pa.string()), "}", "",
        )  # fmt: skip
        calls = map(
            producer.produce, repeat(topic), values.to_pylist(), keys.to_pylist(), (users % PARTITIONS).tolist()
        )
        while deque(islice(calls, SLICE), maxlen=1):
            producer.poll(0)
        left = producer.flush(120)
        assert left == 0, f"{left} records were not written"
    return topic, cents / 100


def _between(found: list[Event], memory: list[tuple[float, float]], low: int, high: int) -> dict[str, Any]:
    """Return what was seen while the rows grew from ``low`` to ``high``."""
    counted = [(each["at"], _rows_in(each), each) for each in found]
    inside = [entry for entry in counted if low <= entry[1] <= high] or counted[-1:]
    # From the last snapshot below to the first at the upper end; of the first stretch, from the first record on.
    begin = max((entry for entry in counted if entry[1] <= low), key=lambda entry: entry[0], default=inside[0])
    end = min((entry for entry in counted if entry[1] >= high), key=lambda entry: entry[0], default=inside[-1])
    seconds = max(end[0] - begin[0], 1e-9)
    state = sum(task["state_bytes"] for task in end[2]["tasks"]) / 2**20
    within = [each for at, _, each in counted if begin[0] <= at <= end[0]]
    resident = [megabytes for at, megabytes in memory if begin[0] <= at <= end[0]]
    return {
        "rows": high,
        "records_per_second": round((end[1] - begin[1]) / seconds),
        "rss_mb": round(max(resident, default=0)),
        "state_mb": round(state),
        "longest_pause_ms": pauses_of(_new_commits(within, begin[0]))["longest_pause_ms"],
    }


def _new_commits(found: list[Event], since: float) -> list[Event]:
    """Return snapshots with the commits since a moment: each snapshot repeats those before it."""
    return [
        {"measured": {"commits": [c for c in each["measured"]["commits"] if c["at"] / 1e6 >= since]}} for each in found
    ]


def _rows_in(snapshot: Event) -> int:
    return sum(count for name, count in snapshot["counts"].items() if name.split(":")[0] == "rows_in")


def _stored(world: World, name: str, topic: str, output: str) -> dict[str, float]:
    """Count what the changelogs hold."""
    logging.getLogger("streamframe.kafka").setLevel(logging.ERROR)
    app = application(name, world.bootstrap, "large-state", topic, output)
    settings = Settings(kafka=KafkaSettings(bootstrap=world.bootstrap))
    found = {"rows": 0, "n": 0, "total": 0.0, "bytes": 0}
    topology = app.topology()
    with open_topology_state(topology, settings) as view:
        for place, store in view.contents("totals"):
            state = open_aggregate(topology, place, store).state
            found["bytes"] += sum(len(key) + len(value) for key, value in store.content().items())
            for bucket in state.ids():
                table = state.table(bucket)
                found["rows"] += len(table)
                found["n"] += int(table.columns["count(amount)"][: len(table)].sum())
                found["total"] += float(table.columns["sum(amount)"][: len(table)].sum())
                state.evict(0)
    return found
