"""What metrics cost: the same job with and without them, and the calls of the driver's meter by themselves.

*With* is the default, and a Prometheus that scrapes every worker once a second: fifteen times as often as usual.
*Without* serves no page and sends no snapshots. Counters that the engine itself needs run in both. Two equal runs on a
shared machine differ by more than metrics cost, so runs alternate, and the meter is also measured where it is called
(``metering``): its calls between the batches of real work, by processor time.
"""

from __future__ import annotations

import json
import statistics
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.machine import Neighbours
from benchmarks.metering import measured_calls
from benchmarks.reading import read_rows
from benchmarks.world import World

SCRAPE_SECONDS = 1.0
LIMIT_SECONDS = 300.0
NEVER_MS = 3_600_000


def measure_overhead(world: World, records: int, rounds: int) -> dict[str, Any]:
    """Return processor seconds of the job with and without metrics, alternating; and the share of the meter."""
    with_: list[float] = []
    without: list[float] = []
    others: list[float] = []
    scrapes, right = 0, True
    for number in range(2 * rounds):
        metrics = number % 2 == 0
        found = _run(world, records, metrics)
        (with_ if metrics else without).append(found["cpu"])
        scrapes += found["scrapes"]
        others.append(found["others"])
        right &= found["right"]
    shares = [(one - other) / other for one, other in zip(with_, without, strict=True)]
    return {
        "records": records,
        "rounds": rounds,
        "with_cpu_s_per_million": round(statistics.median(with_) / records * 1e6, 4),
        "without_cpu_s_per_million": round(statistics.median(without) / records * 1e6, 4),
        "overhead_percent": round(100 * statistics.median(shares), 2),
        "overhead_low_percent": round(100 * min(shares), 2),
        "overhead_high_percent": round(100 * max(shares), 2),
        "scrapes": scrapes,
        "others_cores": round(statistics.median(others), 2),
        "right": right,
        "meter": measured_calls(),
    }


def _run(world: World, records: int, metrics: bool) -> dict[str, Any]:  # noqa: FBT001 - the two sides of one comparison
    case = CASES["tumbling"]
    source = world.input(case.input, records)
    name = world.next_name("metrics" if metrics else "bare")
    output = world.create(f"out-{name}")
    targets = world.place / f"{name}.json"
    fields = {"targets_file": str(targets)} if metrics else {"http": False, "telemetry_ms": NEVER_MS}
    neighbours, before = Neighbours(), world.own_cpu()
    with _scraped(targets) as answers:
        engine = world.engine(
            name, world.launch(name, **fields), program=case.program, source=source.topic, output=output
        )
        with engine as running:
            usage = running.to_end(LIMIT_SECONDS)
    verdict = case.oracle(source.frame, source.partition, read_rows(world.bootstrap, output))
    world.drop(output)
    world.drop_application(name)
    others = neighbours.cores_taken(world.own_cpu() - before)
    print(f"  {name}: {records} records, {usage.cpu:.2f} CPU s, {len(answers)} scrapes, {verdict}", flush=True)
    return {"cpu": usage.cpu, "scrapes": len(answers), "others": others, "right": verdict.right}


@contextmanager
def _scraped(targets: Path) -> Iterator[list[int]]:
    """Ask each address of a file for its metrics once a second; the list gets the size of each answer."""
    sizes: list[int] = []
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(SCRAPE_SECONDS):
            if not targets.exists():
                continue
            for group in json.loads(targets.read_text() or "[]"):
                for address in group["targets"]:
                    try:
                        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
                            sizes.append(len(answer.read()))
                    except OSError:
                        # The worker has ended, or has not begun.
                        continue

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield sizes
    finally:
        over.set()
        thread.join()
