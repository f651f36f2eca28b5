"""What processes hold over time: resident memory, file descriptors, threads; and how steeply it grows."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at one process.

    Attributes:
        at: Seconds since the first look at anything.
        rss_mb: Resident memory.
        descriptors: Open files, sockets and pipes; without the tables of RocksDB, whose number goes up and down with
            flushes and compactions.
        tables: Open tables of RocksDB.
        threads: Threads.
        cpu: Seconds of processor time so far.
        buffers_mb: Of the resident memory, write buffers of RocksDB: they fill up to a bound that all databases of a
            process share, over hours where little is written.
    """

    at: float
    rss_mb: float
    descriptors: int
    tables: int
    threads: int
    cpu: float
    buffers_mb: float = 0.0

    @property
    def rest_mb(self) -> float:
        """Resident memory without write buffers."""
        return self.rss_mb - self.buffers_mb


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How a quantity of a process went, after the warm-up.

    Attributes:
        first: Median of the first quarter of the samples.
        last: Median of the last quarter.
        low: Smallest value.
        high: Largest value.
        per_hour: Slope of the regression line.
    """

    first: float
    last: float
    low: float
    high: float
    per_hour: float

    @property
    def change(self) -> float:
        """From the first quarter to the last."""
        return self.last - self.first


@dataclass(slots=True, kw_only=True)
class History:
    """Samples of processes by role and process id; a role may have many lives."""

    started: float = field(default_factory=time.monotonic)
    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)

    def look(self, roles: Mapping[str, psutil.Process], buffers_mb: Mapping[str, float]) -> None:
        """Sample each of these processes; ``buffers_mb`` by role, where there are write buffers."""
        for role, process in roles.items():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    tables = sum(file.path.endswith(".sst") for file in process.open_files())
                    sample = Sample(
                        at=round(time.monotonic() - self.started, 1),
                        rss_mb=round(process.memory_info().rss / MEBIBYTE, 2),
                        descriptors=process.num_fds() - tables,
                        tables=tables,
                        threads=process.num_threads(),
                        cpu=round(times.user + times.system, 2),
                        buffers_mb=round(buffers_mb.get(role, 0.0), 2),
                    )
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            self.samples.setdefault((role, process.pid), []).append(sample)

    def keep(self, file: Path) -> None:
        """Write all samples to a file: they tell something also when the run comes to a bad end."""
        rows = {f"{role} {pid}": [asdict(each) for each in samples] for (role, pid), samples in self.samples.items()}
        file.write_text(json.dumps(rows))

    def longest(self, role: str) -> list[Sample]:
        """Return the samples of the longest life in a role."""
        lives = [samples for (name, _), samples in self.samples.items() if name == role]
        return max(lives, key=len, default=[])

    def lives(self, role: str) -> int:
        """Return how many processes have had a role."""
        return sum(name == role for name, _ in self.samples)


def trend(samples: list[Sample], quantity: str, *, warm_up: float) -> Trend:
    """Return how a quantity went after ``warm_up`` seconds.

    Raises:
        ValueError: There are fewer than eight samples after it.
    """
    later = [sample for sample in samples if sample.at >= samples[0].at + warm_up]
    if len(later) < 8:
        raise ValueError(f"{len(later)} samples after the warm-up are no trend")
    values = [float(getattr(sample, quantity)) for sample in later]
    slope, _ = statistics.linear_regression([sample.at for sample in later], values)
    quarter = len(values) // 4
    return Trend(
        first=statistics.median(values[:quarter]),
        last=statistics.median(values[-quarter:]),
        low=min(values),
        high=max(values),
        per_hour=round(slope * 3600, 3),
    )
