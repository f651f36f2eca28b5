"""What a measurement needs around it: the broker on its core, inputs made once, places for logs and state."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.cases import PROGRAM
from benchmarks.inputs import INPUTS
from benchmarks.launcher import Launch
from benchmarks.machine import Cores, cores
from benchmarks.processes import Measured, python
from streamframe.broker import BrokerSpec, ConsoleProgress, LocalCluster

EXTERNAL = "STREAMFRAME_TEST_BOOTSTRAP"
PARTITIONS = 4
CREATE_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTopic:
    """A topic that holds a workload."""

    topic: str
    frame: pd.DataFrame = field(repr=False)
    partition: pd.Series = field(repr=False)


class World:
    """A broker on core 0 together with this process; whatever is measured runs on core 1."""

    def __init__(self) -> None:
        self.cores: Cores = cores()
        self.place = Path(tempfile.mkdtemp(prefix="streamframe-bench-"))
        self._inputs: dict[tuple[str, int, int], InputTopic] = {}
        self._number = 0
        self._cluster: LocalCluster | None = None

    def __enter__(self) -> Self:
        # The broker's processes and threads inherit it.
        os.sched_setaffinity(0, self.cores.broker)
        external = os.environ.get(EXTERNAL)
        if external:
            self.bootstrap = external
        else:
            # On a busy machine the broker may not get its core for some seconds; that is no reason to fence it.
            settings = {"broker.session.timeout.ms": 18_000}
            spec = BrokerSpec(port=0, heap="1g", tuned_for="throughput", settings=settings)
            self._cluster = LocalCluster(spec)
            self.bootstrap = self._cluster.start(ConsoleProgress())
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cluster is not None:
            self._cluster.stop()
        if error is None:
            shutil.rmtree(self.place, ignore_errors=True)
        else:
            print(f"logs and events are kept in {self.place}")

    def create(self, topic: str, partitions: int = PARTITIONS, **config: str) -> str:
        """Make a topic and return its name."""
        settings = {"retention.ms": "-1", **{name.replace("_", "."): value for name, value in config.items()}}
        new = NewTopic(topic, partitions, 1, config=settings)
        self._admin.create_topics([new], operation_timeout=30)[topic].result(30)
        deadline = time.monotonic() + CREATE_SECONDS_MAX
        # Made by the controller; the broker tells clients of it a moment later.
        while len(self._admin.list_topics(topic, timeout=10).topics[topic].partitions) < partitions:
            assert time.monotonic() < deadline, f"topic {topic} does not appear"
            time.sleep(0.02)
        return topic

    def drop(self, *topics: str) -> None:
        """Delete topics, to give the disk back."""
        if not topics:
            return
        for future in self._admin.delete_topics(list(topics), operation_timeout=30).values():
            future.exception(30)

    def drop_application(self, application: str) -> None:
        """Delete the internal topics of an application."""
        found = [name for name in self._admin.list_topics(timeout=10).topics if name.startswith(f"{application}-")]
        self.drop(*found)

    def drop_containing(self, text: str) -> None:
        """Delete topics with a text in their names."""
        self.drop(*[name for name in self._admin.list_topics(timeout=10).topics if text in name])

    def size_of(self, prefix: str) -> int:
        """Return the bytes on the broker's disk of all topics whose names begin so; 0 with a foreign broker."""
        if self._cluster is None:
            return 0
        logs = self._cluster.data_dir.glob(f"**/{prefix}*/*.log")
        return sum(file.stat().st_size for file in logs)

    def input(self, kind: str, records: int, partitions: int = PARTITIONS) -> InputTopic:
        """Return a topic with so many records of a kind; it is filled once."""
        key = (kind, records, partitions)
        if key not in self._inputs:
            wanted = INPUTS[kind]
            topic = self.create(f"input-{kind}-{records}-{partitions}", partitions, **wanted.settings)
            frame, partition = wanted.fill(self.bootstrap, topic, records, partitions)
            self._inputs[key] = InputTopic(topic=topic, frame=frame, partition=partition)
        return self._inputs[key]

    def next_name(self, what: str) -> str:
        """Return a name that no run had before."""
        self._number += 1
        return f"{what}-{self._number}"

    def launch(self, name: str, **fields: Any) -> Launch:
        """Return a launch with its own state directory and events file."""
        place = self.place / name
        place.mkdir(exist_ok=True)
        given = {"program": PROGRAM, "state": str(place / "state"), "events": str(place / "events.jsonl")}
        return Launch(bootstrap=self.bootstrap, **(given | fields))

    def engine(self, name: str, launch: Launch, *, program: str, source: str, output: str) -> Measured:
        """Return the engine, ready to be started on its core."""
        environment = {
            "BENCH_APP": name,
            "BENCH_BOOTSTRAP": self.bootstrap,
            "BENCH_PROGRAM": program,
            "BENCH_INPUT": source,
            "BENCH_OUTPUT": output,
        }
        command = python("-m", "benchmarks.launcher", launch.text())
        return Measured(command, cores=self.cores.engine, environment=environment, log=self.place / name / "log")

    def own_cpu(self) -> float:
        """Return the processor seconds of this process and of the broker."""
        total = sum(os.times()[:4])
        for child in psutil.Process().children(recursive=True):
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total
