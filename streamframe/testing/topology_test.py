"""``TopologyTest``: a program under test, without a broker.

The production engine and operators run against a Kafka in memory, in one thread, with a clock that moves
only when it is told to. Crashes and rebalances are method calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from streamframe.core.errors import ConfigError
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import Settings
from streamframe.core.suggest import did_you_mean
from streamframe.core.time import MICROS_PER_MS, Duration, parse_duration
from streamframe.plan.nodes import Source, TopicSink
from streamframe.plan.topology import Topology
from streamframe.serde.keys import encode_keys
from streamframe.serde.pandas_frames import from_pandas, to_pandas
from streamframe.serde.registry import decoder_for, encoder_for
from streamframe.testing.memory_broker import Entry
from streamframe.testing.memory_cluster import MemoryCluster, partition_of
from streamframe.testing.memory_log import Chooser, read_everything

Rows = pd.DataFrame | Mapping[str, object] | Sequence[Mapping[str, object]] | Sequence[bytes | None]


class Program(Protocol):
    """What ``TopologyTest`` needs of an ``App``."""

    @property
    def settings(self) -> Settings:
        """Settings of the program."""

    def topology(self) -> Topology:
        """The compiled program."""


class TopologyTest:
    """Runs a program on topics in memory.

    Args:
        app: The program.
        partitions: Partitions of every external topic: one number, or by topic name.
        workers: Number of workers that share the tasks.
        chooser: Which partition is read next and how many records of it; reads everything in order by
            default. ``chooser(available) -> [(partition, count), …]`` with the readable records per partition.

    Example:
        ::

            with TopologyTest(app, partitions=2) as t:
                t.send("clicks", pd.DataFrame({"user": ["a"], "amount": [1.0], "ts": [0]}))
                t.advance("1min")
                assert t.read("click-totals").empty
    """

    def __init__(
        self,
        app: Program,
        *,
        partitions: int | Mapping[str, int] = 1,
        workers: int = 1,
        chooser: Chooser = read_everything,
    ) -> None:
        self._topology = app.topology()
        topics = [source.topic for source in self._topology.sources] + list(self._topology.sink_topics)
        counts = {t: partitions if isinstance(partitions, int) else partitions.get(t, 1) for t in topics}
        settings = replace(app.settings, commit=replace(app.settings.commit, guarantee="exactly_once"))
        self._cluster = MemoryCluster(self._topology, settings, counts, chooser=chooser)
        self._read_until: dict[str, dict[TopicPartition, int]] = {}
        self._workers = 0
        self.rebalance(workers=workers)

    # -- input -------------------------------------------------------------------------------------

    def send(
        self,
        topic: str,
        rows: Rows,
        *,
        partition: int | None = None,
        key: str | Sequence[bytes | None] | None = None,
        timestamp: int | Sequence[int] | None = None,
    ) -> None:
        """Append records to a source topic and process them.

        Args:
            topic: A source topic of the program.
            rows: A DataFrame (encoded by the topic's serde), mappings of columns, or raw record values.
            partition: Where they go; by default the partition that Kafka's producers choose for the key.
            key: A column of ``rows`` or one key per record; default: the topic's declared key columns.
            timestamp: Record timestamps in milliseconds; default: the clock.

        Raises:
            ConfigError: The program does not read this topic.
            StreamFrameError: Whatever the program's error policy makes of the records.
        """
        source = self._source(topic)
        values, columns = self._encode(source, rows)
        keys = self._keys(source, key, columns, len(values))
        now = self._cluster.clock.now() // MICROS_PER_MS
        times = [now] * len(values) if timestamp is None else np.broadcast_to(timestamp, len(values)).tolist()
        count = len(self._cluster.broker.topics[topic])
        for value, record_key, time in zip(values, keys, times, strict=True):
            target = partition_of(record_key, count) if partition is None else partition
            self._cluster.broker.append(TopicPartition(topic, target), value, key=record_key, timestamp=time)
        self.step()

    def _source(self, topic: str) -> Source:
        for source in self._topology.sources:
            if source.topic == topic:
                return source
        names = [source.topic for source in self._topology.sources]
        raise ConfigError("the program does not read this topic", hint=did_you_mean(topic, names), topic=topic)

    @staticmethod
    def _encode(source: Source, rows: Rows) -> tuple[list[bytes | None], dict[str, pa.Array]]:
        if isinstance(rows, Mapping):
            rows = [rows]
        if not isinstance(rows, pd.DataFrame):
            if all(row is None or isinstance(row, bytes) for row in rows):
                return [row if isinstance(row, bytes) else None for row in rows], {}
            rows = pd.DataFrame(list(rows))
        fields = [field for field in source.schema if field.name in rows.columns]
        found = from_pandas(rows[[field.name for field in fields]])
        # Integers may stand for times, as they do in JSON.
        columns = {field.name: found[field.name].cast(field.type) for field in fields}
        return list(encoder_for(source.serde, pa.schema(fields)).encode(columns)), columns

    @staticmethod
    def _keys(
        source: Source, key: str | Sequence[bytes | None] | None, columns: Mapping[str, pa.Array], count: int
    ) -> list[bytes | None]:
        if key is None and source.key and columns:
            return list(encode_keys([columns[name] for name in source.key]))
        if isinstance(key, str):
            return list(encode_keys([columns[key]]))
        if key is None:
            return [None] * count
        return list(key)

    # -- time --------------------------------------------------------------------------------------

    def step(self) -> None:
        """Process what can be read, without committing and without moving the clock."""
        self._cluster.step()

    def advance(self, duration: Duration) -> None:
        """Move the wall clock; commits that are due happen, and everything that follows from them."""
        self._cluster.clock.time += parse_duration(duration)
        self.commit()

    def commit(self) -> None:
        """Process and commit until everything that can be read counts."""
        self._cluster.settle()

    # -- output ------------------------------------------------------------------------------------

    def read(self, topic: str) -> pd.DataFrame:
        """Commit, then return the rows written to a topic since the last call, partition by partition.

        Rows of a topic that the program writes have the columns of its frame; for dead letters and
        other topics they are ``key``, ``value``, ``partition``, ``offset``, ``timestamp``, ``headers``.
        """
        self.commit()
        entries = self._unread(topic)
        sink = next((s for s in self._topology.plan.sinks if isinstance(s, TopicSink) and s.topic == topic), None)
        if sink is None:
            return _raw_frame(entries)
        decoder = decoder_for(sink.serde, sink.schema, sink.schema.names)
        return to_pandas(decoder.decode([entry.value for _tp, entry in entries]).columns)

    def read_records(self, topic: str) -> pd.DataFrame:
        """Commit, then return the records written to a topic since the last call, undecoded."""
        self.commit()
        return _raw_frame(self._unread(topic))

    def _unread(self, topic: str) -> list[tuple[TopicPartition, Entry]]:
        seen = self._read_until.setdefault(topic, {})
        fresh = [(tp, e) for tp, e in self._cluster.broker.records(topic) if e.offset >= seen.get(tp, 0)]
        for tp, entry in fresh:
            seen[tp] = entry.offset + 1
        return fresh

    @property
    def shown(self) -> list[str]:
        """What ``print`` steps have printed."""
        return self._cluster.shown

    @property
    def counts(self) -> dict[str, int]:
        """Rows by what became of them, over all workers that are alive."""
        total: dict[str, int] = {}
        for member in self._cluster.members.values():
            for name, count in member.driver.snapshot().counts.items():
                total[name] = total.get(name, 0) + count
        return total

    # -- faults ------------------------------------------------------------------------------------

    def crash(self, *, wipe: bool = False, flushed: float = 0.0) -> None:
        """Kill all workers at once and start as many new ones.

        Args:
            wipe: The local state is lost too; otherwise it falls back to what had been flushed.
            flushed: Share of the unflushed writes of each store that survived, between 0 and 1.
        """
        for name in sorted(self._cluster.members):
            self._cluster.crash(name, keep=lambda unflushed: int(unflushed * flushed))
        if wipe:
            self._cluster.stores.disks.clear()
        count, self._workers = self._workers, 0
        self.rebalance(workers=count)

    def rebalance(self, workers: int | None = None) -> None:
        """Change the number of workers (default: one more); partitions and state move accordingly."""
        target = self._workers + 1 if workers is None else workers
        for number in range(self._workers, target):
            self._cluster.add(f"worker-{number}")
        leaving = [f"worker-{number}" for number in range(target, self._workers)]
        self._workers = target
        if leaving:
            staying = {n: m for n, m in self._cluster.members.items() if n not in leaving}
            for name in leaving:
                self._cluster.stop(name)
            self._cluster.members = staying
        self._cluster.rebalance()
        self._cluster.settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in sorted(self._cluster.members):
            self._cluster.crash(name)


def _raw_frame(entries: Sequence[tuple[TopicPartition, Entry]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": [e.key for _tp, e in entries],
            "value": [e.value for _tp, e in entries],
            "partition": [tp.partition for tp, _e in entries],
            "offset": [e.offset for _tp, e in entries],
            "timestamp": [e.timestamp for _tp, e in entries],
            "headers": [dict(e.headers) for _tp, e in entries],
        }
    )
