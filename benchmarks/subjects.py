"""The subjects of a session: each yields what it has measured so far, after every case.

A case that is not measured again keeps the figures of before, with the date and commit that it carries.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from benchmarks import live_state, standing
from benchmarks.cases import CASES
from benchmarks.growth import PARTITIONS, grown_in_memory
from benchmarks.large_state import measure_large_state
from benchmarks.latency import Load, measure_latency
from benchmarks.machine import native_path
from benchmarks.nexmark.cases import NEXMARK
from benchmarks.peers import PEERS
from benchmarks.peers import measure as measure_peer
from benchmarks.results_files import load
from benchmarks.stages import WHOLE_JOB, measure_stages
from benchmarks.telemetry import measure_overhead
from benchmarks.threads import measure_threads
from benchmarks.throughput import Sizes, measure, run_engine
from benchmarks.world import World

QUICK = Sizes(small=100_000, large=300_000, repeat=1)
WORKERS = (1, 2, 4)
Measured = dict[str, Any]
Subject = Callable[[World, argparse.Namespace], Iterator[Measured]]


def throughput(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    sizes = _sizes(args)
    return _each("throughput", CASES, args, lambda name: measure(world, name, CASES[name], sizes, run_engine))


def nexmark(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    sizes = _sizes(args)
    # An event is three times as large as a click.
    halves = replace(sizes, small=sizes.small // 2, large=sizes.large // 2)
    return _each("nexmark", NEXMARK, args, lambda name: measure(world, name, NEXMARK[name], halves, run_engine))


def stages(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    found = _shown(measure_stages())
    yield found | {WHOLE_JOB: _shown(measure_threads(world, _sizes(args)))}


def workers(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    def one(count: str) -> Measured:
        def run(world, case, source, output):
            return run_engine(world, case, source, output, workers=int(count))

        return measure(world, f"workers-{count}", CASES["tumbling"], _sizes(args), run)

    return _each("workers", map(str, WORKERS), args, one)


def growth(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    found = _shown(grown_in_memory())
    found["partitions"] = {}
    for count in PARTITIONS:
        case = replace(CASES["tumbling"], partitions=count)
        found["partitions"][str(count)] = measure(world, f"partitions-{count}", case, _sizes(args), run_engine)
        yield found


def latency(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    load_ = Load(seconds=8) if args.quick else Load()

    def one(name: str) -> list[Measured]:
        runs = [_shown(measure_latency(world, f"latency-{name}", load_)) for _ in range(_repeat(args))]
        return sorted(runs, key=lambda run: run["p99_ms"])

    return _each("latency", ("changes", "map"), args, one)


def restore(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    records = 200_000 if args.quick else args.records // 2
    runs: list[Measured] = []
    for _ in range(_repeat(args)):
        runs.append(_shown(live_state.measure_restore(world, records)))
        yield {"runs": sorted(runs, key=lambda run: run["rows_per_s"])}


def memory(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    yield {"bounds": _shown(live_state.measure_memory(world, 200_000 if args.quick else args.records // 2))}


def large_state(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    rows, bound_mb = (300_000, 16) if args.quick else (30_000_000, 512)
    yield _shown(measure_large_state(world, rows, bound_mb))


def idle_and_start(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    start = standing.measure_start(world, 100_000 if args.quick else 1_000_000, _repeat(args))
    idle, many = standing.measure_idle(world), standing.measure_idle(world, 64)
    yield _shown({"idle": idle, "idle_many_partitions": many, "start": start})


def metrics(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    records = 200_000 if args.quick else args.records // 2
    yield _shown(measure_overhead(world, records, 1 if args.quick else max(5, args.repeat)))


def peers(world: World, args: argparse.Namespace) -> Iterator[Measured]:
    """A case at a time over all peers, so that those that are compared are measured one after the other."""
    names = args.peer.split(",") if args.peer else list(PEERS)
    cases = args.case.split(",") if args.case else ["tumbling", "map", "changes", "repartition", "pandas-function"]
    found = _so_far("peers")
    for case in cases:
        for name in names:
            measured = measure_peer(world, PEERS[name], _sizes(args), case)
            if measured is None:
                continue
            before = found.get(name, {}).get("cases", {})
            found[name] = {"title": PEERS[name].title, "cases": before | {case: measured}}
            yield found


def _each(
    subject: str, names: Iterable[str], args: argparse.Namespace, one: Callable[[str], Any]
) -> Iterator[Measured]:
    """Measure one case after the other; with ``--case`` only these."""
    known = list(names)
    chosen = [name for name in known if args.case is None or name in args.case.split(",")]
    found = {name: case for name, case in _so_far(subject).items() if name in known}
    for name in chosen:
        try:
            found[name] = one(name)
        except AssertionError as error:
            # The others are worth measuring all the same; the page shows that this one is of before, or missing.
            print(f"  {name}: NOT MEASURED: {error}", flush=True)
            continue
        # In the order of the list, whatever was measured first.
        yield {each: found[each] for each in known if each in found}


def _so_far(subject: str) -> Measured:
    before = load(subject, native_path())
    return {} if before is None else before["measured"]


def _sizes(args: argparse.Namespace) -> Sizes:
    return QUICK if args.quick else Sizes(small=args.records // 4, large=args.records, repeat=args.repeat)


def _repeat(args: argparse.Namespace) -> int:
    return 1 if args.quick else int(args.repeat)


def _shown(measured: Any) -> Any:
    print(f"  {measured}", flush=True)
    return measured


SUBJECTS: dict[str, Subject] = {
    "throughput": throughput,
    "peers": peers,
    "nexmark": nexmark,
    "stages": stages,
    "workers": workers,
    "growth": growth,
    "restore": restore,
    "memory": memory,
    "large-state": large_state,
    "metrics": metrics,
    "standing": idle_and_start,
    "latency": latency,
}
"""In this order: peers are compared with what was measured just before, and the broker is warm for latency."""
