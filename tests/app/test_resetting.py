"""``reset`` on a real broker: it says what it would delete, deletes that, and the program begins again."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from confluent_kafka import Producer

import streamframe as sf
from streamframe.app.resetting import reset
from streamframe.core.errors import TopologyMismatch
from streamframe.core.settings import Settings
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.testing import KafkaBroker
from tests.app.running_program import RunningProgram, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PROGRAM = """\
import streamframe as sf

app = sf.App("again", commit_interval="100ms")
clicks = app.topic("again-clicks", schema={"user": "string", "country": "string"})
by_country = clicks.groupby("country").agg(n="size", name="countries")
by_country.for_each_batch(lambda frame, batch_id: None, name="written")
"""


class Written:
    """What a function of the program was called with."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[tuple[str, int]]]] = []

    def take(self, frame: pd.DataFrame, batch_id: str) -> None:
        self.batches.append((batch_id, sorted(zip(frame["country"], frame["n"], strict=True))))


def program(written: Written) -> sf.App:
    app = sf.App("again", commit_interval="100ms")
    clicks = app.topic("again-clicks", schema={"user": "string", "country": "string"})
    clicks.groupby("country").agg(n="size", name="countries").for_each_batch(written.take, name="written")
    return app


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    with KafkaBroker() as broker:
        broker.create_topic("again-clicks", 2)
        producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
        for number in range(10):
            value = json.dumps({"user": f"u{number}", "country": "DE" if number < 7 else "FR"})
            producer.produce("again-clicks", value.encode(), f"u{number}".encode(), partition=number % 2)
        assert producer.flush(30) == 0
        base = Settings()
        yield replace(
            base,
            kafka=replace(base.kafka, bootstrap=broker.bootstrap),
            state=replace(base.state, directory=str(tmp_path_factory.mktemp("state"))),
        )


def test_a_program_begins_again_and_makes_the_same(settings):
    written = Written()
    app = program(written)
    app.run(until="now", settings=settings)
    first = list(written.batches)
    assert dict(pair for _, rows in first for pair in rows) == {"DE": 7, "FR": 3}

    planned = reset(app, settings, yes=False)
    app.run(until="now", settings=settings)
    assert written.batches == first, "a dry run deletes nothing, and there is nothing new"

    assert reset(app, settings, yes=True) == planned
    admin = TopicAdmin(settings.kafka, ClientLog(logging.getLogger("test")))
    topics = [line.removeprefix("topic ") for line in planned if line.startswith("topic ")]
    assert len(topics) == 3, "a repartition topic and two changelogs"
    assert admin.describe(topics) == {}
    assert admin.group("again").state == "DEAD"
    assert any("batch ids of written" in line for line in planned)
    assert not list(Path(settings.state.directory).rglob("*.sst"))

    app.run(until="now", settings=settings)
    again = written.batches[len(first) :]
    assert dict(pair for _, rows in again for pair in rows) == {"DE": 7, "FR": 3}


def test_a_program_that_runs_is_not_reset(settings, tmp_path):
    path = tmp_path / "again.py"
    path.write_text(PROGRAM)
    admin = TopicAdmin(settings.kafka, ClientLog(logging.getLogger("test")))
    with RunningProgram(path, settings.kafka.bootstrap, tmp_path / "run"):
        until(lambda: admin.group("again").members, "it has joined")
        with pytest.raises(TopologyMismatch, match="running"):
            reset(program(Written()), settings, yes=True)
