"""Throughput: the slope between two sizes of one input, every output verified.

The slope leaves out what a start costs; that is reported apart. Processor time is that of the whole
process tree, supervisor included.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, Self

from benchmarks.cases import Case
from benchmarks.events import pauses_of, snapshots
from benchmarks.machine import Neighbours
from benchmarks.oracles import Verdict
from benchmarks.processes import Usage
from benchmarks.reading import read_rows
from benchmarks.world import InputTopic, World

RUN_SECONDS_MAX = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Records of the two inputs, and how often each is run."""

    small: int = 1_000_000
    large: int = 4_000_000
    repeat: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run over one input."""

    records: int
    usage: Usage
    verdict: Verdict
    others: float
    pause_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What had been used when so many records were committed."""

    records: int
    usage: Usage


Runner = Callable[[World, Case, InputTopic, str], tuple[Usage, float]]
"""Runs something over an input, the output goes to the named topic; returns the longest pause in ms, too."""

PassingRunner = Callable[[World, Case, InputTopic, str, int], tuple[Passed, Usage]]
"""The same of something that does not end by itself; the number is of records after which to look first."""


def run_engine(world: World, case: Case, source: InputTopic, output: str, *, workers: int = 1) -> tuple[Usage, float]:
    """Run StreamFrame to the end of the input."""
    name = output.removeprefix("out-")
    launch = world.launch(name, program=case.file, workers=workers, telemetry_ms=250)
    engine = world.engine(name, launch, program=case.program, source=source.topic, output=output)
    with engine as running:
        usage = running.to_end(RUN_SECONDS_MAX)
    world.drop_application(name)
    return usage, pauses_of(snapshots(launch.events))["longest_pause_ms"]


def measure(world: World, name: str, case: Case, sizes: Sizes, runner: Runner) -> dict[str, Any]:
    """Return the slope of a case, its verdicts, and every single run."""
    runs: list[Run] = []
    for _ in range(sizes.repeat):
        for records in (sizes.small, sizes.large):
            source = world.input(case.input, records, case.partitions)
            with _Trial(world, name, case, source) as trial:
                usage, pause_ms = runner(world, case, source, trial.output)
            runs.append(trial.run(records, usage, pause_ms))
    return summary(case, runs)


def measure_passing(world: World, name: str, case: Case, sizes: Sizes, runner: PassingRunner) -> dict[str, Any]:
    """Return the slope of a case of something that runs for ever, from when it has passed the smaller size to its end.

    Both ends of the slope are of one run over the larger input: half as many starts, and a Java machine is measured
    when it has compiled what it needs.
    """
    runs: list[Run] = []
    for _ in range(sizes.repeat):
        source = world.input(case.input, sizes.large, case.partitions)
        with _Trial(world, name, case, source) as trial:
            passed, usage = runner(world, case, source, trial.output, sizes.small)
        whole = trial.run(sizes.large, usage, 0.0)
        runs += [replace(whole, records=passed.records, usage=passed.usage), whole]
    return summary(case, runs)


class _Trial:
    """One run: a topic for its output, who else was busy meanwhile, and the verdict of the oracle."""

    def __init__(self, world: World, name: str, case: Case, source: InputTopic) -> None:
        self._world = world
        self._name = name
        self._case = case
        self._source = source
        self.output = world.create("out-" + world.next_name(name))

    def __enter__(self) -> Self:
        self._neighbours, self._before = Neighbours(), self._world.own_cpu()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._others = self._neighbours.cores_taken(self._world.own_cpu() - self._before)

    def run(self, records: int, usage: Usage, pause_ms: float) -> Run:
        """Compare the output with the oracle, and tell."""
        got = read_rows(self._world.bootstrap, self.output)
        verdict = self._case.oracle(self._source.frame, self._source.partition, got)
        self._world.drop(self.output)
        right = "right" if verdict.right else f"WRONG {verdict}"
        print(
            f"  {self._name}: {records} records, {usage.wall:.1f} s, {usage.cpu:.1f} CPU s, "
            f"{records / usage.wall / 1_000:.0f} k/s, {usage.rss_mb:.0f} MB, {right}",
            flush=True,
        )
        return Run(records=records, usage=usage, verdict=verdict, others=self._others, pause_ms=pause_ms)


def summary(case: Case, runs: list[Run]) -> dict[str, Any]:
    """Return medians and spread of the slopes of all pairs of runs."""
    pairs = [(small, large) for small, large in zip(runs[::2], runs[1::2], strict=True)]
    millions = [(large.records - small.records) / 1e6 for small, large in pairs]
    cpu = [(large.usage.cpu - small.usage.cpu) / count for (small, large), count in zip(pairs, millions, strict=True)]
    wall = [
        (large.usage.wall - small.usage.wall) / count for (small, large), count in zip(pairs, millions, strict=True)
    ]
    large_runs = [large for _, large in pairs]
    return {
        "title": case.title,
        "input": case.input,
        "records": [round(statistics.median(run.records for run in side)) for side in zip(*pairs, strict=True)],
        "cpu_s_per_million": _spread(cpu),
        "records_per_core_second": round(1e6 / statistics.median(cpu)),
        "records_per_second": round(1e6 / statistics.median(wall)),
        "cpu_s_per_million_with_start": _spread([run.usage.cpu / run.records * 1e6 for run in large_runs]),
        "start_s": round(
            statistics.median(
                small.usage.wall - slope * small.records / 1e6 for (small, _), slope in zip(pairs, wall, strict=True)
            ),
            2,
        ),
        "rss_mb": round(statistics.median(run.usage.rss_mb for run in large_runs)),
        "worker_rss_mb": round(statistics.median(run.usage.worker_rss_mb for run in large_runs)),
        "longest_pause_ms": round(statistics.median(run.pause_ms for run in large_runs)),
        "rows_out": large_runs[-1].verdict.expected,
        "right": all(run.verdict.right for run in runs),
        "others_cores": round(statistics.median(run.others for run in runs), 2),
        "runs": [asdict(run) for run in runs],
        "measured_at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }
