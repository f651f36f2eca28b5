"""The status page in a real browser (Debian package: chromium): drawn, refreshed, and nothing in the console."""

import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from streamframe.observe.fleet import Board
from streamframe.observe.routes import Sources, respond
from streamframe.observe.site import Answer, Request, Site
from tests.observe.fleets import IDENTITY, PLAN, snapshot

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--window-size=1300,2400",
]
LOAD_SECONDS_MAX = 1.0


@pytest.fixture
def board():
    board = Board()
    board.show(snapshot())
    board.remark("error", "<img src=x onerror=alert(1)>", {})
    return board


@pytest.fixture
def sources(board):
    return Sources(
        identity=IDENTITY, board=board, metrics=lambda: b"", plan=lambda: PLAN, query=lambda _store, _key: {}
    )


@pytest.fixture
def site(sources):
    site = Site(partial(respond, sources), host="127.0.0.1", port=0)
    yield site
    site.close()


def browse(site: Site, profile: Path, *flags: str) -> tuple[str, list[str]]:
    """The document as the browser has it, and the complaints of its console."""
    done = subprocess.run(
        ["chromium", *FLAGS, f"--user-data-dir={profile}", *flags, f"http://{site.address}/"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_the_page_refreshes_itself_and_the_console_stays_empty(site, tmp_path):
    document, complaints = browse(site, tmp_path, "--virtual-time-budget=5000", "--dump-dom")
    assert complaints == []
    assert '<span id="freshness" role="status" class="good">live</span>' in document
    assert document.count("<table>") > 5
    assert "<img src=x" not in document


def test_the_page_is_drawn_and_complete_when_its_script_does_not_come(board, sources, tmp_path):
    def without_script(request: Request) -> Answer:
        return Answer.text("", 404) if request.path == "/page.js" else respond(sources, request)

    site = Site(without_script, host="127.0.0.1", port=0)
    picture = tmp_path / "page.png"
    try:
        document, _ = browse(site, tmp_path / "one", "--dump-dom")
        browse(site, tmp_path / "two", f"--screenshot={picture}")
    finally:
        site.close()
    assert "as of the last load" in document
    assert all(text in document for text in ("clicks[0]", "left to restore", "<svg", 'http-equiv="refresh"'))
    assert picture.stat().st_size > 50_000


def test_the_page_is_made_in_much_less_than_a_second(sources):
    began = time.perf_counter()
    respond(sources, Request("/"))
    assert time.perf_counter() - began < LOAD_SECONDS_MAX
