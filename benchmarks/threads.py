"""The processor time of a whole job by thread: the one that works, those of the Kafka client, and the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psutil

from benchmarks.cases import CASES
from benchmarks.events import read_events, total
from benchmarks.processes import Measured
from benchmarks.throughput import Sizes
from benchmarks.world import World

LIMIT_SECONDS = 300.0
CLIENT = "rdk:"
WORKING, OF_CLIENT, OTHERS = "the thread that works", "threads of the Kafka client", "other threads, supervisor"


def measure_threads(world: World, sizes: Sizes, case_name: str = "tumbling") -> dict[str, float]:
    """Return nanoseconds per record by kind of thread: the slope between two sizes."""
    small, large = (_seconds(world, case_name, records) for records in (sizes.small, sizes.large))
    return {
        kind: round((large[kind] - small[kind]) / (sizes.large - sizes.small) * 1e9, 1)
        for kind in (WORKING, OF_CLIENT, OTHERS)
    }


def thread_seconds(pid: int) -> dict[int, tuple[str, float]]:
    """Return name and processor seconds of each thread of a process, by its number; nothing when it has ended."""
    found = {}
    try:
        for thread in psutil.Process(pid).threads():
            name = Path(f"/proc/{pid}/task/{thread.id}/comm").read_text().strip()
            found[thread.id] = (name, thread.user_time + thread.system_time)
    except (psutil.NoSuchProcess, OSError):
        return {}
    return found


def worker_pid(events: str) -> int:
    """Return the process of the worker that was started last."""
    started: list[dict[str, Any]] = [each for each in read_events(events) if each["kind"] == "WorkerStarted"]
    found = re.search(r"pid=(\d+)", started[-1]["text"])
    assert found is not None, started
    return int(found.group(1))


def _seconds(world: World, case_name: str, records: int) -> dict[str, float]:
    """Run until all records were read, while the threads still live."""
    case = CASES[case_name]
    source = world.input(case.input, records)
    name = world.next_name("threads")
    output = world.create(f"out-{name}")
    launch = world.launch(name, bounded=False, telemetry_ms=100)
    with world.engine(name, launch, program=case.program, source=source.topic, output=output) as running:
        running.until(lambda: total(launch.events, "rows_in") >= records, LIMIT_SECONDS)
        found = _by_kind(running, worker_pid(launch.events))
        running.stop()
    world.drop(output)
    world.drop_application(name)
    return found


def _by_kind(running: Measured, pid: int) -> dict[str, float]:
    threads = thread_seconds(pid)
    working = threads[pid][1]
    client = sum(seconds for name, seconds in threads.values() if name.startswith(CLIENT))
    return {WORKING: working, OF_CLIENT: client, OTHERS: running.cpu() - working - client}
