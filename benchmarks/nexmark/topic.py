"""The events as a topic, and as a frame for the oracles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from confluent_kafka import TopicPartition

from benchmarks.nexmark.generator import Nexmark
from benchmarks.nexmark.queries import BID
from benchmarks.reading import reader
from benchmarks.workload import Record, write

SPAN_SECONDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """All events of the model in one topic, whose records have the broker's time of appending."""

    settings: Mapping[str, str] = field(default_factory=lambda: {"message.timestamp.type": "LogAppendTime"})

    def fill(self, bootstrap: str, topic: str, records: int, partitions: int) -> tuple[pd.DataFrame, pd.Series]:
        """Write so many events; return them, and their partitions."""
        # Small inputs last long enough for some windows to close.
        model = Nexmark(events=records, per_second=max(1, min(10_000, records // SPAN_SECONDS)))
        numbers = model.numbers()
        target = np.empty(records, np.int64)

        def placed() -> Iterator[Record]:
            for row, (_, auction, value) in enumerate(model.records(numbers)):
                target[row] = partition_of(row if auction is None else auction, partitions)
                yield value, None if auction is None else str(auction), int(target[row])

        write(bootstrap, topic, placed())
        frame = frame_of(model, numbers)
        partition = pd.Series(target)
        frame["appended"] = appended(bootstrap, topic, partition)
        return frame, partition


def frame_of(model: Nexmark, numbers: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return all events as the oracles want them: the columns of bids, blank for people and auctions."""
    bids = model.bids(numbers).set_index("place")
    frame = bids.reindex(range(len(numbers)))
    texts = [name for name in BID if bids[name].dtype.kind not in "if"]
    frame["kind"] = np.where(frame["auction"].notna(), "bid", "other")
    frame[texts] = frame[texts].fillna("")
    whole = [name for name in BID if name not in texts]
    frame[whole] = frame[whole].fillna(0).astype("int64")
    frame["dateTime"] = model.times(numbers)
    return frame


def partition_of(number: int, partitions: int) -> int:
    """Hot auctions are multiples of a hundred: this spreads them as well as the others."""
    return (number + number // 100) % partitions


def appended(bootstrap: str, topic: str, partition: pd.Series) -> npt.NDArray[np.int64]:
    """Return the broker's time of each record, milliseconds; a partition holds its records in the order of writing."""
    times = np.zeros(len(partition), np.int64)
    places = {number: rows.to_numpy() for number, rows in partition.index.to_series().groupby(partition)}
    consumer = reader(bootstrap)
    consumer.assign([TopicPartition(topic, number, 0) for number in places])
    left = len(partition)
    while left:
        messages = [message for message in consumer.consume(10_000, 10.0) if message.error() is None]
        assert messages, f"{left} records are missing in {topic}"
        for message in messages:
            times[places[message.partition()][message.offset()]] = message.timestamp()[1]
        left -= len(messages)
    consumer.close()
    return times
