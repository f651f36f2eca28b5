"""What an operator sees when something goes wrong: a worker that is killed, a record that stops the program."""

import json
import os
import signal

import pytest
from confluent_kafka import Producer

from streamframe.testing import KafkaBroker
from tests.app.running_program import RunningProgram, fetch, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PROGRAM = """\
import streamframe as sf

app = sf.App("shop", commit_interval="100ms")
clicks = app.topic("clicks", schema={"user": "string", "amount": "int64"}, on_error="skip")
slow = clicks.assign(big=lambda df: __import__("time").sleep(0.05) or df["amount"] * 2)
slow.groupby("user").agg(n="size", name="totals").to_topic("counts", key="user")
"""


@pytest.fixture(scope="module")
def broker():
    with KafkaBroker() as broker:
        broker.create_topic("clicks", 4)
        broker.create_topic("counts", 4)
        yield broker


def write(broker, count: int) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for number in range(count):
        row = {"user": f"u{number % 9}", "amount": number}
        producer.produce("clicks", json.dumps(row).encode(), partition=number % 4)
    assert producer.flush(30) == 0


def test_a_killed_worker_is_seen_to_go_and_to_come_back_and_the_slow_step_is_named(broker, tmp_path):
    program = tmp_path / "shop.py"
    program.write_text(PROGRAM)
    write(broker, 2_000)
    with RunningProgram(program, broker.bootstrap, tmp_path / "run", workers=2) as running:
        until(lambda: running.document("status").get("state") == "running", "running")
        until(lambda: (running.value("streamframe_operator_seconds_total") or 0) > 0.1, "some work")
        busiest = running.document("operators")["operators"][0]
        assert "assign" in busiest["operator"]
        assert busiest["busy_share"] > 0

        killed = worker_pid(running, 0)
        os.kill(killed, signal.SIGKILL)
        until(lambda: running.document("status").get("restarts") == 1, "the restart is counted")
        assert fetch(running.page, "/livez")[0] == 200
        until(lambda: running.document("status").get("state") == "running", "running again")
        until(lambda: fetch(running.page, "/readyz")[0] == 200, "ready again")
        (error, *_) = running.document("errors")["errors"]
        assert (error["worker"], error["facts"]["exit_code"]) == (0, "-9")
        write(broker, 100)
        until(lambda: lag_is_gone(running), "everything read")


def worker_pid(running: RunningProgram, slot: int) -> int:
    """Process id of a worker, from the log of the run."""
    lines = running._log.read_text().splitlines()
    (line,) = [line for line in lines if "worker started" in line and f"worker={slot}" in line]
    return int(line.split("pid=")[1])


def lag_is_gone(running: RunningProgram) -> bool:
    rows = running.document("partitions").get("partitions", [])
    return len(rows) >= 4 and all(row["lag"] == 0 for row in rows)


def test_the_page_answers_while_the_program_is_inside_a_function_that_does_not_return(broker, tmp_path):
    program = tmp_path / "stuck.py"
    program.write_text(PROGRAM.replace('"shop"', '"stuck"').replace("sleep(0.05)", "sleep(3)"))
    write(broker, 4)
    with RunningProgram(program, broker.bootstrap, tmp_path / "run") as running:
        (address,) = until(running.workers, "a worker")
        until(lambda: progress(address), "the loop has begun")
        until(lambda: (at := progress(address)) and fetch(address, "/")[0] == 200 and at == progress(address), "stuck")
        assert fetch(address, "/metrics")[0] == fetch(address, "/livez")[0] == 200


def progress(address: str) -> str | None:
    """When the loop last took a turn."""
    workers = json.loads(fetch(address, "/api/status")[1])["workers"]
    return workers[0]["last_progress"] if workers else None
