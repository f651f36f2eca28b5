"""Where the processor time of one record goes: the stages of a task, one after the other, without a broker.

The real code over records in memory, in one thread, measured by that thread's own processor time, so that
neighbours disturb little. What the client does in its own threads is not here: ``client_threads`` of the
throughput runs has it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import numpy as np
from confluent_kafka import Message, Producer

from benchmarks.workload import COUNTRIES, Workload
from streamframe.core.acceleration import native
from streamframe.core.batch import ListBatch
from streamframe.core.ids import TopicPartition
from streamframe.kafka.consumed import ConsumedBatch, group_by_partition, split_errors
from streamframe.operators.program import Program, TaskContext

WHOLE_JOB = "tumbling, whole job on a broker"
BATCH = 5_000
BATCHES = 60
WARM_UP = 10
BETWEEN_COMMITS = 25 * BATCH
PLACE = TopicPartition("clicks", 0)


class NothingStored:
    """A store without content."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def seek(self, key: bytes) -> bytes | None:
        return None

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(())


def measure_stages() -> dict[str, Any]:
    """Return nanoseconds of processor time per record (or result), by stage, for several programs."""
    values, keys = records()
    # The native path does none of this.
    found: dict[str, Any] = {"client": client_stages(values, keys)} if native is None else {}
    for program, users in (("tumbling", 10_000), ("tumbling", 1_000_000), ("changes", 10_000), ("map", 10_000)):
        values, keys = records(users)
        found[f"{program}, {users} users"] = program_stages(program, values, keys)
    return found


def records(users: int = 10_000) -> tuple[list[bytes], list[bytes]]:
    """Return values and keys of one partition, as ``workload.produce`` writes them."""
    count = BATCH * (BATCHES + WARM_UP)
    frame = Workload(records=count, users=users, span_s=round(count / 3_333)).frame()
    columns = (frame[name].tolist() for name in ("user", "page", "cents", "country", "category", "ts"))
    values = [
        f'{{"user":"u{user:06d}","page":"/p/{page}","amount":{cents / 100},"country":"{COUNTRIES[country]}",'
        f'"category":"c{category}","ts":{ts}}}'.encode()
        for user, page, cents, country, category, ts in zip(*columns, strict=True)
    ]
    return values, [b"u%06d" % user for user in frame["user"].tolist()]


def program_stages(name: str, values: list[bytes], keys: list[bytes], size: int = BATCH) -> dict[str, float]:
    """Return the time of each step per record, and that of closing and sealing per record.

    Args:
        name: A program in ``programs``.
        values: Values of the records.
        keys: Keys of the records.
        size: Records of a batch.
    """
    program = _program(name)
    steps: dict[str, int] = {}
    sealing = 0
    rows_out = 0
    first = WARM_UP * BATCH
    for start in range(0, len(values), size):
        part = slice(start, min(start + size, len(values)))
        batch = ListBatch(PLACE, values=values[part], keys=keys[part], offsets=np.arange(part.start, part.stop))
        produced = program.process(batch, 0)
        # About as many records as between two commits.
        due = (start + size) // BETWEEN_COMMITS > start // BETWEEN_COMMITS
        before = _thread_micros()
        sealed = program.seal(0) if due else None
        if start < first:
            continue
        sealing += _thread_micros() - before
        for step, micros in produced.micros.items():
            steps[step] = steps.get(step, 0) + micros
        rows_out += sum(map(len, produced.outputs)) + (sum(map(len, sealed.outputs)) if sealed else 0)
    count = len(values) - first
    return {
        **{_stage_name(step): round(1_000 * micros / count, 1) for step, micros in steps.items()},
        "close, emit, encode, seal": round(1_000 * sealing / count, 1),
        "results per record": round(rows_out / count, 3),
    }


def client_stages(values: list[bytes], keys: list[bytes]) -> dict[str, float]:
    """Return what goes on between the client and the columns, per record."""
    messages = [
        Message(topic="clicks", partition=0, offset=row, key=keys[row], value=values[row], timestamp=(1, 1))
        for row in range(BATCH)
    ]
    batch = ConsumedBatch(PLACE, messages)

    def producer() -> Producer:
        return Producer(
            {
                "bootstrap.servers": "127.0.0.1:1",
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
                "partitioner": "murmur2_random",
                "reconnect.backoff.ms": 10_000,
            }
        )

    times = np.arange(BATCH).tolist()

    def produce() -> None:
        made = producer()
        before = time.thread_time_ns()
        calls = map(
            made.produce, repeat("t"), values[:BATCH], keys[:BATCH], repeat(-1), repeat(None), repeat(None), times
        )
        deque(calls, maxlen=0)
        spent.append(time.thread_time_ns() - before)
        made.purge()

    spent: list[int] = []
    for _ in range(9):
        produce()
    return {
        "errors and partitions of messages": _per_record(lambda: group_by_partition(split_errors(messages)[0])),
        "values of messages": _per_record(batch.values),
        "keys of messages": _per_record(batch.keys),
        "produce, per result": round(statistics.median(spent) / BATCH, 1),
    }


def _per_record(call: Callable[[], object]) -> float:
    spent = []
    for _ in range(40):
        before = time.thread_time_ns()
        call()
        spent.append(time.thread_time_ns() - before)
    return round(statistics.median(spent) / BATCH, 1)


def _thread_micros() -> int:
    return time.thread_time_ns() // 1_000


def _program(name: str) -> Program:
    os.environ |= {
        "BENCH_APP": "stages",
        "BENCH_BOOTSTRAP": "nowhere:1",
        "BENCH_PROGRAM": name,
        "BENCH_INPUT": PLACE.topic,
        "BENCH_OUTPUT": "out",
    }
    import importlib

    from benchmarks import programs

    topology = importlib.reload(programs).app.topology()
    for variable in ("BENCH_APP", "BENCH_PROGRAM"):
        del os.environ[variable]
    context = TaskContext(
        topology=topology,
        sub_topology=topology.sub_topologies[0],
        partition=0,
        partition_counts={PLACE.topic: 1},
        task_counts={0: 1},
    )
    readers = {store.name: NothingStored() for store in topology.sub_topologies[0].stores}
    return Program(context, readers, {}, _thread_micros)


def _stage_name(step: str) -> str:
    if step == PLACE.topic:
        return "decode JSON, find event time"
    if step == "totals":
        return "keys to slots, fold"
    return "encode JSON" if step.startswith("totals-to") or "to-out" in step else step.removeprefix(f"{PLACE.topic}-")
