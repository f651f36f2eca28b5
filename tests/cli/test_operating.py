"""A program as an operator meets it, on a real broker: topics, status, lag, dead letters, state."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streamframe.app.json_forms import FORMS, valid
from streamframe.testing import KafkaBroker
from tests.app.running_program import RunningProgram, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """\
import streamframe as sf

app = sf.App("shop", commit_interval="100ms", dead_letters="shop-letters")
clicks = app.topic("shop-clicks", schema={"user": "string", "amount": "int64"})
clicks.groupby("user").agg(n="size", total=("amount", "sum"), name="totals").to_topic("shop-counts", key="user")
"""


WITH_COLUMNS_OF_THE_PROGRAM = {"state get", "state scan"}


class Shell:
    """``streamframe`` with a program, a broker and a state directory."""

    def __init__(self, program: Path, bootstrap: str, scratch: Path) -> None:
        self.program, self.bootstrap, self.scratch = program, bootstrap, scratch
        self.seen: set[str] = set()

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        connection = ["-b", self.bootstrap] if words[0] != "metrics" else []
        done = subprocess.run(
            [sys.executable, "-m", "streamframe", *words, *connection],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr

    def rows(self, *words: str, code: int = 0) -> list[dict]:
        """What a command prints as JSON, held against the documented form."""
        rows = [json.loads(line) for line in self(*words, "--json", code=code)[0].splitlines()]
        command = words[0] if words[0] in FORMS else " ".join(words[:2])
        if command not in WITH_COLUMNS_OF_THE_PROGRAM:
            for row in rows:
                valid(command, row)
            self.seen |= {command} if rows else set()
        return rows

    def running(self, **options) -> RunningProgram:
        return RunningProgram(self.program, self.bootstrap, self.scratch / "run", **options)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("operating")
    program = scratch / "shop.py"
    program.write_text(PROGRAM)
    with KafkaBroker() as broker:
        yield Shell(program, broker.bootstrap, scratch)


def write(shell: Shell, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": shell.bootstrap, "enable.idempotence": True})
    for number, value in enumerate(values):
        producer.produce("shop-clicks", value, b"key", partition=number % 2, headers=[("trace", b"t1")])
    assert producer.flush(30) == 0


def test_from_missing_topics_to_replayed_dead_letters(shell):
    program = str(shell.program)

    missing = shell.rows("topics", "list", program, code=1)
    assert {(row["topic"], row["role"], row["exists"]) for row in missing} >= {
        ("shop-clicks", "input", False),
        ("shop-counts", "output", False),
        ("shop-letters", "dead letters", False),
    }
    planned = shell.rows("topics", "create", program, "--partitions", "2", "--dry-run")
    assert len(planned) == 5
    assert shell.rows("topics", "list", program, code=1) == missing
    assert shell.rows("topics", "create", program, "--partitions", "2") == planned
    assert "nothing is missing" in shell("topics", "create", program)[1]
    assert all(row["partitions"] == 2 and row["exists"] for row in shell.rows("topics", "list", program))

    write(shell, [b'{"user": "ann", "amount": 1}'] * 8 + [b"{broken"] * 2)
    behind = shell.rows("lag", program, "--max-records", "9", code=1)
    assert sum(row["lag"] for row in behind if row["topic"] == "shop-clicks") == 10

    with shell.running() as running:
        until(lambda: running.value("streamframe_dead_letters_total") == 2, "two dead letters")
        until(lambda: running.value("streamframe_rows_aggregated_total") == 8, "eight rows")
        until(lambda: not any(row["lag"] for row in shell.rows("lag", program)), "no lag")
        assert {row["member"].startswith("shop-") for row in shell.rows("lag", program)} == {True}
        look_at_status(shell)
        replay(shell, program, running)
    assert {(row["store"], row["problem"]) for row in shell.rows("state", "verify", program)} == {("totals", None)}
    assert {row["store"] for row in shell.rows("state", "ls", program)} == {"totals"}
    assert shell.rows("config", "show", program)
    assert shell.rows("metrics", "list")
    assert shell.seen == set(FORMS), "each command has printed something"
    (ann,) = shell.rows("state", "get", program, "totals", "user=ann")
    assert (ann["n"], ann["total"]) == (8, 8)
    state = ("--state-dir", str(shell.scratch / "run" / "state"))
    assert "no program is running here" in shell("status", *state, code=9)[1]


def look_at_status(shell: Shell) -> None:
    state = ("--state-dir", str(shell.scratch / "run" / "state"))
    (status,) = shell.rows("status", "shop", *state)
    assert (status["application"], status["state"], status["rows_in"]) == ("shop", "running", 10)
    assert "shop: running, 1 of 1 workers" in shell("status", *state)[0]
    assert "no program is running here" in shell("status", "other", *state, code=9)[1]


def replay(shell: Shell, program: str, running: RunningProgram) -> None:
    shown = shell.rows("dead-letters", "show", program, "--payload")
    assert sorted((row["topic"], row["partition"], row["offset"], row["value"]) for row in shown) == [
        ("shop-clicks", 0, 4, "{broken"),
        ("shop-clicks", 1, 4, "{broken"),
    ]
    assert "broken" not in shell("dead-letters", "show", program)[0]
    assert "dry run" in shell("dead-letters", "replay", program)[1]
    assert shell.rows("dead-letters", "replay", program, "--yes") == [
        {"topic": "shop-clicks", "partition": 0, "letters": 1},
        {"topic": "shop-clicks", "partition": 1, "letters": 1},
    ]
    # They are broken still, so they come back as new letters; the old ones are done with.
    until(lambda: running.value("streamframe_dead_letters_total") == 4, "two more dead letters")
    until(lambda: [row["offset"] for row in shell.rows("dead-letters", "show", program)] == [5, 5], "only the new ones")
    assert len(shell.rows("dead-letters", "show", program, "--again")) == 4
