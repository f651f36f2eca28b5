"""``python -m benchmarks``: measure, write result files, make the page.

python -m benchmarks                          everything, about half an hour
python -m benchmarks --quick                  small sizes, once each: does it run?
python -m benchmarks --only throughput        one subject
python -m benchmarks --only throughput --case tumbling,map
python -m benchmarks --peers                  the peers too
python -m benchmarks report                   docs/benchmarks.md from the result files
python -m benchmarks profile --case tumbling  a flame graph of a running worker
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import live_state, standing
from benchmarks.cases import CASES
from benchmarks.latency import Load, measure_latency
from benchmarks.machine import native_path
from benchmarks.peers import PEERS
from benchmarks.peers import measure as measure_peer
from benchmarks.profiling import profile
from benchmarks.report import write_report
from benchmarks.results_files import load, save
from benchmarks.stages import measure_stages
from benchmarks.throughput import Sizes, measure, run_engine
from benchmarks.world import World

QUICK = Sizes(small=100_000, large=300_000, repeat=1)


def main() -> int:
    args = _arguments()
    if args.what == "report":
        print(write_report())
        return 0
    if args.what == "profile":
        profile(args.case or "tumbling", args.records, args.seconds, Path(args.output))
        return 0
    wanted = args.only.split(",") if args.only else [*SUBJECTS, *(["peers"] if args.peers else [])]
    unknown = sorted(set(wanted) - SUBJECTS.keys() - {"peers"})
    if unknown:
        sys.exit(f"no such subject: {', '.join(unknown)}; there are {', '.join([*SUBJECTS, 'peers'])}")
    with World() as world:
        for subject in wanted:
            print(f"{subject}:", flush=True)
            measured = _peers(world, args) if subject == "peers" else SUBJECTS[subject](world, args)
            if args.quick:
                continue
            print(f"  {save(subject, measured)}", flush=True)
    if not args.quick:
        print(write_report())
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("run", "report", "profile"), default="run")
    parser.add_argument("--only", help=f"subjects, separated by commas: {', '.join(SUBJECTS)}, peers")
    parser.add_argument("--case", help="throughput cases, separated by commas; the case to profile")
    parser.add_argument("--quick", action="store_true", help="small sizes, once each, no result files")
    parser.add_argument("--peers", action="store_true", default=os.environ.get("PEERS") == "1", help="peers too")
    parser.add_argument("--peer", help="peers, separated by commas")
    parser.add_argument("--repeat", type=int, default=3, help="pairs of runs of each throughput case")
    parser.add_argument("--records", type=int, default=4_000_000, help="the larger of the two sizes")
    parser.add_argument("--seconds", type=int, default=5, help="of a recording (profile)")
    parser.add_argument("--output", default="profile", help="file of a profile, without suffix")
    return parser.parse_args()


def _sizes(args: argparse.Namespace) -> Sizes:
    return QUICK if args.quick else Sizes(small=args.records // 4, large=args.records, repeat=args.repeat)


def _throughput(world: World, args: argparse.Namespace) -> dict[str, Any]:
    names = args.case.split(",") if args.case else list(CASES)
    found = {} if args.case is None else _cases_so_far("throughput")
    return found | {name: measure(world, name, CASES[name], _sizes(args), run_engine) for name in names}


def _cases_so_far(subject: str) -> dict[str, Any]:
    before = load(subject, native_path())
    return {} if before is None else before["measured"]


def _workers(world: World, args: argparse.Namespace) -> dict[str, Any]:
    def runner(count: int) -> Callable[..., Any]:
        return lambda world, case, source, output: run_engine(world, case, source, output, workers=count)

    sizes = _sizes(args)
    return {str(count): measure(world, f"workers-{count}", CASES["tumbling"], sizes, runner(count)) for count in (1, 2)}


def _latency(world: World, args: argparse.Namespace) -> dict[str, Any]:
    load = Load(seconds=8) if args.quick else Load()
    repeat = 1 if args.quick else args.repeat
    found = {
        name: [_shown(measure_latency(world, f"latency-{name}", load)) for _ in range(repeat)]
        for name in ("changes", "map")
    }
    return {name: sorted(runs, key=lambda run: run["p99_ms"]) for name, runs in found.items()}


def _restore(world: World, args: argparse.Namespace) -> dict[str, Any]:
    records = 200_000 if args.quick else args.records // 2
    runs = [_shown(live_state.measure_restore(world, records)) for _ in range(1 if args.quick else args.repeat)]
    return {"runs": sorted(runs, key=lambda run: run["rows_per_s"])}


def _memory(world: World, args: argparse.Namespace) -> dict[str, Any]:
    return {"bounds": _shown(live_state.measure_memory(world, 200_000 if args.quick else args.records // 2))}


def _standing(world: World, args: argparse.Namespace) -> dict[str, Any]:
    start = standing.measure_start(world, 100_000 if args.quick else 1_000_000, 1 if args.quick else args.repeat)
    return _shown({"idle": standing.measure_idle(world), "start": start})


def _peers(world: World, args: argparse.Namespace) -> dict[str, Any]:
    names = args.peer.split(",") if args.peer else list(PEERS)
    found = {} if args.peer is None else _cases_so_far("peers")
    return found | {name: measure_peer(world, PEERS[name], _sizes(args)) for name in names}


def _shown(measured: Any) -> Any:
    print(f"  {measured}", flush=True)
    return measured


def _stages(world: World, args: argparse.Namespace) -> dict[str, Any]:
    return _shown(measure_stages())


SUBJECTS: dict[str, Callable[[World, argparse.Namespace], dict[str, Any]]] = {
    "throughput": _throughput,
    "stages": _stages,
    "workers": _workers,
    "restore": _restore,
    "memory": _memory,
    "standing": _standing,
    "latency": _latency,
}
"""In this order: the broker is warm when latency is measured."""


if __name__ == "__main__":
    sys.exit(main())
