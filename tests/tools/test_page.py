"""The status page in a real browser: quick, quiet, free of axe violations, usable by keyboard and without a script."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from streamframe.core.metric_values import HistogramSnapshot
from streamframe.observe.fleet import Board
from streamframe.observe.history import POINT_SECONDS
from streamframe.observe.routes import Sources, respond
from streamframe.observe.site import Answer, Request, Site
from tests.observe.fleets import IDENTITY, NOW, PLAN, SECOND, snapshot
from tests.tools.browser import chromium

LOAD_MS_MAX = 1_000


def running(board: Board) -> None:
    """Ten points of a program that keeps up."""
    for number in range(10):
        board.show(work(number, lag=0), 0)


def overloaded(board: Board) -> None:
    """Lag that grows, and a worker that has ended."""
    for number in range(10):
        board.show(work(number, lag=50_000 * number), 0)
        board.show(work(number, lag=40_000 * number), 1)
    board.remark("error", "<img src=x onerror=alert(1)>", {"exit_code": -9}, 1)
    board.remove(1, restarted=True)


def restoring(board: Board) -> None:
    """One task of two."""
    board.show(snapshot())


def work(number: int, *, lag: int):
    measured = replace(
        snapshot().measured,
        consumed={"clicks": (1_000 * number, 0)},
        produced={"counts": (100 * number, 0)},
        loop={"process": 4 * number * SECOND, "idle": number * SECOND},
        histograms={"end_to_end_latency_seconds:clicks": HistogramSnapshot(counts=(0, number, 2 * number), total=1.0)},
    )
    (first, *_) = snapshot().partitions
    (task, *_) = snapshot().tasks
    behind = replace(first, lag=lag, record_time=NOW - 60 * SECOND)
    return snapshot(
        now=NOW + number * POINT_SECONDS * SECOND,
        state="running",
        tasks=(task,),
        partitions=(behind,),
        lag={"clicks[0]": lag},
        measured=measured,
    )


SCENES = {"running": running, "overloaded": overloaded, "restoring": restoring, "empty": lambda board: None}


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@contextmanager
def served(scene: str, *, script: bool = True) -> Iterator[str]:
    """The address of a page with a scene on it."""
    board = Board()
    SCENES[scene](board)
    sources = Sources(
        identity=IDENTITY, board=board, metrics=lambda: b"", plan=lambda: PLAN, query=lambda _store, _key: {}
    )

    def answer(request: Request) -> Answer:
        lost = request.path == "/page.js" and not script
        return Answer.text("", 404) if lost else respond(sources, request)

    site = Site(answer, host="127.0.0.1", port=0)
    try:
        yield f"http://{site.address}/"
    finally:
        site.close()


@contextmanager
def opened(browser: Browser, url: str, **options) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what its console says."""
    context = browser.new_context(**options)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url, wait_until="load")
    yield page, said
    context.close()


VIEWS = [*((scene, "light", 1400) for scene in SCENES), ("overloaded", "dark", 1400), ("overloaded", "light", 360)]


@pytest.mark.parametrize(("scene", "scheme", "width"), VIEWS)
def test_axe_finds_no_violation_and_the_console_is_empty(browser, scene, scheme, width):
    size = {"width": width, "height": 900}
    with served(scene) as url, opened(browser, url, color_scheme=scheme, viewport=size) as (page, said):
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert said == []


def test_the_page_is_loaded_in_less_than_a_second(browser):
    with served("overloaded") as url, opened(browser, url) as (page, _):
        took = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert 0 < took < LOAD_MS_MAX


def test_nothing_on_the_page_is_wider_than_a_telephone_but_what_scrolls_by_itself(browser):
    size = {"width": 360, "height": 800}
    with served("overloaded") as url, opened(browser, url, viewport=size) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_is_complete_without_a_script(browser):
    with served("overloaded") as url, opened(browser, url, java_script_enabled=False) as (page, _):
        captions = page.locator("caption").all_inner_texts()
        assert any("Input partitions" in text for text in captions)
        assert any("Steps" in text for text in captions)
        assert page.locator("svg.plan").count() == 1
        assert page.locator("figure.chart svg[role=img]").count() >= 5
        page.locator("summary").first.click()
        assert page.locator("#trends-table table").is_visible()
        assert "Falling behind" in page.locator(".verdict").inner_text()


def test_what_a_record_says_is_shown_as_text(browser):
    with served("overloaded") as url, opened(browser, url) as (page, said):
        assert page.locator("img").count() == 0
        assert page.get_by_text("<img src=x onerror=alert(1)>").count() == 1
        assert said == []


def test_everything_can_be_reached_by_keyboard_in_the_order_of_the_page(browser):
    with served("overloaded") as url, opened(browser, url) as (page, _):
        seen = []
        for _step in range(40):
            page.keyboard.press("Tab")
            place = page.evaluate(
                "[document.activeElement.tagName, document.activeElement.getAttribute('aria-label') || "
                "document.activeElement.textContent, document.activeElement.getBoundingClientRect().top + scrollY]"
            )
            if place[0] == "BODY":
                break
            seen.append(place)
        texts = [text for _, text, _ in seen]
        assert texts[0] == "skip to the content"
        assert {"plan, to scroll", "Input partitions, the one that is furthest behind first, to scroll"} <= set(texts)
        assert sum(tag == "SUMMARY" for tag, _, _ in seen) == 2
        inside = [top for tag, _, top in seen if tag in ("DIV", "SUMMARY")]
        assert inside == sorted(inside)


def test_the_page_keeps_itself_up_to_date_and_what_was_opened_open(browser):
    board = Board()
    running(board)
    sources = Sources(
        identity=IDENTITY, board=board, metrics=lambda: b"", plan=lambda: PLAN, query=lambda _store, _key: {}
    )
    site = Site(partial(respond, sources), host="127.0.0.1", port=0)
    try:
        with opened(browser, f"http://{site.address}/") as (page, said):
            page.locator("#commits-table summary").click()
            page.evaluate("document.activeElement.blur()")
            board.show(work(11, lag=77))
            page.get_by_text("77", exact=True).first.wait_for(timeout=10_000)
            assert page.locator("#commits-table table").is_visible()
            assert page.locator("#freshness").inner_text() == "live"
            assert said == []
    finally:
        site.close()


def test_a_process_that_has_ended_is_said_to_have_ended(browser):
    with served("running") as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
    page.get_by_text("no answer: the process has ended").wait_for(timeout=10_000)
    context.close()
