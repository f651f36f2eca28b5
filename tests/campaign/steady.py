"""Half an hour at full speed: workers come and go, memory and handles of those that stay must not grow.

    python -m tests.campaign.steady --minutes 30 --result tests/campaign/results/steady.json

Two instances stay from the beginning to the end; every ``--rebalance`` seconds a third one joins or leaves, so that
the partitions move. Input is always there: the generator stays a bounded number of records ahead of what is committed.
Every process is looked at every five seconds. At the end everything that was committed is compared with plain pandas.
The exit code is 1 when a row is lost, doubled or wrong, or when something grows.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.reading import read_rows
from benchmarks.workload import COUNTRIES
from streamframe.core import acceleration
from streamframe.testing.broker import KafkaBroker
from tests.campaign.fleet import STARVED, Fleet, Launch, wait_until, workers_of
from tests.campaign.group import GroupView
from tests.campaign.resources import MEBIBYTE, History, Trend, trend
from tests.campaign.stream import Blocks, Expected, produce

PROGRAM = Path(__file__).with_name("steady_program.py")
STAYING = ("first", "second")
SAMPLE_SECONDS = 5.0
JOIN_SECONDS_MAX = 600.0
OUTPUTS = ("users", "groups", "pages", "late")
QUANTITIES = ("rss_mb", "buffers_mb", "rest_mb", "descriptors", "tables", "threads")
REST_GROWTH_MAX_MB = 10.0
"""Memory without write buffers: from the first to the last quarter after the warm-up, and by the slope over it."""

BUFFERS_MAX_MB = 128.0
"""Write buffers of all databases of a process together: ``SharedResources``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how hard.

    Attributes:
        minutes: Length, without the start and the check at the end.
        rebalance: Seconds between a third instance joining and leaving.
        ahead: Records that the generator may be ahead of what is committed.
        blocks: The input.
    """

    minutes: float = 30.0
    rebalance: float = 20.0
    ahead: int = 400_000
    blocks: Blocks = field(default_factory=Blocks)

    @property
    def warm_up(self) -> float:
        """Seconds that are not part of a trend: a quarter of the run, at most five minutes."""
        return min(300.0, self.minutes * 60 / 4)


class Feed:
    """Produces blocks in a thread of its own, as far ahead of the commits as the plan says."""

    def __init__(self, bootstrap: str, view: GroupView, plan: Plan) -> None:
        self._bootstrap, self.view, self._plan = bootstrap, view, plan
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="feed")
        self.blocks = 0
        self.expected = Expected(blocks=plan.blocks)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Finish the block in hand and produce no more."""
        self._ended.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _produce(self) -> None:
        blocks = self._plan.blocks
        try:
            while not self._ended.is_set():
                if self.blocks * blocks.records - self._committed() > self._plan.ahead - blocks.records:
                    self._ended.wait(0.2)
                    continue
                frame = blocks.frame(self.blocks)
                produce(self._bootstrap, frame, partitions=blocks.partitions)
                self.expected.add(frame)
                self.blocks += 1
        except BaseException as error:
            self.failure = error

    def _committed(self) -> int:
        return sum(offset for each, offset in self.view.committed().items() if each.topic == "clicks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How an output compares with plain pandas, in rows."""

    expected: int
    lost: int
    doubled: int
    wrong: int

    @property
    def perfect(self) -> bool:
        """Whether every row is there, once, and right."""
        return self.lost == self.doubled == self.wrong == 0


def run_steady(plan: Plan, place: Path) -> dict[str, object]:
    """Run it on a broker of its own; return the figures."""
    with KafkaBroker(settings={"log.segment.bytes": 64 << 20, **STARVED}) as broker:
        broker.create_topic("clicks", plan.blocks.partitions, {"retention.ms": -1, "retention.bytes": 512 << 20})
        for topic in OUTPUTS:
            broker.create_topic(topic, 4, {"retention.ms": -1})
        view = GroupView(broker.bootstrap, "steady")
        launch = Launch(program=PROGRAM, bootstrap=broker.bootstrap, environment={"STEADY_BOOTSTRAP": broker.bootstrap})
        feed, history = Feed(broker.bootstrap, view, plan), History()
        with Fleet(launch, place, note=_say) as fleet:
            for name in STAYING:
                fleet.add(name)
            wait_until(lambda: len(view.members()) == len(STAYING), JOIN_SECONDS_MAX, "both have joined")
            feed.start()
            try:
                changes = _work(plan, fleet, feed, history, place)
            finally:
                feed.end()
            _say(f"{feed.blocks * plan.blocks.records:,} records produced, waiting for the rest")
            wait_until(partial(view.is_drained, "clicks"), 600, "everything that was produced is committed", pause=1.0)
            lives = {name: fleet.log(name).count("worker started again") for name in STAYING}
            for name in fleet.names:
                fleet.stop(name)
        counts = judge(broker.bootstrap, feed.expected)
    figures = _figures(plan, history)
    ours = {role: found for role, found in figures.items() if role != "broker"}
    growing = [f"{role} {quantity}" for role, found in ours.items() for quantity in _grown(found, plan)]
    return {
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}",
        "data_path": acceleration.description,
        "minutes": plan.minutes,
        "rebalance_seconds": plan.rebalance,
        "joined_or_left": changes,
        "restarts": sum(lives.values()),
        "seed": plan.blocks.seed,
        "records": feed.blocks * plan.blocks.records,
        "records_per_second": round(feed.blocks * plan.blocks.records / (plan.minutes * 60)),
        "warm_up_seconds": plan.warm_up,
        "processes": {role: {name: asdict(each) for name, each in found.items()} for role, found in figures.items()},
        "growing": growing,
        "output": {name: asdict(count) for name, count in counts.items()},
        "perfect": not growing and all(count.perfect for count in counts.values()) and not any(lives.values()),
        "samples": {
            f"{role} {pid}": [
                [each.at, each.rss_mb, each.buffers_mb, each.descriptors, each.tables, each.threads]
                for each in samples[::6]
            ]
            for (role, pid), samples in history.samples.items()
            if len(samples) >= 60  # five minutes: those that stayed
        },
    }


def _work(plan: Plan, fleet: Fleet, feed: Feed, history: History, place: Path) -> int:
    """Let the third instance join and leave until the time is over; return how often it did."""
    begun = time.monotonic()
    next_change, next_line, changes = begun + plan.rebalance, begun + 60, 0
    while (now := time.monotonic()) < begun + plan.minutes * 60:
        fleet.check()
        assert feed.failure is None, feed.failure
        history.look(_roles(fleet), _buffers(fleet))
        # On a busy machine a guest may not even have begun when it should leave: then it stays until it has joined.
        if now >= next_change and len(feed.view.members()) == len(fleet.names):
            next_change = max(next_change + plan.rebalance, now)
            changes += 1
            # Two names in turn: each comes back to a state directory that is some changes old.
            name = f"guest-{(changes - 1) // 2 % 2}"
            if name in fleet.names:
                fleet.stop(name)
            else:
                fleet.add(name)
        if now >= next_line:
            next_line += 60
            history.keep(place / "samples.json")
            _say(f"{(now - begun) / 60:.0f} min, {feed.blocks * plan.blocks.records:,} records, {_memory(history)}")
        time.sleep(max(0.5, min(SAMPLE_SECONDS, next_change - time.monotonic())))
    return changes


def _roles(fleet: Fleet) -> dict[str, psutil.Process]:
    roles = {}
    for name in fleet.names:
        roles[f"{name} supervisor"] = psutil.Process(fleet.pid(name))
        for worker in workers_of(fleet.pid(name)):
            roles[f"{name} worker"] = worker
    for child in psutil.Process().children(recursive=True):
        try:
            if "kafka.Kafka" in child.cmdline():
                roles["broker"] = child
        except psutil.NoSuchProcess:
            continue
    return roles


def _buffers(fleet: Fleet) -> dict[str, float]:
    found = {name: fleet.metric(name, "streamframe_state_memtable_bytes") for name in STAYING}
    return {f"{name} worker": size / MEBIBYTE for name, size in found.items() if size is not None}


def _figures(plan: Plan, history: History) -> dict[str, dict[str, Trend]]:
    roles = [f"{name} {part}" for name in STAYING for part in ("worker", "supervisor")] + ["broker"]
    return {
        role: {name: trend(history.longest(role), name, warm_up=plan.warm_up) for name in QUANTITIES}
        for role in roles
        if history.longest(role)
    }


def _grown(found: dict[str, Trend], plan: Plan) -> list[str]:
    """Return what grows by its regression line, over the time after the warm-up.

    Descriptors and threads go up and down with the partitions that a worker has: a tenth is no growth. Memory is
    allowed the noise of an allocator, and write buffers what they are bounded by.
    """
    hours = (plan.minutes * 60 - plan.warm_up) / 3600
    grown = [name for name in ("descriptors", "threads") if found[name].per_hour * hours > 0.1 * found[name].first]
    rest = found["rest_mb"]
    if max(rest.change, rest.per_hour * hours) > REST_GROWTH_MAX_MB:
        grown.append("rest_mb")
    if found["buffers_mb"].high > BUFFERS_MAX_MB:
        grown.append("buffers_mb")
    return grown


def judge(bootstrap: str, expected: Expected) -> dict[str, Count]:
    """Compare all that was committed with plain pandas."""
    users, groups, pages = expected.users(), expected.groups(), expected.pages()
    users["user"] = [f"u{value:06d}" for value in users["user"]]
    groups["country"] = [COUNTRIES[value] for value in groups["country"]]
    groups["category"] = [f"c{value}" for value in groups["category"]]
    pages["page"] = [f"/p/{value}" for value in pages["page"]]
    table = read_rows(bootstrap, "pages")
    _say(f"read {len(table):,} changes of the table")
    late = read_rows(bootstrap, "late")
    return {
        "users": compare(read_rows(bootstrap, "users"), users, ["user", "window_start"]),
        "groups": compare(read_rows(bootstrap, "groups"), groups, ["country", "category", "window_start"]),
        "pages": compare(table.drop_duplicates("page", keep="last"), pages, ["page"]),
        "late": Count(
            expected=expected.late,
            lost=max(0, expected.late - len(late)),
            doubled=max(0, len(late) - expected.late),
            wrong=0,
        ),
    }


def compare(got: pd.DataFrame, want: pd.DataFrame, keys: list[str]) -> Count:
    """Compare rows by key; sums may differ in the last bits."""
    doubled = int(got.duplicated(keys).sum())
    both = want.merge(got.drop_duplicates(keys), on=keys, how="outer", suffixes=("", "_got"), indicator=True)
    same = both[both["_merge"] == "both"]
    wrong = (same["total"] - same["total_got"]).abs() > 1e-6 * (1 + same["total"].abs())
    for name in want.columns.difference([*keys, "total"]):
        wrong |= same[name] != same[f"{name}_got"]
    unexpected = int((both["_merge"] == "right_only").sum())
    lost = int((both["_merge"] == "left_only").sum())
    return Count(expected=len(want), lost=lost, doubled=doubled, wrong=int(wrong.sum()) + unexpected)


def _memory(history: History) -> str:
    now = {role: history.longest(role)[-1] for role in (f"{name} worker" for name in STAYING) if history.longest(role)}
    return ", ".join(
        f"{role} {each.rss_mb:.0f} MB (buffers {each.buffers_mb:.0f}) {each.descriptors} fds {each.threads} threads"
        for role, each in now.items()
    )


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201 - a command's output


def main() -> int:
    """Run it as the arguments say; return 1 when it is not perfect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rebalance", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path, help="file for the figures")
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="steady-"))
    _say(f"states and logs: {place}")
    figures = run_steady(Plan(minutes=args.minutes, rebalance=args.rebalance, blocks=Blocks(seed=args.seed)), place)
    text = json.dumps(figures, indent=1)
    if args.result is not None:
        args.result.write_text(text + "\n")
    shown = {name: value for name, value in figures.items() if name != "samples"}
    _say(json.dumps(shown, indent=1))
    if figures["perfect"]:
        shutil.rmtree(place, ignore_errors=True)
    return 0 if figures["perfect"] else 1


if __name__ == "__main__":
    sys.exit(main())
