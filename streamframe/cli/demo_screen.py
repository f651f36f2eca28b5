"""The screen of the demo: a picture of the board as lines of text, drawn in place on a terminal.

``picture`` is pure. ``Screen`` draws it over the previous one; when the output is no terminal, it writes one
summary line every few seconds instead, so that a log file stays readable.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from streamframe.cli.demo_board import EVENTS_SHOWN, WINDOWS_SHOWN, Board, WindowLine, WorkerLine
from streamframe.cli.demo_terms import GRACE_MS, WINDOW_MS, spaced

WIDTH_MAX: Final = 96
SUMMARY_SECONDS: Final = 5.0

_ESCAPE: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CURSOR_OFF: Final = "\x1b[?25l"
_CURSOR_ON: Final = "\x1b[?25h"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"


@dataclass(frozen=True, slots=True)
class Style:
    """How words are set off. Without colour all are plain.

    Attributes:
        colour: Whether escape sequences may be used.
        plain: Whether only ASCII may be used.
    """

    colour: bool
    plain: bool = False

    def dim(self, text: str) -> str:
        """Something that one need not read."""
        return self._set("2", text)

    def bold(self, text: str) -> str:
        """Something that one should read."""
        return self._set("1", text)

    def good(self, text: str) -> str:
        """Something that went well."""
        return self._set("32", text)

    def warm(self, text: str) -> str:
        """Something that happens right now."""
        return self._set("33", text)

    def bad(self, text: str) -> str:
        """Something that went wrong."""
        return self._set("31", text)

    def _set(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def glyph(self, fine: str, simple: str) -> str:
        """A character, or its ASCII form."""
        return simple if self.plain else fine


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is the same in every picture.

    Attributes:
        broker: What runs, and where.
        partitions: Partitions of the input.
        seconds: Length of the demo.
        page: Address of the status page.
    """

    broker: str
    partitions: int
    seconds: float
    page: str = ""


# -- the picture -----------------------------------------------------------------------------------


def picture(board: Board, frame: Frame, *, elapsed: float, width: int, style: Style) -> list[str]:
    """Return the lines to draw; their number is always the same."""
    width = min(width, WIDTH_MAX)
    clock = f"{_minutes(min(elapsed, frame.seconds))} / {_minutes(frame.seconds)}"
    title, broker = "StreamFrame demo", f"  {frame.broker}"
    gap = " " * max(1, width - len(title + broker + clock))
    arrow = style.glyph("→", ">")
    steps = ("clicks", "amount > 0", "euro", "per user and 10 s, 2 s grace", "click-totals, exactly once")
    lines = [
        style.bold(title) + style.dim(broker + gap + clock),
        style.dim(f" {arrow} ".join(steps)),
        style.dim(style.glyph("─", "-") * width),
        *_windows(board, frame, style),
        "",
        *_counters(board, style),
        "",
        *(_worker(worker, style) for worker in board.workers),
        "",
        style.dim("status page: ") + frame.page + style.dim("  (plan, lag, state, errors; open it in a browser)"),
        *_hint(board, style),
        "",
        *_events(board, style),
    ]
    return [fit(line, width) for line in lines]


def _windows(board: Board, frame: Frame, style: Style) -> list[str]:
    size, grace = WINDOW_MS // 1_000, GRACE_MS // 1_000
    rows = [style.dim(f"{'window':<21}{'users':>8}{'clicks':>10}{'euro':>14}   {'busiest':<19}partitions")]
    rows += [_window(line, frame.partitions, style) for line in board.windows]
    if not board.windows:
        rows.append(style.dim(f"the first windows of {size} s close {grace} s after their end"))
    return rows + [""] * (WINDOWS_SHOWN + 1 - len(rows))


def _window(line: WindowLine, partitions: int, style: Style) -> str:
    span = f"{_time_of_day(line.start)} - {_time_of_day(line.start + WINDOW_MS)}"
    arrived = "".join(
        style.glyph("■", "#") if number in line.partitions else style.glyph("□", ".") for number in range(partitions)
    )
    complete = len(line.partitions) == partitions
    busiest = f"{line.top_user} {spaced(line.top_clicks)}"
    return (
        f"{span:<21}{spaced(line.users):>8}{spaced(line.clicks):>10}{spaced(round(line.euro)):>14}   {busiest:<19}"
        + (style.dim(arrived) if complete else style.warm(arrived))
    )


def _counters(board: Board, style: Style) -> list[str]:
    lag = "?" if board.lag is None else spaced(board.lag)
    first = [
        ("in", spaced(board.sent)),
        ("windows out", spaced(board.results)),
        ("late", spaced(board.late)),
        ("dead letters", spaced(board.dead_letters)),
    ]
    second = [
        ("lag", lag),
        ("commits", spaced(board.commits)),
        ("rollbacks", spaced(board.rollbacks)),
        ("restarts", spaced(board.restarts)),
    ]
    return ["".join(_counter(label, number, style) for label, number in row) for row in (first, second)]


def _counter(label: str, number: str, style: Style) -> str:
    return f"{style.dim(label)} {style.bold(number)}" + " " * max(2, 23 - len(label) - len(number))


def _worker(worker: WorkerLine, style: Style) -> str:
    pid = f"pid {worker.pid}" if worker.pid else ""
    partitions = "partitions " + " ".join(map(str, worker.partitions)) if worker.partitions else ""
    paint = {"running": style.good, "stopped": style.dim}.get(worker.state, style.warm)
    return f"worker {worker.slot}   {pid:<12} {partitions:<21} {paint(worker.state)}"


def _hint(board: Board, style: Style) -> list[str]:
    alive = [worker for worker in board.workers if worker.pid and worker.state == "running"]
    if board.phase != "running" or not alive:
        return [style.dim(board.phase if board.phase != "running" else "")]
    victim = alive[-1].pid
    return [style.dim("kill a worker in another terminal: ") + f"kill -9 {victim}" + style.dim("   end: Ctrl-C")]


def _events(board: Board, style: Style) -> list[str]:
    lines = [f"{style.dim(_time_of_day(int(at * 1000)))}  {text}" for at, text in board.events]
    return lines + [""] * (EVENTS_SHOWN - len(lines))


def summary(board: Board, *, elapsed: float) -> str:
    """Return one line about everything."""
    lag = "?" if board.lag is None else spaced(board.lag)
    return (
        f"{_minutes(elapsed)}  in {spaced(board.sent)}, windows out {spaced(board.results)}, "
        f"late {spaced(board.late)}, dead letters {spaced(board.dead_letters)}, lag {lag}, "
        f"commits {spaced(board.commits)}, rollbacks {spaced(board.rollbacks)}, restarts {spaced(board.restarts)}"
    )


def fit(line: str, width: int) -> str:
    """Cut a line to a width that the terminal has, and close its colours.

    Example:
        >>> fit("abcdef", 3)
        'abc'
    """
    visible, position, pieces = 0, 0, []
    for escape in [*_ESCAPE.finditer(line), None]:
        end = len(line) if escape is None else escape.start()
        text = line[position:end][: width - visible]
        pieces.append(text)
        visible += len(text)
        if escape is not None:
            pieces.append(escape.group())
            position = escape.end()
    return "".join(pieces)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _time_of_day(millis: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(millis / 1_000))


# -- the terminal ----------------------------------------------------------------------------------


class Screen:
    """Draws pictures in place on a terminal, or writes lines to anything else.

    Args:
        stream: Where to write.
        style: How to set words off.
    """

    def __init__(self, stream: TextIO, style: Style) -> None:
        self.style = style
        self.in_place = stream.isatty()
        self._stream = stream
        self._drawn = 0
        self._summary_at = 0.0
        self._phase = "running"
        self._told: set[tuple[float, str]] = set()

    def show(self, board: Board, frame: Frame, *, elapsed: float) -> None:
        """Show how things are now."""
        if not self.in_place:
            self._show_lines(board, elapsed)
            return
        width, height = shutil.get_terminal_size()
        lines = picture(board, frame, elapsed=elapsed, width=width - 1, style=self.style)[: height - 1]
        self._write(_CURSOR_OFF + self._home() + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW)
        self._drawn = len(lines)

    def leave(self) -> None:
        """Leave the last picture where it is, and go on below it."""
        if self.in_place:
            self._write(_CURSOR_ON)
        self._drawn = 0

    def say(self, lines: Sequence[str]) -> None:
        """Write lines below everything."""
        self._write("".join(f"{line}\n" for line in lines))

    def _show_lines(self, board: Board, elapsed: float) -> None:
        for at, text in board.events:
            if (at, text) not in self._told:
                self._told.add((at, text))
                self.say([f"{_minutes(elapsed)}  {text}"])
        if board.phase != self._phase:
            self._phase = board.phase
            self.say([f"{_minutes(elapsed)}  {board.phase}"] if board.phase else [])
        if elapsed - self._summary_at >= SUMMARY_SECONDS:
            self._summary_at = elapsed
            self.say([summary(board, elapsed=elapsed)])

    def _home(self) -> str:
        return f"\x1b[{self._drawn}A\r" if self._drawn else ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def style_for(stream: TextIO, *, colour: bool) -> Style:
    """Return the style that a stream can show; ``NO_COLOR`` in the environment is respected."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    return Style(
        colour=colour and stream.isatty() and not os.environ.get("NO_COLOR"), plain=not encoding.startswith("utf")
    )
