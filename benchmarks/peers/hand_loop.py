"""The loop that one writes by hand: confluent-kafka, msgspec, pandas, a transaction a second.

It keeps its state in memory and forgets it when it ends: no restore, no rebalance, no hopping windows.

    python -m benchmarks.peers.hand_loop CASE BOOTSTRAP INPUT OUTPUT GROUP
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import msgspec
import pandas as pd
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from benchmarks.cases import Case
from benchmarks.processes import Measured, Usage, python
from benchmarks.programs import scored
from benchmarks.world import InputTopic, World

CASES = ("tumbling", "map", "pandas-function")
COMMIT_SECONDS = 1.0
BATCH = 10_000
SIZE_MS, GRACE_MS = 10_000, 2_000
LIMIT_SECONDS = 300.0


def prepare() -> None:
    """Nothing to do: it needs what StreamFrame needs."""


def run(world: World, case: Case, source: InputTopic, output: str) -> tuple[Usage, float]:
    """Run the loop to the end of the input."""
    arguments = [case.program, world.bootstrap, source.topic, output, f"hand-{output}"]
    command = python("-m", "benchmarks.peers.hand_loop", *arguments)
    log = world.place / f"{output}.log"
    with Measured(command, cores=world.cores.engine, environment={}, log=log) as running:
        return running.to_end(LIMIT_SECONDS), 0.0


class Click(msgspec.Struct, gc=False):
    """A record."""

    user: str
    page: str
    amount: float
    country: str
    ts: int


class Tumbling:
    """Windows of each partition: partial aggregates that are put together when the window is over."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], list[pd.DataFrame]] = {}
        self._time: dict[int, int] = {}

    def take(self, partition: int, rows: pd.DataFrame) -> None:
        times = rows["ts"]
        observed = times.cummax().clip(lower=self._time.get(partition, 0))
        self._time[partition] = int(observed.iloc[-1])
        start = times // SIZE_MS * SIZE_MS
        rows = rows.assign(window_start=start)[observed < start + SIZE_MS + GRACE_MS]
        for window, part in rows.groupby("window_start"):
            found = part.groupby("user")["amount"].agg(["count", "sum", "min", "max"])
            self._parts.setdefault((partition, int(str(window))), []).append(found)

    def closed(self) -> list[tuple[str, bytes]]:
        results = []
        for partition, window in sorted(self._parts):
            if window + SIZE_MS + GRACE_MS > self._time[partition]:
                continue
            whole = pd.concat(self._parts.pop((partition, window))).groupby(level=0)
            rows = whole.agg({"count": "sum", "sum": "sum", "min": "min", "max": "max"})
            results += [
                (
                    user,
                    msgspec.json.encode(
                        {"user": user, "window_start": window, "n": n, "total": total, "low": low, "high": high}
                    ),
                )
                for user, n, total, low, high in rows.itertuples()
            ]
        return results


def mapped(rows: pd.DataFrame) -> pd.DataFrame:
    """Filter and map."""
    chosen = rows[rows["amount"] >= 25]
    return chosen.assign(cost=chosen["amount"] * 1.19)[["user", "page", "country", "cost", "ts"]]


class Mapping:
    """A function of each batch."""

    def __init__(self, function: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        self._function = function
        self._results: list[tuple[str, bytes]] = []

    def take(self, partition: int, rows: pd.DataFrame) -> None:
        made = self._function(rows)
        values = map(msgspec.json.encode, made.to_dict("records"))
        self._results += zip(made["user"], values, strict=True)

    def closed(self) -> list[tuple[str, bytes]]:
        results, self._results = self._results, []
        return results


def main() -> int:
    case, bootstrap, source, output, group = sys.argv[1:]
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": group,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    producer.init_transactions(30)
    consumer.subscribe([source])
    work = Tumbling() if case == "tumbling" else Mapping(mapped if case == "map" else scored)
    decode = msgspec.json.Decoder(Click).decode
    ended: set[int] = set()
    partitions = len(consumer.list_topics(source, timeout=10).topics[source].partitions)
    positions: dict[int, int] = {}
    while len(ended) < partitions:
        producer.begin_transaction()
        deadline = time.monotonic() + COMMIT_SECONDS
        while time.monotonic() < deadline and len(ended) < partitions:
            _take_batch(consumer, work, decode, positions, ended)
            for key, value in work.closed():
                _produce(producer, output, key, value)
        offsets = [TopicPartition(source, number, offset) for number, offset in positions.items()]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)
    consumer.close()
    return 0


def _take_batch(consumer, work, decode, positions: dict[int, int], ended: set[int]) -> None:
    by_partition: dict[int, list[bytes]] = {}
    for message in consumer.consume(BATCH, 0.1):
        partition = message.partition()
        error = message.error()
        if error is None:
            by_partition.setdefault(partition, []).append(message.value())
            positions[partition] = message.offset() + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            ended.add(partition)
    for partition, values in by_partition.items():
        rows = [decode(value) for value in values]
        columns = {name: [getattr(row, name) for row in rows] for name in Click.__struct_fields__}
        work.take(partition, pd.DataFrame(columns))


def _produce(producer: Producer, topic: str, key: str, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value, key)
            return
        except BufferError:
            producer.poll(0.05)


if __name__ == "__main__":
    sys.exit(main())
