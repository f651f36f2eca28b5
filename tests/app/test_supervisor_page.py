"""The page over all workers: fed by events, asking workers for what only they know."""

import json
import os
from dataclasses import replace
from functools import partial

import pytest

from streamframe.app.pages import find_pages, read_document
from streamframe.app.places import pages_directory
from streamframe.app.supervisor_page import SupervisorPage, supervisor_page
from streamframe.core.errors import ConfigError, RecordError, StoreUnavailable, Unavailable
from streamframe.core.settings import Settings, StateSettings, TelemetrySettings
from streamframe.observe.fleet import Board
from streamframe.observe.routes import Sources, respond
from streamframe.observe.site import Site
from streamframe.runtime.messages import FailureReport, NoticeReceived, SnapshotReceived, WorkerEnded
from tests.app.running_program import fetch
from tests.observe.fleets import IDENTITY, PLAN, snapshot


def lookup(store, key):
    if store == "moving":
        raise StoreUnavailable("being restored")
    if store != "totals":
        raise ConfigError("the program has no such store", hint="did you mean 'totals'?", store=store)
    return {"key": {"user": key["key"]}, "rows": [{"user": key["key"], "n": 1}], "partitions": [0], "restoring": []}


@pytest.fixture
def settings(tmp_path):
    return Settings(
        state=StateSettings(directory=str(tmp_path / "state")),
        telemetry=TelemetrySettings(targets_file=str(tmp_path / "targets.json"), token="s3cret"),
    )


@pytest.fixture
def worker(settings):
    """The page of a worker, with a token."""
    sources = Sources(identity=IDENTITY, board=Board(), metrics=lambda: b"", plan=lambda: PLAN, query=lookup)
    site = Site(partial(respond, sources), host="127.0.0.1", port=0, token=settings.telemetry.token)
    yield site
    site.close()


@pytest.fixture
def page(settings):
    with supervisor_page("shop", settings, 2) as page:
        assert page is not None
        yield page


def started(page: SupervisorPage, slot: int, address: str) -> None:
    page.take(SnapshotReceived(slot=slot, snapshot=snapshot(address=address, state="running")))


def test_the_file_of_addresses_follows_the_workers_and_is_taken_back(settings, tmp_path):
    file = tmp_path / "targets.json"
    with supervisor_page("shop", settings, 2) as page:
        assert page is not None
        started(page, 0, "127.0.0.1:1001")
        started(page, 1, "127.0.0.1:1002")
        assert json.loads(file.read_text())[0]["targets"] == ["127.0.0.1:1001", "127.0.0.1:1002"]
        page.take(WorkerEnded(slot=0, pid=1, exit_code=1, report=None, restart_seconds=0.5))
        assert json.loads(file.read_text())[0]["targets"] == ["127.0.0.1:1002"]
    assert not file.exists()


def test_a_program_is_found_while_it_runs_and_not_afterwards(settings):
    with supervisor_page("shop", settings, 2) as page:
        assert page is not None
        assert [(found.application, found.url) for found in find_pages(settings)] == [("shop", page.url)]
        assert find_pages(settings, "other") == []
        assert read_document(page.url, "status", settings)["workers_wanted"] == 2
    assert find_pages(settings) == []
    with pytest.raises(Unavailable):
        read_document(page.url, "status", settings)


def test_what_a_killed_program_left_behind_is_not_found(settings):
    directory = pages_directory(settings.state)
    directory.mkdir(parents=True)
    dead = 2**22 + os.getpid()
    (directory / "shop-1.json").write_text(
        json.dumps({"application": "shop", "pid": dead, "url": "http://127.0.0.1:1/"})
    )
    (directory / "shop-2.json").write_text("{half a")
    assert find_pages(settings) == []


def test_a_wrong_token_is_said_to_be_one(page, settings):
    other = replace(settings, telemetry=replace(settings.telemetry, token="guess"))
    with pytest.raises(ConfigError, match="wants a token"):
        read_document(page.url, "status", other)


def test_the_plan_comes_from_a_worker_and_is_kept(page, settings, worker):
    with pytest.raises(ConfigError, match="does not say"):
        read_document(page.url, "plan", settings)
    started(page, 0, worker.address)
    assert read_document(page.url, "plan", settings) == PLAN
    page.take(WorkerEnded(slot=0, pid=1, exit_code=0, report=None, restart_seconds=None))
    assert read_document(page.url, "plan", settings) == PLAN


def test_rows_of_a_key_come_from_every_worker_that_answers(page, settings, worker):
    started(page, 0, worker.address)
    started(page, 1, "127.0.0.1:1")
    found = read_document(page.url, "stores/totals?key=ann", settings)
    assert found["rows"] == [{"user": "ann", "n": 1}]
    assert found["key"] == {"user": "ann"}
    assert [each["worker"] for each in found["workers"]] == [0]
    assert found["unanswered"] == [1]


@pytest.mark.parametrize(("store", "status"), [("total", 400), ("moving", 503)])
def test_what_a_worker_refuses_is_passed_on(page, settings, worker, store, status):
    started(page, 0, worker.address)
    with pytest.raises(ConfigError, match="does not say") as refused:
        read_document(page.url, f"stores/{store}?key=ann", settings)
    assert refused.value.facts["status"] == status


def test_why_a_worker_ended_is_among_the_errors_and_info_is_not(page, settings):
    report = FailureReport(error=RecordError("a record cannot be used", topic="clicks", partition=0, offset=7))
    page.take(WorkerEnded(slot=1, pid=1, exit_code=6, report=report, restart_seconds=None))
    page.take(NoticeReceived(slot=0, level="info", text="started", facts={}))
    page.take(NoticeReceived(slot=0, level="warning", text="transaction rolled back", facts={"reason": "fenced"}))

    errors = read_document(page.url, "errors", settings)["errors"]
    assert [(each["worker"], each["text"]) for each in errors] == [
        (0, "transaction rolled back"),
        (1, "a record cannot be used"),
    ]
    assert errors[1]["facts"] == {"exit_code": "6", "topic": "clicks", "partition": "0", "offset": "7"}


def test_without_http_there_is_no_page(settings):
    with supervisor_page("shop", replace(settings, telemetry=TelemetrySettings(http=False)), 1) as page:
        assert page is None


def test_probes_need_no_token(page):
    address = page.url.removeprefix("http://").rstrip("/")
    assert fetch(address, "/readyz") == (503, "starting\n")
    assert fetch(address, "/livez") == (200, "alive\n")
    assert fetch(address, "/metrics")[0] == 401
