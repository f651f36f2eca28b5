"""One run under faults: a worker behind the proxy, a stream of numbers, and the verdict of a reader that is not.

Every key gets the numbers from 1 to N in order. So a copy must be exactly these, and each change of the table must say
``high == n`` and ``total == n (n + 1) / 2`` with growing ``n``, up to N. The last number of each key comes when
the faults are over, and the table must answer from the state that they left behind.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.workload import write
from streamframe.testing.broker import KafkaBroker
from tests.campaign.fleet import IMPATIENT, Fleet, Launch, wait_until
from tests.campaign.group import GroupView
from tests.campaign.topics import read_partitions
from tests.faults.plan import Plan
from tests.faults.proxy import Proxy

PROGRAM = Path(__file__).with_name("program.py")
PARTITIONS = 2
START_SECONDS_MAX = 180.0
BACK_SECONDS_MAX = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happens.

    Attributes:
        scenario: Which faults; see ``tests.faults.plan``.
        seed: Of the faults.
        keys: How many keys.
        seconds: How long numbers come, and faults with them: 20 numbers a second for each key.
        native: Whether the native data path is used.
    """

    scenario: str
    seed: int
    keys: int = 20
    seconds: float = 6.0
    native: bool = True

    @property
    def prefix(self) -> str:
        """What the names of its topics and of its application begin with."""
        return f"faults-{self.scenario.lower()}-{self.seed}-{'native' if self.native else 'pure'}-"

    @property
    def command(self) -> str:
        """What repeats it."""
        path = "" if self.native else " --pure"
        return f"python -m tests.faults --scenario {self.scenario} --first {self.seed} --seeds 1{path}"


@dataclass(slots=True, kw_only=True)
class Result:
    """What came out.

    Attributes:
        injected: Faults that happened, by api and kind.
        late: What the broker said to requests that were held back until a later transaction.
        wrong: What differs from exactly once.
        per_key: Numbers of each key.
        back_seconds: From the end of the faults until everything was committed.
    """

    injected: Counter[str]
    late: Counter[str]
    wrong: list[str] = field(default_factory=list)
    per_key: int = 0
    back_seconds: float = 0.0

    @property
    def disturbed(self) -> bool:
        """Whether anything happened: who is undisturbed proves nothing. What was held back must have come."""
        return bool(self.late if any(" hold" in name for name in self.injected) else self.injected)

    @property
    def perfect(self) -> bool:
        """Whether it was disturbed, and exactly once all the same."""
        return self.disturbed and not self.wrong


def run(broker: KafkaBroker, what: Run, place: Path) -> Result:
    """Run it on a broker; whatever it runs into is in the result."""
    plan = Plan(what.scenario, what.seed)
    result = Result(injected=plan.injected, late=plan.late)
    for name in ("in", "copy", "table"):
        broker.create_topic(what.prefix + name, PARTITIONS, {"retention.ms": -1})
    host, port = broker.bootstrap.split(":")
    view = GroupView(broker.bootstrap, f"{what.prefix}app")
    with Proxy((host, int(port)), plan) as proxy, Fleet(_launch(what, proxy.bootstrap), place) as fleet:
        try:
            _disturb(broker.bootstrap, what, plan, fleet, view, result)
        except AssertionError as error:
            result.wrong.append(f"{error}\n{fleet.tail(what.prefix)}")
            return result
    outputs = [what.prefix + name for name in ("copy", "table", "app-table-changelog")]
    result.wrong += _open(view, outputs)
    result.wrong += check_copy(_rows(broker, f"{what.prefix}copy"), what.keys, result.per_key)
    result.wrong += check_table(_rows(broker, f"{what.prefix}table"), what.keys, result.per_key)
    result.wrong += [f"{name} in a later transaction: {count}" for name, count in plan.late.items() if "accept" in name]
    return result


def _launch(what: Run, bootstrap: str) -> Launch:
    environment = {
        "FAULTS_PREFIX": what.prefix,
        "FAULTS_BOOTSTRAP": bootstrap,
        "STREAMFRAME_NATIVE": str(int(what.native)),
    }
    options = ("--commit-interval", "100ms", "-X", "kafka.session_timeout_ms=6000", *IMPATIENT)
    return Launch(program=PROGRAM, bootstrap=bootstrap, environment=environment, options=options)


def _disturb(bootstrap: str, what: Run, plan: Plan, fleet: Fleet, view: GroupView, result: Result) -> None:
    fleet.add(what.prefix)
    wait_until(view.members, START_SECONDS_MAX, "the worker has partitions")
    plan.begin()
    number = _stream(bootstrap, what)
    plan.end()
    ended = time.monotonic()
    result.per_key = number + 1
    _write(bootstrap, what, [result.per_key])
    wait_until(lambda: view.is_drained(f"{what.prefix}in"), BACK_SECONDS_MAX, "everything is committed")
    result.back_seconds = time.monotonic() - ended
    wait_until(lambda: fleet.is_ready(what.prefix), BACK_SECONDS_MAX, "the worker is ready")
    fleet.check()
    fleet.stop(what.prefix)


Row = dict[str, object]


def check_copy(rows: list[Row], keys: int, per_key: int) -> list[str]:
    """Return what is wrong with a copy."""
    wrong = []
    for key in range(keys):
        values = [row["value"] for row in rows if row["key"] == f"k{key}"]
        if values != list(range(1, per_key + 1)):
            missing = sorted(set(range(1, per_key + 1)) - set(values))
            doubled = sorted(str(value) for value, count in Counter(values).items() if count > 1)
            wrong.append(f"copy of k{key}: {len(values)} of {per_key}, missing {missing[:9]}, doubled {doubled[:9]}")
    return wrong


def check_table(rows: list[Row], keys: int, per_key: int) -> list[str]:
    """Return what is wrong with the changes of a table."""
    wrong = []
    for key in range(keys):
        before = 0
        for row in (row for row in rows if row["key"] == f"k{key}"):
            n = int(str(row["n"]))
            if n <= before or row["high"] != n or row["total"] != n * (n + 1) // 2:
                wrong.append(f"table of k{key}: {row} after {before}")
                break
            before = n
        else:
            if before != per_key:
                wrong.append(f"table of k{key}: ends with {before}, not {per_key}")
    return wrong


def _stream(bootstrap: str, what: Run) -> int:
    """Write numbers at their pace; return the last."""
    number, begin = 0, time.monotonic()
    while time.monotonic() < begin + what.seconds:
        _write(bootstrap, what, range(number + 1, number + 6))
        number += 5
        time.sleep(max(0.0, begin + number / 20 - time.monotonic()))  # the pace of the input
    return number


def _write(bootstrap: str, what: Run, numbers: range | list[int]) -> None:
    def records() -> Iterator[tuple[str, str | None, int]]:
        for number in numbers:
            for key in range(what.keys):
                value = json.dumps({"key": f"k{key}", "value": number})
                yield value, f"k{key}", key % PARTITIONS

    write(bootstrap, f"{what.prefix}in", records())


def _open(view: GroupView, topics: list[str]) -> list[str]:
    try:
        wait_until(lambda: view.is_decided(*topics), 30, "no transaction is open")
    except AssertionError as error:
        return [f"{error}: {view.undecided(*topics)}"]
    return []


def _rows(broker: KafkaBroker, topic: str) -> list[Row]:
    found = read_partitions(broker.bootstrap, topic)
    return [json.loads(record.value) for number in sorted(found) for record in found[number]]


def report(what: Run, result: Result) -> list[str]:
    """Return what happened, in lines; of a failure all, with the command that repeats it."""
    verdict = "WRONG" if result.wrong else "exactly once" if result.disturbed else "NOTHING WAS DISTURBED"
    late = f" late={result.late.total()}" if result.late else ""
    lines = [
        f"{what.scenario} seed={what.seed} native={int(what.native)} faults={result.injected.total()}{late} "
        f"back={result.back_seconds:.1f}s {verdict}"
    ]
    if not result.perfect:
        happened = {**result.injected, **result.late}
        lines += [*result.wrong[:12], f"faults: {happened}", f"again: {what.command}"]
    return lines
