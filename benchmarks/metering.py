"""What measuring costs: the calls of the driver's meter, beside the work on the same batches.

    python -m benchmarks.metering

Work is ``topologies/clicks.py`` on batches in memory, with the stopwatch of the steps running. The processor time of
the calls is taken where they happen, between one batch and the next, with the caches as the work has left them. (The
difference of two whole runs says nothing on a busy machine: two equal runs differ by more.) Nothing of Kafka is in it,
so the share in a real run is smaller.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from streamframe.app.program import ProgramRef, load_app
from streamframe.core.batch import ListBatch
from streamframe.core.ids import TopicPartition
from streamframe.engine import events as ev
from streamframe.operators.program import Program, TaskContext
from streamframe.runtime.clock import SystemClock
from streamframe.runtime.meter import Meter
from streamframe.state.memory import MemoryStore

ROOT = Path(__file__).resolve().parents[1]
BATCH = 5_000
BATCHES = 40
ROUNDS = 20


class Batch(ListBatch):
    """As cheap to measure as what the client delivers."""

    def timestamps_at(self, rows: Sequence[int]):
        return self.timestamps()[list(rows)]


def batches() -> list[Batch]:
    """The input, made once."""
    place, made = TopicPartition("clicks", 0), []
    for number in range(BATCHES):
        first = number * BATCH
        rows = [
            {
                "user": f"user-{row % 500}",
                "page": "home",
                "amount": row % 9 - 0.5,
                "ts": 1_700_000_000_000 + first + row,
            }
            for row in range(BATCH)
        ]
        keys = [row["user"].encode() for row in rows]  # type: ignore[attr-defined]
        values = [json.dumps(row).encode() for row in rows]
        offsets = list(range(first, first + BATCH))
        made.append(
            Batch(place, values=values, keys=keys, offsets=offsets, timestamps=[int(str(row["ts"])) for row in rows])
        )
    return made


def program(stopwatch: Callable[[], int] | None) -> Program:
    """A fresh program without state."""
    topology = load_app(ProgramRef(str(ROOT / "topologies" / "clicks.py"))).topology()
    (sub,) = topology.sub_topologies
    context = TaskContext(
        topology=topology, sub_topology=sub, partition=0, partition_counts={"clicks": 1}, task_counts={0: 1}
    )
    make = Program if stopwatch is None else partial(Program, stopwatch=stopwatch)
    return make(context, {store.name: MemoryStore() for store in sub.stores}, {})


def measured_calls() -> dict[str, float]:
    """Return the median processor time of the work on a batch and of measuring it, microseconds, and its share."""
    source = batches()
    work: list[float] = []
    measuring: list[float] = []
    gc.collect()
    gc.freeze()
    clock = SystemClock()
    for _ in range(ROUNDS):
        meter, running = Meter(clock.now), program(clock.now)
        for batch in source:
            began = time.process_time()
            meter.enter("poll")
            meter.polled(idle=False)
            before = meter.enter_event(ev.RecordsRead(batch=batch))
            at_work = time.process_time()
            produced = running.process(batch, 0)
            done = time.process_time()
            meter.processed(batch, meter.in_phase)
            meter.enter(before)
            for output in produced.outputs:
                meter.produced(output)
            meter.turned(settled=True)
            measuring.append(time.process_time() - done + at_work - began)
            work.append(done - at_work)
    gc.unfreeze()
    return {
        "batch": BATCH,
        "work_us": round(statistics.median(work) * 1e6, 1),
        "measuring_us": round(statistics.median(measuring) * 1e6, 1),
        "percent": round(100 * statistics.median(measuring) / statistics.median(work), 2),
    }


def main() -> None:
    """Print what the work on a batch costs, and measuring it."""
    found = measured_calls()
    print(f"batches of {BATCH} records, medians, processor time per batch")
    print(f"  work       {found['work_us']:8.1f} us")
    print(f"  measuring  {found['measuring_us']:8.1f} us")
    print(f"  overhead   {found['percent']:8.2f} %")


if __name__ == "__main__":
    main()
