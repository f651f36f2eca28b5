"""What is answered where, with which status, and what is kept to ourselves."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from streamframe.core.errors import ConfigError, StoreUnavailable
from streamframe.observe.documents import DOCUMENTS
from streamframe.observe.fleet import Board
from streamframe.observe.routes import Sources, respond
from streamframe.observe.site import Answer, Request
from tests.observe.fleets import IDENTITY, PLAN, SECOND, snapshot


def lookup(store, key):
    if store == "locked":
        raise StoreUnavailable("somebody else is looking into a store", hint="ask again")
    if store != "totals":
        raise ConfigError("the program has no such store", hint="did you mean 'totals'?", store=store)
    return {"store": store, "key": dict(key), "rows": [{"n": 3}]}


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def ask(board):
    sources = Sources(
        identity=replace(IDENTITY, alive_seconds=60.0),
        board=board,
        metrics=lambda: b"# metrics\n",
        plan=lambda: PLAN,
        query=lookup,
    )

    def get(path: str, **query: str) -> Answer:
        return respond(sources, Request(path, query))

    return get


def test_a_worker_is_ready_when_every_task_processes(ask, board):
    assert ask("/readyz").status == 503
    board.show(snapshot(state="restoring"))
    assert (ask("/readyz").status, ask("/readyz").body) == (503, b"restoring\n")
    board.show(snapshot(state="running"))
    assert ask("/readyz").status == 200


def test_a_worker_is_alive_while_it_starts_and_while_its_loop_turns(ask, board):
    assert ask("/livez").status == 200
    now = int(board.fleet().now * SECOND)
    board.show(snapshot(now=now, state="restoring"))
    assert ask("/livez").status == 200
    silent = replace(snapshot().measured, progress_at=now - 61 * SECOND)
    board.show(snapshot(now=now - 61 * SECOND, measured=silent))
    assert ask("/livez").status == 503


@pytest.mark.parametrize("name", [*DOCUMENTS, "plan"])
def test_every_document_can_be_asked_for(ask, board, name):
    board.show(snapshot())
    answer = ask(f"/api/{name}")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.body)


def test_the_list_of_documents_is_complete(ask):
    assert set(DOCUMENTS) <= set(json.loads(ask("/api").body)["documents"])


def test_a_store_is_looked_into_by_key(ask):
    assert json.loads(ask("/api/stores/totals", user="ann").body)["rows"] == [{"n": 3}]


@pytest.mark.parametrize(("store", "status"), [("total", 400), ("locked", 503)])
def test_a_store_that_cannot_be_looked_into_says_why_and_what_to_do(ask, store, status):
    answer = ask(f"/api/stores/{store}")
    assert answer.status == status
    assert json.loads(answer.body)["hint"]


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/api/stores/a/b", "/page.html", "/api/stores"])
def test_what_is_not_there_is_404_or_a_list(ask, path):
    assert ask(path).status == (200 if path == "/api/stores" else 404)


def test_addresses_of_workers_are_in_the_form_of_prometheus(ask, board):
    assert json.loads(ask("/sd").body) == []
    board.show(snapshot())
    assert json.loads(ask("/sd").body) == [{"targets": ["127.0.0.1:1234"], "labels": {}}]


class Reading(HTMLParser):
    """Collects what the tests of the page look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.captions = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src") if name in found]
        self.captions += tag == "caption"


def test_the_page_stands_alone_and_links_lead_somewhere(ask, board):
    board.show(snapshot())
    board.remark("error", "<script>alert(1)</script>", {"file": "<b>"})
    text = ask("/").body.decode()
    read = Reading(text)

    assert len(read.ids) == len(set(read.ids))
    assert all(link[1:] in read.ids for link in read.links if link.startswith("#"))
    assert not [link for link in read.links if link.startswith("http")]
    for link in read.links:
        if link.startswith("/"):
            assert ask(link).status == 200, link


def test_the_page_shows_everything_without_a_script_and_escapes_what_came_from_outside(ask, board):
    board.show(snapshot())
    board.remark("error", "<script>alert(1)</script>", {"file": "<b>"})
    text = ask("/").body.decode()

    assert text.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in text
    assert "<b>" not in text
    for expected in ("clicks[0]", "shop-totals-repartition[1]", "left to restore", "&lt;clicks&gt;", 'max="100"'):
        assert expected in text
    assert Reading(text).captions == text.count("<table>") > 5


def test_the_page_of_a_worker_that_has_not_started_is_a_page(ask):
    assert "starting" in ask("/").body.decode()
