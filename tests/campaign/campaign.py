"""Crash campaigns on a real broker: workers are killed while they work, and the answer is checked.

    python -m tests.campaign.campaign --records 1000000 --kills 20 --state wiped

Two or three workers run a bounded aggregation under a supervisor; at seeded moments one of them gets
SIGKILL. Between kills the local state is kept, wiped, or rolled back to an older copy. In the end a
``read_committed`` reader must see exactly what plain pandas computes: nothing lost, doubled or wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.workload import COUNTRIES, Workload, produce, tumbling_totals
from streamframe.testing.broker import KafkaBroker

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
    state: str = "kept"
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
    return judge(_read(broker.bootstrap, output), _oracle(frame, partition, campaign), campaign, killed)


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
        workers = _workers_of(process.pid)
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


def _workers_of(pid: int) -> list[psutil.Process]:
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


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


def _read(bootstrap: str, topic: str) -> pd.DataFrame:
    """Return all committed rows of a topic; every partition is read to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "campaign-reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    partitions = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    rows: list[dict[str, object]] = []
    ended = 0
    deadline = time.monotonic() + 120
    while ended < len(partitions):
        assert time.monotonic() < deadline, "the output cannot be read to its end: an open transaction?"
        for message in consumer.consume(5_000, 1.0):
            if message.error() is not None:
                ended += 1
            else:
                rows.append(json.loads(message.value() or b"{}"))
    consumer.close()
    return pd.DataFrame(rows)


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


def main() -> int:
    """Run campaigns as the arguments say; print one line each; return 1 when one is not perfect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--pause", type=float, default=1.5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--state", choices=("kept", "wiped", "rolled-back"), default="kept")
    parser.add_argument("--stall", type=float, default=0.0, help="stop workers for so many seconds, do not kill them")
    parser.add_argument("--keys", default="user")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    workload = Workload(records=args.records)
    failed = 0
    with KafkaBroker() as broker:
        broker.create_topic("clicks", workload.partitions, config={"retention.ms": "-1"})
        produce(broker.bootstrap, "clicks", workload.frame(), partitions=workload.partitions)
        for number in range(args.repeat):
            campaign = Campaign(
                workload=workload,
                keys=tuple(args.keys.split(",")),
                workers=args.workers,
                kills=args.kills,
                pause=args.pause,
                stall=args.stall,
                state=args.state,
                seed=args.seed + number,
            )
            verdict = run_campaign(broker, campaign, f"campaign-{number}")
            failed += not verdict.perfect
            print(f"{'ok  ' if verdict.perfect else 'FAIL'} seed={campaign.seed} {verdict}", flush=True)  # noqa: T201 - a command's output
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
