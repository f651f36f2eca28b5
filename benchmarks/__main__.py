"""``python -m benchmarks``: measure, write result files, make the page.

python -m benchmarks                          everything but the peers, on both data paths
python -m benchmarks --quick                  small sizes, once each: does it run?
python -m benchmarks --only throughput        one subject
python -m benchmarks --only throughput --case tumbling,map
python -m benchmarks --peers                  the peers too
python -m benchmarks --only peers --peer flink-heap --case tumbling
python -m benchmarks --path native            without the pure one
python -m benchmarks report                   docs/benchmarks.md from the result files
python -m benchmarks profile --case tumbling  a flame graph of a running worker
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import native_path
from benchmarks.profiling import profile
from benchmarks.report import write_report
from benchmarks.results_files import save
from benchmarks.subjects import SUBJECTS
from benchmarks.world import World


def main() -> int:
    args = _arguments()
    if args.what == "report":
        print(write_report())
        return 0
    if args.what == "profile":
        profile(args.case or "tumbling", args.records, args.seconds, Path(args.output))
        return 0
    wanted = args.only.split(",") if args.only else [name for name in SUBJECTS if name != "peers" or args.peers]
    unknown = sorted(set(wanted) - SUBJECTS.keys())
    if unknown:
        sys.exit(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    if args.path == "both":
        return _both(wanted)
    if args.path != native_path():
        sys.exit(f"this is the {native_path()} path: make native, or STREAMFRAME_NATIVE=0 for the pure one")
    with World() as world:
        for subject in wanted:
            print(f"{subject}:", flush=True)
            for measured in SUBJECTS[subject](world, args):
                # After each case: a session that is interrupted has not been in vain.
                if not args.quick:
                    save(subject, measured)
    if not args.quick:
        print(write_report())
    return 0


def _both(wanted: list[str]) -> int:
    """Measure in one process per data path; peers have none, so they are measured once, with the first."""
    paths = ["native", "pure"] if native_path() == "native" else ["pure"]
    for path in paths:
        subjects = [name for name in wanted if name != "peers" or path == paths[0]]
        if not subjects:
            continue
        environment = os.environ | ({"STREAMFRAME_NATIVE": "0"} if path == "pure" else {})
        given = [*sys.argv[1:], "--path", path, "--only", ",".join(subjects)]
        done = subprocess.run([sys.executable, "-m", "benchmarks", *given], env=environment, check=False)
        if done.returncode:
            return done.returncode
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("run", "report", "profile"), default="run")
    parser.add_argument("--only", help=f"subjects, separated by commas: {', '.join(SUBJECTS)}")
    parser.add_argument("--path", choices=("native", "pure", "both"), default="both", help="which data path")
    parser.add_argument("--case", help="cases, separated by commas; the case to profile")
    parser.add_argument("--quick", action="store_true", help="small sizes, once each, no result files")
    parser.add_argument("--peers", action="store_true", default=os.environ.get("PEERS") == "1", help="peers too")
    parser.add_argument("--peer", help="peers, separated by commas")
    parser.add_argument("--repeat", type=int, default=3, help="pairs of runs of each throughput case")
    parser.add_argument("--records", type=int, default=4_000_000, help="the larger of the two sizes")
    parser.add_argument("--seconds", type=int, default=5, help="of a recording (profile)")
    parser.add_argument("--output", default="profile", help="file of a profile, without suffix")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
