"""Crash campaigns on a real broker: workers are killed while they work, and the answer is checked.

    python -m tests.campaign.campaign --records 1000000 --kills 20 --state wiped

Two or three workers run a bounded aggregation under a supervisor; at seeded moments one of them gets
SIGKILL. Between kills the local state is kept, wiped, or rolled back to an older copy. In the end a
``read_committed`` reader must see exactly what plain pandas computes: nothing lost, doubled or wrong.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.reading import read_rows
from benchmarks.workload import COUNTRIES, Workload, tumbling_totals
from streamframe.core import acceleration
from streamframe.testing.broker import KafkaBroker
from tests.campaign.fleet import STARVED, TREATMENTS, StateTreatment, workers_of
from tests.campaign.stream import produce

PROGRAM = Path(__file__).with_name("programs.py")
LIMIT_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What happens.

    Attributes:
        workload: The input.
        keys: Group keys: ``user`` is the message key, others go through a repartition topic.
        workers: Worker processes.
        kills: How many of them get SIGKILL.
        pause: Mean seconds between kills.
        stall: Instead of killing workers, stop them (SIGSTOP) for so many seconds and let them go on: zombies.
        state: ``kept``, ``wiped`` or ``rolled-back`` at every kill.
        seed: Of the moments and victims.
    """

    workload: Workload
    keys: tuple[str, ...] = ("user",)
    workers: int = 2
    kills: int = 5
    pause: float = 1.5
    stall: float = 0.0
    state: StateTreatment = "kept"
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the committed output compares with the oracle, in windows."""

    expected: int
    missing: int
    unexpected: int
    doubled: int
    wrong: int
    kills: int

    @property
    def perfect(self) -> bool:
        """Whether every window is there, once, and right."""
        return self.missing == self.unexpected == self.doubled == self.wrong == 0


def run_campaign(broker: KafkaBroker, campaign: Campaign, name: str) -> Verdict:
    """Run one campaign on a broker whose topic ``clicks`` holds the workload; return the verdict."""
    output = f"{name}-totals"
    broker.create_topic(output, 4, config={"retention.ms": "-1"})
    with tempfile.TemporaryDirectory(prefix="campaign-") as directory:
        state = Path(directory) / "state"
        process = _start(broker.bootstrap, campaign, name, output, state)
        try:
            killed = _kill_workers(process, campaign, state)
            code = process.wait(LIMIT_SECONDS)
        finally:
            _end(process)
    assert code == 0, f"the run ended with exit code {code}"
    frame = campaign.workload.frame()
    partition = (frame["user"] % campaign.workload.partitions).astype("int64")
    return judge(read_rows(broker.bootstrap, output), _oracle(frame, partition, campaign), campaign, killed)


def _start(bootstrap: str, campaign: Campaign, name: str, output: str, state: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "CAMPAIGN_APP": name,
        "CAMPAIGN_BOOTSTRAP": bootstrap,
        "CAMPAIGN_KEYS": ",".join(campaign.keys),
        "CAMPAIGN_OUTPUT": output,
    }
    command = [sys.executable, "-m", "streamframe", "run", str(PROGRAM)]
    command += ["--workers", str(campaign.workers), "--until", "now", "--state-dir", str(state)]
    # Small polls and quick restarts: more moments at which a kill hurts.
    command += ["--commit-interval", "200ms", "-X", "limits.poll_records_max=1000"]
    return subprocess.Popen(command, env=environment)


def _kill_workers(process: subprocess.Popen[bytes], campaign: Campaign, state: Path) -> int:
    rng = random.Random(campaign.seed)
    copy = state.with_name("copy")
    killed = 0
    while killed < campaign.kills and process.poll() is None:
        time.sleep(rng.expovariate(1 / campaign.pause))  # the moment of a kill is meant to be arbitrary
        workers = workers_of(process.pid)
        # Before the first worker has taken its place, the only child is the one that looks at the program.
        if not workers or process.poll() is not None or not list(state.glob("*/workers/*.lock")):
            continue
        victim = rng.choice(workers)
        killed += 1
        if campaign.stall:
            _stall(victim, campaign.stall)
            continue
        victim.send_signal(signal.SIGKILL)
        _treat_state(campaign.state, state, copy, rng)
    return killed


def _stall(worker: psutil.Process, seconds: float) -> None:
    """Stop a worker for longer than its session: it loses its partitions and does not know it."""
    try:
        worker.suspend()
        time.sleep(seconds)
        worker.resume()
    except psutil.NoSuchProcess:
        return


def _treat_state(how: str, state: Path, copy: Path, rng: random.Random) -> None:
    """Wipe or roll back the stores that nobody has open: those of the worker that was just killed."""
    applications = [path for path in state.glob("*") if path.is_dir()]
    for task in (task for application in applications for task in application.glob("[0-9]*_[0-9]*")):
        if how == "kept" or _is_locked(task):
            continue
        kept = copy / task.relative_to(state)
        if how == "wiped":
            shutil.rmtree(task, ignore_errors=True)
        elif kept.exists() and rng.random() < 0.7:
            shutil.rmtree(task, ignore_errors=True)
            shutil.copytree(kept, task)
        else:
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(task, kept, ignore=shutil.ignore_patterns("lock"))


def _is_locked(task: Path) -> bool:
    import fcntl

    lock = task / "lock"
    if not lock.exists():
        return True
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def _oracle(frame: pd.DataFrame, partition: pd.Series, campaign: Campaign) -> pd.DataFrame:
    keys = list(campaign.keys)
    want = tumbling_totals(frame, partition, keys, size_ms=10_000, grace_ms=2_000, repartitioned=keys != ["user"])
    texts = {
        "user": lambda value: f"u{value:06d}",
        "country": lambda value: COUNTRIES[value],
        "category": lambda value: f"c{value}",
    }
    for key in keys:
        want[key] = [texts[key](value) for value in want[key]]
    return want


def judge(got: pd.DataFrame, want: pd.DataFrame, campaign: Campaign, kills: int) -> Verdict:
    """Compare committed rows with the oracle's; sums may differ in the last bits."""
    index = [*campaign.keys, "window_start"]
    doubled = int(got.duplicated(index).sum()) if len(got) else 0
    both = want.merge(got.drop_duplicates(index), on=index, how="outer", suffixes=("", "_got"), indicator=True)
    same = both[both["_merge"] == "both"]
    wrong = (
        (same["n"] != same["n_got"])
        | ((same["total"] - same["total_got"]).abs() > 1e-6 * (1 + same["total"].abs()))
        | (same["low"] != same["low_got"])
        | (same["high"] != same["high_got"])
    )
    return Verdict(
        expected=len(want),
        missing=int((both["_merge"] == "left_only").sum()),
        unexpected=int((both["_merge"] == "right_only").sum()),
        doubled=doubled,
        wrong=int(wrong.sum()),
        kills=kills,
    )


GROUPINGS: tuple[tuple[str, ...], ...] = (("user",), ("country", "category"))


def main() -> int:
    """Run campaigns as the arguments say; print one line each and the sum; return 1 when one is not perfect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--pause", type=float, default=1.5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--state", choices=TREATMENTS, help="one treatment of the state; all of them in turn without")
    parser.add_argument("--stall", type=float, default=0.0, help="stop workers for so many seconds, do not kill them")
    parser.add_argument("--keys", help="group keys: one grouping, with and without moving rows in turn without")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--result", type=Path, help="file for the figures")
    args = parser.parse_args()
    groupings = (tuple(args.keys.split(",")),) if args.keys else GROUPINGS
    planned = list(itertools.product(range(args.repeat), groupings, (args.state,) if args.state else TREATMENTS))
    workload = Workload(records=args.records)
    done: list[tuple[Campaign, Verdict]] = []
    with KafkaBroker(settings=STARVED) as broker:
        broker.create_topic("clicks", workload.partitions, config={"retention.ms": "-1"})
        produce(broker.bootstrap, workload.frame(), partitions=workload.partitions)
        for number, (turn, keys, state) in enumerate(planned):
            campaign = Campaign(
                workload=workload,
                keys=keys,
                workers=args.workers,
                kills=args.kills,
                pause=args.pause,
                stall=args.stall,
                state=state,
                seed=args.seed + turn,
            )
            done.append((campaign, run_campaign(broker, campaign, f"campaign-{number}")))
            _say(f"{'ok  ' if done[-1][1].perfect else 'FAIL'} {_described(*done[-1])}")
    _say(f"in all: {_sums(done)}")
    if args.result is not None:
        runs = [_described(*each) for each in done]
        text = json.dumps({"data_path": acceleration.description, "sum": _sums(done), "campaigns": runs}, indent=1)
        args.result.write_text(text + "\n")
    return int(not all(verdict.perfect for _, verdict in done))


def _described(campaign: Campaign, verdict: Verdict) -> dict[str, object]:
    return {
        "keys": ",".join(campaign.keys),
        "state": campaign.state,
        "seed": campaign.seed,
        "records": campaign.workload.records,
        "stall_seconds": campaign.stall,
        **asdict(verdict),
    }


def _sums(done: list[tuple[Campaign, Verdict]]) -> dict[str, int]:
    names = [each.name for each in fields(Verdict)]
    return {name: sum(getattr(verdict, name) for _, verdict in done) for name in names}


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
