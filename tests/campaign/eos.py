"""Kafka's own test of exactly once, on this engine: every step of every partition, in the published sequences.

    python -m tests.campaign.eos --sequence failure --program complex --state rolled-back --seed 7

A generator writes without an end. Instances join, are stopped, and get SIGKILL while transactions are open. In the end:

1. no transaction is open, in no topic of the application, and the group has no members;
2. the committed offsets are the cut: outputs must be those of the input up to there, and no others;
3. a copied topic equals its input partition by partition, record by record, in order;
4. each transaction of a table's changes equals the running aggregates at the input offset that it must belong to:
   every key that occurred since the transaction before, once, with the value of that moment. The last one belongs to
   the committed offset.
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
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Producer

from streamframe.core.ids import TopicPartition
from streamframe.testing.broker import KafkaBroker
from tests.campaign.fleet import STARVED, TREATMENTS, Fleet, Launch, StateTreatment, wait_until
from tests.campaign.group import GroupView
from tests.campaign.topics import Record, read_partitions, transactions

PROGRAM = Path(__file__).with_name("eos_program.py")
SETTLED_SECONDS_MAX = 240.0
PARTITIONS = 5
STEPS: Mapping[str, Callable[[Fleet, str], object]] = {
    "+": Fleet.add,
    "-": Fleet.stop,
    "!": Fleet.kill,
    "?": Fleet.kill_worker,
}

KILLS = "!?"

SEQUENCES = {
    "rebalance": "+1 +2 +3 -1 +1 -2 -3 -1",
    "failure": "+1 +2 +3 !1 +1 !1 +1 !2 -3 -1",
}
"""The two published ones. ``+1``: instance 1 starts, ``-1``: it is stopped, ``!1``: it gets SIGKILL (``?1``: only
its worker, the supervisor starts another)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens.

    Attributes:
        sequence: Steps with blanks between them: those of `SEQUENCES`, and what the broker's faults add.
        program: ``simple`` or ``complex``.
        state: What becomes of the state of an instance between two lives.
        commit_interval: Long enough that a kill meets an open transaction.
        pause_max: The generator sleeps up to so many seconds after each record.
        keys: Distinct keys.
        dwell: Seconds between two steps, at most.
        options: Further arguments of ``streamframe run``.
        hang: The first worker at its fifth commit hangs in it, as the client may after a restart of a broker.
        seed: Of input and pauses.
    """

    sequence: str = SEQUENCES["failure"]
    program: str = "simple"
    state: StateTreatment = "kept"
    commit_interval: str = "5s"
    pause_max: float = 0.009
    keys: int = 20_000
    dwell: float = 0.0
    options: Sequence[str] = ()
    hang: bool = False
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How it ended.

    Attributes:
        findings: What is wrong, in words.
        records: Input records up to the committed offsets.
        transactions: Transactions of table changes that were compared.
        kills: Instances that got SIGKILL.
        stops: Instances that were stopped.
        hangs: Workers that the watchdog has ended.
    """

    findings: list[str] = field(default_factory=list)
    records: int = 0
    transactions: int = 0
    kills: int = 0
    stops: int = 0
    hangs: int = 0

    @property
    def perfect(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


class Generator:
    """Writes ``{"key", "value"}`` records in a thread of its own until it is ended; idempotent, in order."""

    def __init__(self, bootstrap: str, topic: str, scenario: Scenario) -> None:
        self._topic, self._scenario = topic, scenario
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                # As long as a broker may be away.
                "message.timeout.ms": 300_000,
                "log_level": 2,
            }
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, name="generator")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """Write no more, and wait until all that was written is acknowledged."""
        self._ended.set()
        self._thread.join()
        left = self._producer.flush(300)
        assert left == 0, f"the generator has {left} records that no broker took"

    def _write(self) -> None:
        rng = random.Random(self._scenario.seed)
        while not self._ended.is_set():
            key, value = rng.randrange(self._scenario.keys), rng.randrange(10_000)
            try:
                self._producer.produce(self._topic, json.dumps({"key": str(key), "value": value}), str(key))
            except BufferError:
                self._producer.poll(0.1)
                continue
            self._producer.poll(0)
            time.sleep(rng.uniform(0, self._scenario.pause_max))


class EosRun:
    """One scenario on a broker.

    Args:
        broker: Where.
        scenario: What.
        name: Name of the app, and prefix of its topics; of this run only.
        place: Directory for states and logs.
        note: Told what happens.
        faults: Further steps by name: what the broker suffers.
    """

    def __init__(
        self,
        broker: KafkaBroker,
        scenario: Scenario,
        *,
        name: str,
        place: Path,
        note: Callable[[str], object] = str,
        faults: Mapping[str, Callable[[EosRun], object]] | None = None,
    ) -> None:
        self.broker, self.scenario, self.name, self.note = broker, scenario, name, note
        self._faults, self._place = faults or {}, place
        self._rng = random.Random(scenario.seed)
        programs = {"simple": ("simple",), "complex": ("complex", "second")}[scenario.program]
        self.apps = {f"{name}-{program}": self._fleet(f"{name}-{program}", program, place) for program in programs}
        self.views = {app: GroupView(broker.bootstrap, app) for app in self.apps}
        self._killed = {app: set[str]() for app in self.apps}

    def _fleet(self, app: str, program: str, place: Path) -> Fleet:
        environment = {"EOS_APP": app, "EOS_PREFIX": f"{self.name}.", "EOS_PROGRAM": program}
        environment["EOS_BOOTSTRAP"] = self.broker.bootstrap
        if self.scenario.hang:
            environment["EOS_HANG"] = str(place / "hung")
        options = ["--commit-interval", self.scenario.commit_interval, *self.scenario.options]
        launch = Launch(program=PROGRAM, bootstrap=self.broker.bootstrap, environment=environment, options=options)
        return Fleet(launch, place / app, state=self.scenario.state)

    @property
    def topics(self) -> dict[str, str]:
        """The topics that users see, by their word."""
        words = {"simple": ("data", "echo", "sums"), "complex": ("data", "echo", "sums", "again", "maxima", "digits")}
        return {word: f"{self.name}.{word}" for word in words[self.scenario.program]}

    @property
    def internal_topics(self) -> list[str]:
        """Changelogs and repartition topics."""
        words = {
            "simple": ("simple-sums-changelog",),
            "complex": (
                "complex-sums-changelog",
                "complex-digits-changelog",
                "complex-digits-repartition",
                "second-maxima-changelog",
            ),
        }
        return [f"{self.name}-{word}" for word in words[self.scenario.program]]

    def run(self) -> Outcome:
        """Let it happen, and look at what came out."""
        for topic in self.topics.values():
            self.broker.create_topic(topic, PARTITIONS)
        with ExitStack() as stack:
            for fleet in self.apps.values():
                stack.enter_context(fleet)
            with Generator(self.broker.bootstrap, self.topics["data"], self.scenario):
                for step in self.scenario.sequence.split():
                    self._step(step)
                    time.sleep(self._rng.uniform(0, self.scenario.dwell))
            outcome = self._outcome(drained=False)
            if outcome.perfect:
                self._drain()
                outcome = self._outcome(drained=True)
        return outcome

    def settle(self) -> None:
        """Wait until every instance that runs has its share, and commits again."""
        for app, fleet in self.apps.items():
            if not fleet.names:
                continue
            count = len(fleet.names)
            try:
                wait_until(partial(self._is_complete, app, count), SETTLED_SECONDS_MAX, f"{count} have partitions")
            except AssertionError as error:
                raise AssertionError(f"{error}; {self.views[app]}") from error
            before = self.views[app].progress()
            wait_until(partial(self._commits, app, before), SETTLED_SECONDS_MAX, "commits go on")

    def _is_complete(self, app: str, count: int) -> bool:
        self.apps[app].check()
        members = self.views[app].members()
        # Who was killed is a member until its session is over, and is not to be taken for the one that comes after it.
        return len(members) == count and all(members.values()) and self._killed[app].isdisjoint(members)

    def _commits(self, app: str, before: int) -> bool:
        self.apps[app].check()
        return self.views[app].progress() > before

    def _step(self, step: str) -> None:
        self.note(step)
        if step in self._faults:
            self._faults[step](self)
        elif step[0] in STEPS:
            for app, fleet in self.apps.items():
                instance = f"p{step[1:]}"
                if step[0] in KILLS:
                    client = f"{app}-{instance}-0"
                    self._killed[app] |= {member for member, name in self.views[app].names().items() if name == client}
                STEPS[step[0]](fleet, instance)
        else:
            raise ValueError(f"unknown step {step!r}")
        # Who is killed is given no time to recover: the next step comes while the others take over.
        if step[0] != "!":
            self.settle()

    def _drain(self) -> None:
        """Let one instance take what is left; the second app reads what the first one writes."""
        for fleet in self.apps.values():
            fleet.add("last")
        for app, word in zip(self.apps, ("data", "again"), strict=False):
            view, topic = self.views[app], self.topics[word]
            wait_until(partial(view.is_drained, topic), SETTLED_SECONDS_MAX, f"{app} is done")
            self.apps[app].stop("last")

    def _outcome(self, *, drained: bool) -> Outcome:
        outcome = Outcome(
            kills=sum(fleet.kills for fleet in self.apps.values()),
            stops=sum(fleet.stops for fleet in self.apps.values()),
            hangs=sum(log.read_text(errors="replace").count("watchdog: ") for log in self._place.glob("*/*/log")),
        )
        everything = [*self.topics.values(), *self.internal_topics]
        for view in self.views.values():
            wait_until(view.is_empty, 60, "the group has no members")
            wait_until(partial(view.is_decided, *everything), 120, "no transaction is open")
        self._judge(outcome, drained=drained)
        return outcome

    def _judge(self, outcome: Outcome, *, drained: bool) -> None:
        read = {word: read_partitions(self.broker.bootstrap, topic) for word, topic in self.topics.items()}
        first, *rest = self.views.values()
        inputs = up_to(read["data"], first.committed(), self.topics["data"])
        outcome.records = sum(map(len, inputs.values()))
        outcome.findings += check_copy(inputs, read["echo"], "echo")
        tables = {"sums": inputs}
        for second in rest:
            outcome.findings += check_copy(inputs, read["again"], "again")
            outcome.findings += check_moved(inputs, read["digits"], "digits", drained=drained)
            tables["maxima"] = up_to(read["again"], second.committed(), self.topics["again"])
        for table, sources in tables.items():
            for number, records in sources.items():
                count, found = check_table(records, read[table][number], f"{table}[{number}]")
                outcome.transactions += count
                outcome.findings += found
        if not outcome.records:
            outcome.findings.append("nothing was committed")


def up_to(
    read: Mapping[int, Sequence[Record]], committed: Mapping[TopicPartition, int], topic: str
) -> dict[int, list[Record]]:
    """Return the records of each partition in front of its committed offset."""
    cuts = {number: committed.get(TopicPartition(topic, number), 0) for number in read}
    return {number: [each for each in records if each.offset < cuts[number]] for number, records in read.items()}


def check_copy(inputs: Mapping[int, Sequence[Record]], outputs: Mapping[int, Sequence[Record]], name: str) -> list[str]:
    """Return in what a copy differs from its input, partition by partition, record by record."""
    findings = []
    for number, records in inputs.items():
        copied = outputs[number]
        if len(records) != len(copied):
            findings.append(f"{name}[{number}] has {len(copied)} records, its input {len(records)}")
        for position, (want, got) in enumerate(zip(records, copied, strict=False)):
            if want.key != got.key or json.loads(want.value) != json.loads(got.value):
                findings.append(f"{name}[{number}] record {position} is {got}, its input {want}")
                break
    return findings


def check_table(inputs: Sequence[Record], outputs: Sequence[Record], name: str) -> tuple[int, list[str]]:
    """Return how many transactions of changes were compared with the running aggregates, and what is wrong."""
    state: dict[str, dict[str, Any]] = {}
    cut = 0
    steps = transactions(list(outputs))
    for number, step in enumerate(steps):
        changes = {row["key"]: row for row in (json.loads(record.value) for record in step)}
        if len(changes) < len(step):
            return number, [f"{name} transaction {number} has a key twice"]
        # Counts say how many records lie between two transactions.
        grown = sum(row["n"] - state.get(key, {"n": 0})["n"] for key, row in changes.items())
        if not 0 < grown <= len(inputs) - cut:
            return number, [f"{name} transaction {number} covers {grown} of {len(inputs) - cut} records"]
        expected: dict[str, dict[str, Any]] = {}
        for record in inputs[cut : cut + grown]:
            row = json.loads(record.value)
            expected[row["key"]] = state[row["key"]] = _running(state.get(row["key"]), row["key"], row["value"])
        cut += grown
        wanted = {key: {word: row[word] for word in changes.get(key, row)} for key, row in expected.items()}
        if changes != wanted:
            wrong = sorted(key for key in {**changes, **wanted} if changes.get(key) != wanted.get(key))
            return number, [f"{name} transaction {number} up to record {cut} is wrong for the keys {wrong[:5]}"]
    if cut != len(inputs):
        return len(steps), [f"{name} stands at record {cut}, {len(inputs)} are committed"]
    return len(steps), []


def _running(before: Mapping[str, Any] | None, key: str, value: int) -> dict[str, Any]:
    if before is None:
        return {"key": key, "low": value, "high": value, "total": value, "n": 1}
    return {
        "key": key,
        "low": min(before["low"], value),
        "high": max(before["high"], value),
        "total": before["total"] + value,
        "n": before["n"] + 1,
    }


def check_moved(
    inputs: Mapping[int, Sequence[Record]], outputs: Mapping[int, Sequence[Record]], name: str, *, drained: bool
) -> list[str]:
    """Return what is wrong with a table over rows that were moved to the partition of their digit.

    Counts grow with every step. Rows on their way between the two steps are in neither, so until they are drained the
    last count may be below the input's; then it is equal, and so is the total.
    """
    findings = []
    want: dict[int, tuple[int, int]] = {}
    for record in (record for records in inputs.values() for record in records):
        value = json.loads(record.value)["value"]
        n, total = want.get(value % 10, (0, 0))
        want[value % 10] = (n + 1, total + value)
    got: dict[int, tuple[int, int]] = {}
    for row in (json.loads(record.value) for records in outputs.values() for record in records):
        before, _ = got.get(row["digit"], (0, 0))
        if row["n"] <= before:
            findings.append(f"{name} digit {row['digit']} goes from {before} to {row['n']}")
        got[row["digit"]] = (row["n"], row["total"])
    if drained and got != want:
        findings.append(f"{name} ends with {got}, not with {want}")
    findings += [f"{name} digit {digit} counts too much" for digit, (n, _) in got.items() if n > want[digit][0]]
    return findings


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201 - a command's output


def main() -> int:
    """Run scenarios as the arguments say; print one line each; return 1 when one is not perfect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequence", default="failure", help=f"{', '.join(SEQUENCES)}, or steps such as '+1 +2 !1 -2'")
    parser.add_argument("--program", choices=("simple", "complex"), default="complex")
    parser.add_argument("--state", choices=TREATMENTS, default="kept")
    parser.add_argument("--commit-interval", default="5s")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    scenario = Scenario(
        sequence=SEQUENCES.get(args.sequence, args.sequence),
        program=args.program,
        state=args.state,
        commit_interval=args.commit_interval,
        seed=args.seed,
    )
    place = Path(tempfile.mkdtemp(prefix="eos-"))
    with KafkaBroker(settings=STARVED) as broker:
        outcome = EosRun(broker, scenario, name="eos", place=place, note=_say).run()
    _say(f"{'ok  ' if outcome.perfect else 'FAIL'} {scenario} {outcome}")
    if outcome.perfect:
        shutil.rmtree(place)
    return int(not outcome.perfect)


if __name__ == "__main__":
    sys.exit(main())
