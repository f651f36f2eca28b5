"""Tell a waiting person what happens: a bar on a terminal, two lines in a log file."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

_BAR_WIDTH = 24
_REDRAW_SECONDS = 0.1


class Progress(Protocol):
    """Hears of the steps of a slow start."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """A step begins: ``total`` of ``unit`` (``"bytes"`` or ``"steps"``) are to be done."""

    def advance(self, amount: int) -> None:
        """So much more of the step is done."""

    def end(self) -> None:
        """The step is over."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class SilentProgress:
    """Says nothing."""

    def begin(self, what: str, total: int, unit: str) -> None:
        pass

    def advance(self, amount: int) -> None:
        pass

    def end(self) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class ConsoleProgress:
    """Draws a bar when the stream is a terminal, else writes a line at the end of each step.

    Args:
        stream: Where to write; standard error by default, so that standard output stays for results.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._draws = self._stream.isatty()
        self._what, self._total, self._unit, self._done = "", 0, "steps", 0
        self._began = self._drawn = 0.0

    def begin(self, what: str, total: int, unit: str) -> None:
        self._what, self._total, self._unit, self._done = what, total, unit, 0
        self._began, self._drawn = time.monotonic(), 0.0
        if self._draws:
            self._draw()
        else:
            self._write(f"{what} ...\n")

    def advance(self, amount: int) -> None:
        self._done += amount
        # Bytes arrive in thousands of pieces; steps are few and each is news.
        if self._draws and (self._unit == "steps" or time.monotonic() - self._drawn >= _REDRAW_SECONDS):
            self._draw()

    def end(self) -> None:
        seconds = f"{time.monotonic() - self._began:.1f} s"
        size = f"{_megabytes(self._done)}, " if self._unit == "bytes" else ""
        self._write(f"{self._clear()}{self._what}: done ({size}{seconds})\n")

    def note(self, text: str) -> None:
        self._write(f"{self._clear()}{text}\n")

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        share = min(1.0, self._done / self._total) if self._total else 0.0
        bar = "#" * round(share * _BAR_WIDTH)
        size = (
            f"{_megabytes(self._done)} of {_megabytes(self._total)}"
            if self._unit == "bytes"
            else f"{self._done} of {self._total}"
        )
        self._write(f"{self._clear()}{self._what} [{bar:<{_BAR_WIDTH}}] {size}")

    def _clear(self) -> str:
        return "\r\x1b[K" if self._draws else ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
