"""What a running program answers has the form that is documented, tells no secret, and can only be read."""

import json
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from confluent_kafka import Producer

from streamframe.observe import schema_page
from streamframe.observe.schemas import SCHEMAS, Refusal, Rows, RowsOfWorker, json_schema, valid
from streamframe.testing import KafkaBroker
from tests.app.running_program import RunningProgram, fetch, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"
ROWS = "/api/stores/totals?key=u3"
SECRET = "a-secret-of-the-client"
PROGRAM = """\
import streamframe as sf

app = sf.App("api", commit_interval="100ms", dead_letters="api-letters")
orders = app.counter("orders_seen", "Orders.", labels=("country",))
waits = app.histogram("waits_seconds", "Waits.", buckets=(1.0, 10.0))
clicks = app.topic(
    "api-clicks",
    schema={"user": "string", "page": "string", "amount": "int64", "ts": "timestamp[ms]"},
    event_time="ts",
    key="user",
)


def count(df):
    orders.add(len(df), country="DE")
    waits.observe(0.5)
    return df


kept = clicks.map_batches(count).query("amount > 0")
windows = kept.groupby("user").window(sf.tumbling("10s")).agg(n="size", total=("amount", "sum"), name="totals")
windows.to_topic("api-counts", key="user")
kept.groupby("user", "page").agg(n="size", name="pages").to_topic("api-pages")
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("api")
    path = scratch / "api.py"
    path.write_text(PROGRAM)
    with KafkaBroker() as broker:
        for topic in ("api-clicks", "api-counts", "api-letters", "api-pages"):
            broker.create_topic(topic, 2, {"retention.ms": -1})
        producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
        for number in range(200):
            row = {"user": f"u{number % 7}", "page": f"/p/{number % 3}", "amount": number, "ts": 1_760_000_000_000}
            producer.produce(
                "api-clicks", json.dumps(row).encode(), f"u{number % 7}".encode(), partition=number % 7 % 2
            )
        producer.produce("api-clicks", b"{broken", b"u1", partition=0)
        assert producer.flush(30) == 0
        options = ("-X", f"kafka.client.sasl.password={SECRET}")
        with RunningProgram(path, broker.bootstrap, scratch / "run", options=options) as running:
            until(lambda: running.value("streamframe_rows_aggregated_total") == 2 * 199, "all rows are in")
            until(lambda: json.loads(fetch(running.page, ROWS)[1])["rows"], "a commit has made rows count")
            until(lambda: running.document("errors").get("dead_letters"), "the dead letter is seen")
            until(lambda: running.document("lag").get("topics", [{}])[0].get("lag") == 0, "nothing is left")
            until(lambda: running.document("program_metrics").get("metrics"), "its own metrics are seen")
            yield running


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_document_has_the_form_that_is_documented(program, name):
    for address in (program.page, *program.workers()):
        status, text = fetch(address, f"/api/{name}")
        assert status == 200
        answer = json.loads(text)
        valid(name, answer)
        assert any(answer.values()), "an empty answer shows no form"


def test_rows_of_a_store_have_the_form_that_is_documented(program):
    of_all = msgspec.convert(json.loads(fetch(program.page, ROWS)[1]), Rows, strict=True)
    (worker,) = program.workers()
    of_one = msgspec.convert(json.loads(fetch(worker, ROWS)[1]), RowsOfWorker, strict=True)
    assert of_all.rows == of_one.rows != []
    assert of_one.age_seconds is not None
    assert of_one.age_seconds >= 0
    assert of_all.unanswered == []


def test_a_key_of_several_columns_is_asked_for_by_their_names(program):
    answer = json.loads(fetch(program.page, f"/api/stores/pages?user=u3&page={quote('/p/1', safe='')}")[1])
    assert [(row["user"], row["page"], row["n"]) for row in answer["rows"]] == [("u3", "/p/1", 10)]


@pytest.mark.parametrize(
    "path", ["/api/stores/nothing?key=1", "/api/stores/totals", "/api/stores/pages?user=u3", "/api/stores/pages?key=u3"]
)
def test_a_question_that_cannot_be_answered_says_why(program, path):
    status, text = fetch(program.page, path)
    assert status == 400
    assert msgspec.convert(json.loads(text), Refusal).hint


def test_no_answer_holds_a_secret_or_the_content_of_a_record(program):
    paths = ["/", "/metrics", "/livez", "/readyz", "/sd", "/api", "/api/plan", *(f"/api/{name}" for name in SCHEMAS)]
    for address in (program.page, *program.workers()):
        for path in paths:
            status, text = fetch(address, path)
            assert status == 200, (path, text)
            assert SECRET not in text
            assert "{broken" not in text


def test_the_documented_names_are_those_that_are_served(program):
    names = json.loads(fetch(program.page, "/api")[1])["documents"]
    assert sorted(names) == sorted([*SCHEMAS, "plan", "stores/<store>?key=<value>"])


def test_the_page_is_what_the_types_say():
    assert PAGE.read_text() == schema_page.reference(), (
        "run: python -m streamframe.observe.schema_page > docs/http-api.md"
    )


def test_there_is_a_json_schema_for_other_programs():
    schema = json_schema("status")
    assert schema["$defs"]["Status"]["additionalProperties"] is False
    assert "lag_records" in schema["$defs"]["Status"]["required"]
