"""Kafka's smoke test, workload and verifier, on this engine: twelve aggregates while workers come and go.

    python -m tests.campaign.smoke --keys 20 --per-key 1000 --seconds 90 --crash --state wiped --seed 7

The key of each group of records says what must come out: ``7-1006`` has each of the values 7 to 1006 once. Unlike the
original, the event times are explicit and everything is seeded, so windows of two seconds have an exact result too, and
copies are compared record by record, in order.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Producer

from streamframe.testing.broker import KafkaBroker
from tests.campaign.fleet import STARVED, TREATMENTS, Fleet, Launch, StateTreatment, wait_until
from tests.campaign.group import GroupView
from tests.campaign.topics import Record, read_partitions

PROGRAM = Path(__file__).with_name("smoke_program.py")
PROGRAMS = {"windows": ("data",), "tables": ("max", "min", "sum", "cnt")}
"""The apps, and what they read."""
COLUMNS = {"min": "low", "max": "high", "dif": "dif", "sum": "total", "cnt": "n", "avg": "avg"}
"""The tables, and where their values are."""
OUTPUTS = ("echo", "min-raw", "min-suppressed", "sws-raw", "sws-suppressed", "tagg", *COLUMNS)
PARTITIONS = 5
DAY_MS = 86_400_000
START_MS = 10_200 * 2 * DAY_MS + 3_600_000
"""An hour into a window of two days, which is aligned to the epoch."""
LOOK_AHEAD = 10
DISORDER_MS = 900
LIMIT_SECONDS = 360.0
OPTIONS = ("--commit-interval", "500ms", "-X", "kafka.transaction_timeout_ms=10000")
"""Who is killed here does not come back under its name, so the broker must end its transaction: soon."""

Rows = Mapping[int, Sequence[Record]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens.

    Attributes:
        keys: Number of keys.
        per_key: Values of each key.
        seconds: How long the generator takes.
        change: Seconds between a new instance, and between the oldest one leaving.
        running: Instances that run at once, at most.
        crash: Instances leave by SIGKILL, else they are stopped.
        state: What becomes of the state of an instance between two lives.
        seed: Of the input.
    """

    keys: int = 20
    per_key: int = 1000
    seconds: float = 90.0
    change: float = 6.0
    running: int = 3
    crash: bool = False
    state: StateTreatment = "kept"
    seed: int = 1

    def records(self) -> list[dict[str, Any]]:
        """Return the input, in the order in which it is produced."""
        rng = random.Random(self.seed)
        left = {f"{low}-{low + self.per_key - 1}": _shuffled(low, self.per_key, rng) for low in range(self.keys)}
        records: list[dict[str, Any]] = []
        step_ms = 90_000 / (20 * 1000)
        while left:
            key = rng.choice(list(left))
            at = START_MS + int(len(records) * step_ms) - rng.randrange(DISORDER_MS)
            records.append({"key": key, "value": left[key].pop(), "ts": at})
            if not left[key]:
                del left[key]
        return records


def _shuffled(low: int, count: int, rng: random.Random) -> list[int]:
    """Return each value once, exchanged with one of the next ten."""
    values = list(range(low, low + count))
    for position in range(count):
        other = min(count - 1, position + rng.randrange(LOOK_AHEAD))
        values[position], values[other] = values[other], values[position]
    return values


class Generator:
    """Writes the input in a thread of its own over the planned time; then one record that closes all windows."""

    def __init__(self, bootstrap: str, topic: str, scenario: Scenario) -> None:
        self._topic, self._scenario = topic, scenario
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
            }
        )
        self._thread = threading.Thread(target=self._write, name="generator")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join()
        assert self._producer.flush(60) == 0, "the generator has records that no broker took"

    @property
    def is_writing(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def _write(self) -> None:
        records = self._scenario.records()
        begun = time.monotonic()
        for number, record in enumerate(records):
            time.sleep(max(0.0, begun + self._scenario.seconds * number / len(records) - time.monotonic()))
            self._producer.produce(self._topic, json.dumps(record), record["key"])
            self._producer.poll(0)
        flush = json.dumps({"key": "flush", "value": 0, "ts": records[-1]["ts"] + 2 * DAY_MS})
        for partition in range(PARTITIONS):
            self._producer.produce(self._topic, flush, "flush", partition)
        self._producer.flush(60)


def run_smoke(
    broker: KafkaBroker, scenario: Scenario, *, name: str, place: Path, note: Callable[[str], object] = str
) -> list[str]:
    """Run one scenario; return what is wrong."""
    topics = {word: f"{name}.{word}" for word in ("data", *OUTPUTS)}
    for topic in topics.values():
        broker.create_topic(topic, PARTITIONS, {"retention.ms": -1})
    fleets = {program: _fleet(broker.bootstrap, program, scenario, name, place) for program in PROGRAMS}
    views = {program: GroupView(broker.bootstrap, f"{name}.{program}") for program in PROGRAMS}
    with fleets["windows"], fleets["tables"], Generator(broker.bootstrap, topics["data"], scenario) as generator:
        count = 0
        while generator.is_writing or count < scenario.running + 1:
            count += 1
            for program, fleet in fleets.items():
                _change(fleet, f"p{count}", scenario, views[program])
            note(f"running: {', '.join(fleets['windows'].names)}")
            time.sleep(scenario.change)
        for program, words in PROGRAMS.items():
            inputs = [topics[word] for word in words]
            wait_until(partial(views[program].is_drained, *inputs), LIMIT_SECONDS, f"{program} is done")
            fleets[program].check()
        for fleet in fleets.values():
            for instance in fleet.names:
                fleet.stop(instance)
    return verify(
        {word: read_partitions(broker.bootstrap, topic) for word, topic in topics.items()}, scenario.records()
    )


def _fleet(bootstrap: str, program: str, scenario: Scenario, name: str, place: Path) -> Fleet:
    environment = {"SMOKE_BOOTSTRAP": bootstrap, "SMOKE_PREFIX": f"{name}.", "SMOKE_PROGRAM": program}
    launch = Launch(program=PROGRAM, bootstrap=bootstrap, environment=environment, options=OPTIONS)
    return Fleet(launch, place / program, state=scenario.state)


def _change(fleet: Fleet, joins: str, scenario: Scenario, view: GroupView) -> None:
    """Let an instance join; when there are too many then, let the oldest leave that has worked."""
    fleet.check()
    fleet.add(joins)
    if len(fleet.names) > scenario.running:
        wait_until(lambda: len(view.members()) >= scenario.running, LIMIT_SECONDS, "the others have joined")
        leave = fleet.kill if scenario.crash else fleet.stop
        leave(fleet.names[0])


# --- the verifier ----------------------------------------------------------------------------------


def verify(read: Mapping[str, Rows], records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the outputs of an input."""
    keys = sorted({record["key"] for record in records})
    bounds = {key: _bounds(key) for key in keys}
    last: dict[str, dict[str, float]] = {
        "min": {key: low for key, (low, _) in bounds.items()},
        "max": {key: high for key, (_, high) in bounds.items()},
        "dif": {key: high - low for key, (low, high) in bounds.items()},
        "sum": {key: (low + high) * (high - low + 1) // 2 for key, (low, high) in bounds.items()},
        "cnt": {key: high - low + 1 for key, (low, high) in bounds.items()},
        "avg": {key: (low + high) / 2 for key, (low, high) in bounds.items()},
    }
    findings = _check_echo(read["echo"], records)
    for table, column in COLUMNS.items():
        findings += _check_last(read[table], column, last[table], table)
    for table, sign in {"min": -1, "max": 1, "cnt": 1, "sum": 1}.items():
        findings += _check_monotonic(read[table], COLUMNS[table], sign, table)
    for kind in ("raw", "suppressed"):
        once = kind == "suppressed"
        findings += _check_windows(read[f"min-{kind}"], "low", _lows(records), f"min-{kind}", once=once)
        findings += _check_windows(read[f"sws-{kind}"], "total", _slices(records), f"sws-{kind}", once=once)
    return findings + _check_tagg(read["tagg"], bounds)


def _bounds(key: str) -> tuple[int, int]:
    low, _, high = key.partition("-")
    return int(low), int(high)


def _rows(read: Rows) -> list[dict[str, Any]]:
    return [json.loads(record.value) for number in sorted(read) for record in read[number]]


def _check_echo(read: Rows, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every record once, and those of a key in their order."""
    want: dict[str, list[int]] = defaultdict(list)
    got: dict[str, list[int]] = defaultdict(list)
    for record in records:
        want[record["key"]].append(record["value"])
    for row in _rows(read):
        got[row["key"]].append(row["value"])
    wrong = [key for key in sorted({*want, *got}) if want[key] != got[key]]
    return [f"echo of {key}: {len(got[key])} records of {len(want[key])}, or in another order" for key in wrong]


def _check_last(read: Rows, column: str, want: Mapping[str, float], name: str) -> list[str]:
    """The last value of each key is the right one, and there are no other keys."""
    last = {row["key"]: row[column] for row in _rows(read)}
    return [
        f"{name} of {key} is {last.get(key)}, not {want.get(key)}"
        for key in sorted({*want, *last})
        if last.get(key) != want.get(key)
    ]


def _check_monotonic(read: Rows, column: str, sign: int, name: str) -> list[str]:
    """What only rises, or only falls, never goes back: a table that does has lost state."""
    last: dict[str, int] = {}
    findings = []
    for row in _rows(read):
        key, value = row["key"], row[column] * sign
        if value < last.get(key, value):
            findings.append(f"{name} of {key} goes back to {row[column]}")
        last[key] = value
    return findings


def _lows(records: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    for record in records:
        window = (record["key"], record["ts"] // DAY_MS * DAY_MS)
        found[window] = min(found.get(window, record["value"]), record["value"])
    return found


def _slices(records: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], int]:
    found: Counter[tuple[str, int]] = Counter()
    for record in records:
        second = record["ts"] // 1000 * 1000
        for start in (second - 1000, second):
            found[record["key"], start] += record["value"]
    return dict(found)


def _check_windows(read: Rows, column: str, want: Mapping[tuple[str, int], int], name: str, *, once: bool) -> list[str]:
    """The last result of each key and window is the right one; of final ones there is one."""
    rows = _rows(read)
    last = {(row["key"], row["window_start"]): row[column] for row in rows}
    findings = [
        f"{name} of {key} at {start} is {last.get((key, start))}, not {want.get((key, start))}"
        for key, start in sorted({*want, *last})
        if last.get((key, start)) != want.get((key, start))
    ]
    if once and len(rows) != len(last):
        findings.append(f"{name} has {len(rows)} records for {len(last)} windows")
    return findings


def _check_tagg(read: Rows, bounds: Mapping[str, tuple[int, int]]) -> list[str]:
    """How many keys have each count."""
    want = Counter(high - low + 1 for low, high in bounds.values())
    last = {row["n"]: row["keys"] for row in _rows(read)}
    return [] if last == dict(want) else [f"tagg is {last}, not {dict(want)}"]


def main() -> int:
    """Run a scenario as the arguments say; return 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--per-key", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--change", type=float, default=6.0)
    parser.add_argument("--crash", action="store_true")
    parser.add_argument("--state", choices=TREATMENTS, default="kept")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    scenario = Scenario(**vars(args))
    place = Path(tempfile.mkdtemp(prefix="smoke-"))
    with KafkaBroker(settings=STARVED) as broker:
        findings = run_smoke(broker, scenario, name="smoke", place=place, note=_say)
    _say("\n".join([f"{'FAIL' if findings else 'ok'} {scenario}", *findings]))
    if not findings:
        shutil.rmtree(place)
    return int(bool(findings))


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
