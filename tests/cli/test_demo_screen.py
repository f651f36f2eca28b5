"""The screen of the demo: a picture of constant height that fits the terminal, or lines for a log file."""

import io
import re

import pytest

from streamframe.cli.demo_board import Board
from streamframe.cli.demo_screen import Frame, Screen, Style, fit, picture, style_for, summary
from streamframe.runtime.messages import WorkerStarted
from tests.cli.test_demo_board import result, snapshot

FRAME = Frame(broker="Apache Kafka at 127.0.0.1:9092", partitions=4, seconds=60.0, page="http://127.0.0.1:7070/")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def busy_board():
    board = Board(2)
    board.phase, board.sent, board.lag = "running", 12_345, 67
    board.event(WorkerStarted(slot=0, pid=4711, restarts=0), 0.0)
    board.event(WorkerStarted(slot=1, pid=4712, restarts=0), 0.0)
    board.event(snapshot(0, {0: "running", 1: "running"}, commits=8), 1.0)
    board.event(snapshot(1, {2: "restoring"}), 1.0)
    board.result(2, result(10_000, "ann", 3_000, 1_234.4))
    return board


def drawn(board, *, width=96, style=None):
    return picture(board, FRAME, elapsed=5.0, width=width, style=style or Style(colour=False))


def test_the_picture_shows_what_the_board_knows():
    text = "\n".join(drawn(busy_board()))
    assert "00:05 / 01:00" in text
    assert re.search(r"1\s+3 000\s+1 234\s+ann 3 000\s+□□■□", text)
    assert re.search(r"in 12 345\s+windows out 1\s+late 0\s+dead letters 0", text)
    assert re.search(r"lag 67\s+commits 8\s+rollbacks 0\s+restarts 0", text)
    assert re.search(r"worker 0\s+pid 4711\s+partitions 0 1\s+running", text)
    assert re.search(r"worker 1\s+pid 4712\s+restoring", text)


def test_the_picture_says_where_the_status_page_is():
    assert any("status page: http://127.0.0.1:7070/" in line for line in drawn(busy_board()))


def test_the_hint_names_a_worker_that_runs():
    assert any("kill -9 4711" in line for line in drawn(busy_board()))


def test_the_height_never_changes():
    assert len(drawn(Board(2))) == len(drawn(busy_board()))


@pytest.mark.parametrize("width", [20, 60, 200])
def test_no_line_is_wider_than_the_terminal(width):
    lines = drawn(busy_board(), width=width, style=Style(colour=True))
    assert max(len(ESCAPE.sub("", line)) for line in lines) <= width


def test_a_terminal_without_unicode_gets_ascii():
    text = "\n".join(drawn(busy_board(), style=Style(colour=False, plain=True)))
    assert text.isascii()
    assert "..#." in text


def test_a_line_is_cut_between_its_colours():
    assert fit("\x1b[1mabc\x1b[0mdef", 4) == "\x1b[1mabc\x1b[0md"


def test_the_summary_is_one_line():
    assert summary(busy_board(), elapsed=65.0) == (
        "01:05  in 12 345, windows out 1, late 0, dead letters 0, lag 67, commits 8, rollbacks 0, restarts 0"
    )


def test_a_log_file_gets_each_event_once_and_a_summary_every_few_seconds():
    stream = io.StringIO()
    screen, board = Screen(stream, Style(colour=False)), busy_board()
    for elapsed in (0.0, 1.0, 5.0, 5.1, 9.9, 10.0):
        screen.show(board, FRAME, elapsed=elapsed)
    board.phase = "closing the last windows"
    for elapsed in (11.0, 12.0):
        screen.show(board, FRAME, elapsed=elapsed)
    screen.leave()
    lines = stream.getvalue().splitlines()
    assert [line for line in lines if "started" in line] == [
        "00:00  worker 0 started, pid 4711",
        "00:00  worker 1 started, pid 4712",
    ]
    assert [line[:5] for line in lines if "windows out" in line] == ["00:05", "00:10"]
    assert [line for line in lines if "closing" in line] == ["00:11  closing the last windows"]
    assert "\x1b" not in stream.getvalue()


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


def test_a_terminal_is_drawn_over_and_gets_its_cursor_back():
    stream = Terminal()
    screen, board = Screen(stream, Style(colour=False)), busy_board()
    screen.show(board, FRAME, elapsed=1.0)
    height = stream.getvalue().count("\n")
    screen.show(board, FRAME, elapsed=2.0)
    screen.leave()
    assert f"\x1b[{height}A\r" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h")


def test_colours_need_a_terminal_and_permission(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert style_for(Terminal(), colour=True).colour
    assert not style_for(Terminal(), colour=False).colour
    assert not style_for(io.StringIO(), colour=True).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not style_for(Terminal(), colour=True).colour
