"""Seeded input: click records as a real topic would hold them, and what the windows over them must be.

Records are JSON of about 110 bytes: ``{"user":"u001234","page":"/p/17","amount":12.34,"country":"DE",
"category":"c3","ts":1760000000123}``. Event time advances evenly over ``span_s`` seconds and is out of
order by up to ``disorder_ms``. Equal seeds give equal records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from confluent_kafka import Producer

COUNTRIES = ("DE", "FR", "US", "GB", "JP", "BR", "IN", "ES")
START_MS = 1_760_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is generated.

    Attributes:
        records: Number of records.
        users: Number of distinct users; the user is the message key.
        partitions: Partitions of the topic.
        span_s: Seconds of event time that the records cover.
        disorder_ms: Bound of the disorder of event time.
        skew: Exponent of a Zipf distribution of users; 0 makes all equally frequent.
        seed: Of the random generator.
    """

    records: int
    users: int = 10_000
    partitions: int = 4
    span_s: int = 300
    disorder_ms: int = 1_000
    skew: float = 0.0
    seed: int = 1

    def frame(self) -> pd.DataFrame:
        """Return all records, in the order in which they are produced."""
        rng = np.random.default_rng(self.seed)
        n = self.records
        steady = START_MS + (np.arange(n, dtype=np.int64) * (self.span_s * 1_000)) // max(1, n)
        return pd.DataFrame(
            {
                "user": self._users(rng),
                "page": rng.integers(0, 50, n),
                "cents": rng.integers(0, 10_000, n),
                "country": rng.integers(0, len(COUNTRIES), n),
                "category": rng.integers(0, 12, n),
                "ts": steady - rng.integers(0, self.disorder_ms + 1, n),
            }
        )

    def _users(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        if self.skew == 0:
            return rng.integers(0, self.users, self.records)
        weights = 1.0 / np.arange(1, self.users + 1) ** self.skew
        cumulated = np.cumsum(weights)
        return np.searchsorted(cumulated, rng.random(self.records) * cumulated[-1])


Record = tuple[str, str | None, int]
"""Value, key (or none) and partition."""


def click_records(frame: pd.DataFrame, target: pd.Series) -> Iterator[Record]:
    """Yield the records of a workload.

    The partition is chosen by the caller, so that the oracle knows the order of the records of each partition
    without reading them back.
    """
    columns = (frame[name].tolist() for name in ("user", "page", "cents", "country", "category", "ts"))
    for user, page, cents, country, category, ts, partition in zip(*columns, target.tolist(), strict=True):
        value = (
            f'{{"user":"u{user:06d}","page":"/p/{page}","amount":{cents / 100},'
            f'"country":"{COUNTRIES[country]}","category":"c{category}","ts":{ts}}}'
        )
        yield value, f"u{user:06d}", partition


def write(bootstrap: str, topic: str, made: Iterable[Record]) -> None:
    """Write records, each partition in their order."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
            "enable.idempotence": True,
        }
    )
    for number, (value, key, partition) in enumerate(made):
        while True:
            try:
                producer.produce(topic, value, key, partition)
                break
            except BufferError:
                producer.poll(0.05)
        if number % 10_000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    assert left == 0, f"{left} records were not written"


def tumbling_totals(
    frame: pd.DataFrame,
    partition: pd.Series,
    keys: list[str],
    *,
    size_ms: int,
    grace_ms: int,
    repartitioned: bool,
) -> pd.DataFrame:
    """Return the rows that a tumbling window must emit as final, computed by plain pandas.

    A row is late iff the running maximum of its own partition's event time, itself included, is at or
    beyond the end of its window plus grace. A window is final once the stream time of the partitions that
    feed its step is: of its own partition when the rows are grouped by the message key, else the minimum
    over all partitions.
    """
    observed = frame["ts"].groupby(partition).cummax()
    start = frame["ts"] // size_ms * size_ms
    on_time = observed < start + size_ms + grace_ms
    watermark = frame["ts"].groupby(partition).transform("max")
    if repartitioned:
        watermark = watermark.min()
    closed = start + size_ms + grace_ms <= watermark
    rows = frame.assign(window_start=start, amount=frame["cents"] / 100)[on_time & closed]
    grouped = rows.groupby([*keys, "window_start"], sort=True)["amount"]
    return grouped.agg(n="count", total="sum", low="min", high="max").reset_index()
