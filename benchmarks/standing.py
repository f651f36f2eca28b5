"""What a worker costs when it does nothing, and how long it takes until it does something."""

from __future__ import annotations

import statistics
import time
from typing import Any

from confluent_kafka import TopicPartition

from benchmarks.cases import CASES
from benchmarks.events import snapshots, total
from benchmarks.inputs import INPUTS
from benchmarks.reading import reader
from benchmarks.world import PARTITIONS, World

LIMIT_SECONDS = 60.0
IDLE_SECONDS = 15.0
SETTLE_SECONDS = 3.0


def measure_idle(world: World, partitions: int = PARTITIONS, records: int = 100_000) -> dict[str, Any]:
    """Return the processor time of a worker and its supervisor whose input has dried up, in percent of a core."""
    case = CASES["tumbling"]
    name = world.next_name("idle")
    source = world.create(f"in-{name}", partitions)
    INPUTS[case.input].fill(world.bootstrap, source, records, partitions)
    output = world.create(f"out-{name}")
    launch = world.launch(name, bounded=False)
    with world.engine(name, launch, program=case.program, source=source, output=output) as running:
        running.until(lambda: total(launch.events, "rows_in") >= records, LIMIT_SECONDS)
        # The last commit and what follows from it.
        deadline = time.monotonic() + SETTLE_SECONDS
        running.until(lambda: time.monotonic() > deadline, LIMIT_SECONDS)
        before, started = running.cpu(), time.monotonic()
        usage = running.until(lambda: time.monotonic() - started > IDLE_SECONDS, LIMIT_SECONDS * 2, pause=1.0)
        used = running.cpu() - before
        seconds = time.monotonic() - started
        running.stop()
    world.drop(source, output)
    world.drop_application(name)
    return {
        "partitions": partitions,
        "cpu_percent": round(100 * used / seconds, 2),
        "seconds": round(seconds, 1),
        "rss_mb": round(usage.rss_mb),
    }


def measure_start(world: World, records: int = 1_000_000, repeat: int = 3) -> dict[str, Any]:
    """Return the seconds from starting the command until a first result is visible; the input is there already."""
    case = CASES["tumbling"]
    source = world.input(case.input, records)
    firsts: list[float] = []
    joins: list[float] = []
    for _ in range(repeat):
        name = world.next_name("start")
        output = world.create(f"out-{name}")
        consumer = reader(world.bootstrap, **{"enable.partition.eof": False})
        consumer.assign([TopicPartition(output, number, 0) for number in range(PARTITIONS)])
        launch = world.launch(name, bounded=False, telemetry_ms=50)
        with world.engine(name, launch, program=case.program, source=source.topic, output=output) as running:
            message = None
            while message is None or message.error() is not None:
                message = consumer.poll(0.05)
                assert time.monotonic() - running.started < LIMIT_SECONDS, running.tail()
            firsts.append(time.monotonic() - running.started)
            running.stop()
            begun = [each["at"] for each in snapshots(launch.events) if each["tasks"]]
            joins.append(begun[0] - running.started_at)
        consumer.close()
        world.drop(output)
        world.drop_application(name)
    return {
        "first_output_s": round(statistics.median(firsts), 2),
        "tasks_assigned_s": round(statistics.median(joins), 2),
        "low": round(min(firsts), 2),
        "high": round(max(firsts), 2),
    }
