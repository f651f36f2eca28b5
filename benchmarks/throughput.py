"""Throughput: the slope between two sizes of one input, every output verified.

The slope leaves out what a start costs; that is reported apart. Processor time is that of the whole
process tree, supervisor included.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

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


Runner = Callable[[World, Case, InputTopic, str], tuple[Usage, float]]
"""Runs something over an input, the output goes to the named topic; returns the longest pause in ms, too."""


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
            run = one_run(world, name, case, records, runner)
            runs.append(run)
            rate = records / run.usage.wall / 1_000
            right = "right" if run.verdict.right else f"WRONG {run.verdict}"
            print(
                f"  {name}: {records} records, {run.usage.wall:.1f} s, {run.usage.cpu:.1f} CPU s, {rate:.0f} k/s, "
                f"{run.usage.rss_mb:.0f} MB, {right}",
                flush=True,
            )
    return summary(case, sizes, runs)


def one_run(world: World, name: str, case: Case, records: int, runner: Runner) -> Run:
    """Run once, and compare the output with the oracle."""
    source = world.input(case.input, records, case.partitions)
    output = world.create("out-" + world.next_name(name))
    neighbours, before = Neighbours(), world.own_cpu()
    usage, pause_ms = runner(world, case, source, output)
    others = neighbours.cores_taken(world.own_cpu() - before)
    verdict = case.oracle(source.frame, source.partition, read_rows(world.bootstrap, output))
    world.drop(output)
    return Run(records=records, usage=usage, verdict=verdict, others=others, pause_ms=pause_ms)


def summary(case: Case, sizes: Sizes, runs: list[Run]) -> dict[str, Any]:
    """Return medians and spread of the slopes of all pairs of runs."""
    pairs = [(small, large) for small, large in zip(runs[::2], runs[1::2], strict=True)]
    millions = (sizes.large - sizes.small) / 1e6
    cpu = [(large.usage.cpu - small.usage.cpu) / millions for small, large in pairs]
    wall = [(large.usage.wall - small.usage.wall) / millions for small, large in pairs]
    large_runs = [large for _, large in pairs]
    return {
        "title": case.title,
        "input": case.input,
        "records": [sizes.small, sizes.large],
        "cpu_s_per_million": _spread(cpu),
        "records_per_core_second": round(1e6 / statistics.median(cpu)),
        "records_per_second": round(1e6 / statistics.median(wall)),
        "cpu_s_per_million_with_start": _spread([run.usage.cpu / run.records * 1e6 for run in large_runs]),
        "start_s": round(
            statistics.median(
                small.usage.wall - slope * sizes.small / 1e6 for (small, _), slope in zip(pairs, wall, strict=True)
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
