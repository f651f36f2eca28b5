"""The command line: run seeds, replay one, hunt for planted mistakes.

python -m streamframe.testing.sim --seeds 300 [--first 1000] [--jobs 2]
python -m streamframe.testing.sim --seed 42 [--trace]
python -m streamframe.testing.sim --mutants [--seeds 2000] [--report docs/sim-mutants.md]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Final

from streamframe.testing.sim.programs import CASES
from streamframe.testing.sim.simulation import Outcome, run

CHUNK: Final = 10
"""Seeds that a process takes at once."""

SEEDS_PER_MUTANT: Final = 2_000

SHOWN_MAX: Final = 10
"""Failing seeds that are shown; the others are counted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    options = _parser().parse_args(arguments)
    if options.mutants:
        from streamframe.testing.sim.hunt import hunt

        return hunt(options.mutants, options.seeds or SEEDS_PER_MUTANT, options.jobs, options.report)
    if options.seed is not None:
        return _replay(options.seed, options.program, keep=options.trace)
    seeds = range(options.first, options.first + (options.seeds or 100))
    return _sweep(seeds, options.program, options.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m streamframe.testing.sim", description="Run the simulator.")
    parser.add_argument("--seeds", type=int, help="how many seeds (default 100; per mutant 2000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every line of its trace")
    parser.add_argument("--program", choices=list(CASES), help="run this topology instead of the one that is drawn")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--mutants", nargs="?", const="all", help="hunt for one planted mistake, or for all")
    parser.add_argument("--report", type=Path, help="with --mutants: write the result here")
    return parser


def replay_command(outcome: Outcome, program: str | None) -> str:
    """Return the command that runs a seed again."""
    chosen = f" --program {program}" if program else ""
    return f"python -m streamframe.testing.sim --seed {outcome.seed}{chosen} --trace"


def outcomes(seeds: Iterable[int], program: str | None, jobs: int) -> Iterator[Outcome]:
    """Run seeds in several processes; the order of the results is that of the seeds."""
    if jobs <= 1:
        yield from (run(seed, program=program) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_run, seeds, repeat(program), chunksize=CHUNK)


def _run(seed: int, program: str | None) -> Outcome:
    return run(seed, program=program)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _replay(seed: int, program: str | None, *, keep: bool) -> int:
    outcome = run(seed, keep_trace=keep, program=program)
    for line in outcome.trace:
        _say(line)
    _say(f"seed {seed}: {outcome.plan}")
    _say(f"trace {outcome.digest}, {outcome.commits} commits")
    if outcome.failure is None:
        _say("nothing wrong")
        return 0
    _say(outcome.failure)
    return 1


def _sweep(seeds: range, program: str | None, jobs: int) -> int:
    began = time.monotonic()
    failures = commits = 0
    struck: dict[str, int] = {}
    for outcome in outcomes(seeds, program, jobs):
        commits += outcome.commits
        for name, count in outcome.struck.items():
            struck[name] = struck.get(name, 0) + count
        if outcome.failure is not None and (failures := failures + 1) <= SHOWN_MAX:
            _say(f"seed {outcome.seed} FAILED ({outcome.plan.partition(':')[0]})")
            _say("    " + outcome.reason)
            _say("    " + replay_command(outcome, program))
    seconds = time.monotonic() - began
    _say(", ".join(f"{name} {count}" for name, count in sorted(struck.items())))
    per_minute = len(seeds) / seconds * 60
    _say(f"{len(seeds)} seeds, {failures} failed; {commits} commits; {seconds:.0f} s, {per_minute:.0f} seeds/minute")
    return 1 if failures else 0
