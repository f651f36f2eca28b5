"""Hours of scenarios on a real broker, one after the other, each drawn from a seed; it ends at the first wrong row.

    python -m tests.campaign.endurance --hours 8
    python -m tests.campaign.endurance --seed 4711      that round alone, once more

A round is a crash campaign, an exactly-once test, a smoke test or broker bounces, with a data path, a treatment of the
state and a grouping. What a failed round leaves is kept: states, logs, and the data of the broker. The exit code is 1
then.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.workload import Workload
from streamframe.core import acceleration
from streamframe.testing.broker import KafkaBroker
from tests.campaign import bounces, campaign, eos, smoke
from tests.campaign.fleet import IMPATIENT, STARVED, TREATMENTS, StateTreatment
from tests.campaign.stream import produce


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One scenario.

    Attributes:
        seed: Decides everything.
        kind: Name in `KINDS`.
        state: What becomes of the state of what was killed.
        native: The native data path, where it is installed.
    """

    seed: int
    kind: str
    state: StateTreatment
    native: bool


@dataclass(slots=True, kw_only=True)
class Result:
    """What a round has found, and what happened in it."""

    findings: list[str]
    kills: int = 0
    hangs: int = 0


def drawn(seed: int) -> Round:
    """Return the round of a seed."""
    rng = random.Random(seed)
    native = acceleration.native is not None and rng.random() < 0.5
    return Round(seed=seed, kind=rng.choice(sorted(KINDS)), state=rng.choice(TREATMENTS), native=native)


def crashes(this: Round, place: Path) -> Result:
    """Workers of a bounded run get SIGKILL, or are stopped for longer than their session."""
    rng = random.Random(this.seed)
    workload = Workload(records=400_000, seed=this.seed)
    what = campaign.Campaign(
        workload=workload,
        keys=rng.choice(campaign.GROUPINGS),
        workers=rng.choice((2, 3)),
        kills=rng.randrange(8, 20),
        pause=rng.choice((0.5, 1.0, 2.0)),
        stall=rng.choice((0.0, 0.0, 9.0)),
        state=this.state,
        seed=this.seed,
    )
    with KafkaBroker(settings=STARVED, data_dir=place / "broker") as broker:
        broker.create_topic("clicks", workload.partitions, {"retention.ms": -1})
        produce(broker.bootstrap, workload.frame(), partitions=workload.partitions)
        verdict = campaign.run_campaign(broker, what, "crashes")
    return Result(findings=[] if verdict.perfect else [str(verdict)], kills=verdict.kills)


def exactly_once(this: Round, place: Path) -> Result:
    """The published sequences of EosTest."""
    rng = random.Random(this.seed)
    scenario = eos.Scenario(
        sequence=eos.SEQUENCES[rng.choice(sorted(eos.SEQUENCES))],
        program=rng.choice(("simple", "complex")),
        state=this.state,
        dwell=rng.choice((0.0, 3.0, 10.0)),
        seed=this.seed,
    )
    with KafkaBroker(settings=STARVED, data_dir=place / "broker") as broker:
        outcome = eos.EosRun(broker, scenario, name="eos", place=place, note=_say).run()
    return Result(findings=outcome.findings, kills=outcome.kills)


def smoke_test(this: Round, place: Path) -> Result:
    """The published workload of SmokeTest."""
    scenario = smoke.Scenario(crash=random.Random(this.seed).random() < 0.7, state=this.state, seed=this.seed)
    with KafkaBroker(settings=STARVED, data_dir=place / "broker") as broker:
        return Result(findings=smoke.run_smoke(broker, scenario, name="smoke", place=place, note=_say))


def broker_bounces(this: Round, place: Path) -> Result:
    """EosTest while brokers die."""
    rng = random.Random(this.seed)
    scenario = eos.Scenario(
        sequence=bounces.SCENARIOS[rng.choice(sorted(bounces.SCENARIOS))],
        program=rng.choice(("simple", "complex")),
        state=this.state,
        commit_interval="1s",
        options=IMPATIENT,
        seed=this.seed,
    )
    with KafkaBroker(nodes=3, data_dir=place / "broker") as broker:
        outcome = eos.EosRun(broker, scenario, name="bounces", place=place, note=_say, faults=bounces.FAULTS).run()
    return Result(findings=outcome.findings, kills=outcome.kills, hangs=outcome.hangs)


KINDS: Mapping[str, Callable[[Round, Path], Result]] = {
    "broker bounces": broker_bounces,
    "crashes": crashes,
    "exactly once": exactly_once,
    "smoke": smoke_test,
}


def run_round(this: Round, place: Path) -> Result:
    """Run one round; an exception, whatever it is, is a finding too."""
    os.environ["STREAMFRAME_NATIVE"] = str(int(this.native))  # of the workers
    try:
        return KINDS[this.kind](this, place)
    except Exception:
        return Result(findings=[traceback.format_exc()])


def main() -> int:
    """Run rounds until the time is over or one fails; return 1 when one has failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--first", type=int, default=1, help="seed of the first round; the next ones follow")
    parser.add_argument("--seed", type=int, help="run this round alone")
    parser.add_argument("--kind", choices=sorted(KINDS), help="rounds of this kind only")
    args = parser.parse_args()
    begun = time.monotonic()
    seed, sums = args.first if args.seed is None else args.seed, Counter[str]()
    while time.monotonic() - begun < args.hours * 3600 or not sums:
        this = drawn(seed)
        this = replace(this, kind=args.kind or this.kind)
        place = Path(tempfile.mkdtemp(prefix=f"soak-{seed}-"))
        _say(f"round {seed}: {this}")
        result = run_round(this, place)
        sums.update(rounds=1, kills=result.kills, hangs=result.hangs, **{this.kind: 1})
        if result.findings:
            _say("\n".join(result.findings))
            _say(f"FAIL round {seed} after {_summary(sums, begun)}")
            _say(f"kept for analysis: {place} (states, logs, data of the broker)")
            kind = f" --kind '{args.kind}'" if args.kind else ""
            _say(f"again: python -m tests.campaign.endurance --seed {seed}{kind}")
            return 1
        shutil.rmtree(place, ignore_errors=True)
        _say(f"ok   round {seed}; so far {_summary(sums, begun)}")
        if args.seed is not None:
            break
        seed += 1
    _say(f"0 lost, 0 doubled, 0 wrong in {_summary(sums, begun)}")
    return 0


def _summary(sums: Counter[str], begun: float) -> str:
    minutes = (time.monotonic() - begun) / 60
    return f"{minutes:.0f} min: {', '.join(f'{count} {name}' for name, count in sums.items())}"


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
