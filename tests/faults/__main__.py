"""Runs under protocol faults, drawn from seeds: ``python -m tests.faults --help``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from streamframe.testing.broker import KafkaBroker
from tests.campaign.fleet import STARVED
from tests.faults.plan import SCENARIOS
from tests.faults.run import Run, report, run


def main() -> int:
    """Run what the command line says; return 1 when anything was not exactly once."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--scenario", choices=[*SCENARIOS, "mix", "all"], default="all")
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, each of every scenario")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long faults happen in each run")
    parser.add_argument("--pure", action="store_true", help="without the native data path")
    asked = parser.parse_args()
    scenarios = [*SCENARIOS, "mix"] if asked.scenario == "all" else [asked.scenario]
    injected: Counter[str] = Counter()
    failed: list[Run] = []
    with KafkaBroker(settings=STARVED) as broker, tempfile.TemporaryDirectory(prefix="faults-") as place:
        for seed in range(asked.first, asked.first + asked.seeds):
            for scenario in scenarios:
                what = Run(scenario=scenario, seed=seed, seconds=asked.seconds, native=not asked.pure)
                result = run(broker, what, Path(place))
                _say(*report(what, result))
                injected += result.injected + result.late
                failed += [] if result.perfect else [what]
    _say(f"runs={asked.seeds * len(scenarios)} failed={len(failed)} faults={sum(injected.values())}")
    _say(*(f"  {count:6d} {name}" for name, count in sorted(injected.items())))
    return 1 if failed else 0


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
