"""The generator of the demo: a process that writes click events as the world would send them.

Events are out of order by up to a second, some come far too late, some cannot be read, and one user makes a fifth
of them. Everything but the time is drawn from a seed. Event time is the wall clock less the disorder.

The process is steered through its standard input, and its end is the end of whoever started it::

    -> "finish"      write one closing record to each partition, flush, and end
    -> end of file   end at once: the demo is gone
    <- {"sent": 4012, "finished": false}     a line, four times a second
"""

from __future__ import annotations

import argparse
import json
import random
import select
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streamframe.cli.demo_terms import CLICKS

USERS: Final = 5_000
HOT_USER: Final = "u000007"
HOT_SHARE: Final = 0.20
FREE_SHARE: Final = 0.10
"""Clicks without an amount: the program filters them."""
LATE_SHARE: Final = 0.005
MALFORMED_SHARE: Final = 0.002
DISORDER_MS: Final = 1_000
LATE_MS: Final = (15_000, 60_000)
"""How old a late click is: more than a window and its grace."""
CLOSING_MS: Final = 120_000
"""A closing record is so far ahead of the clock: every window that holds a click is over then."""
CLOSING_USER: Final = "closing"

_TICK_SECONDS: Final = 0.02
_REPORT_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Event:
    """One record: its key and its bytes."""

    user: str
    value: bytes


class ClickSource:
    """Draws click events.

    Args:
        seed: Equal seeds draw equal events, but for their times.

    Example:
        >>> first = ClickSource(seed=1).draw(now_ms=1_700_000_000_000)
        >>> first == ClickSource(seed=1).draw(now_ms=1_700_000_000_000)
        True
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - chance for a demo, not for secrets

    def draw(self, now_ms: int) -> Event:
        """Return the next event at this time of the clock."""
        chance = self._chance
        user = HOT_USER if chance.random() < HOT_SHARE else f"u{chance.randrange(USERS):06d}"
        amount = 0.0 if chance.random() < FREE_SHARE else chance.randrange(1, 10_000) / 100
        ts = now_ms - chance.randrange(DISORDER_MS + 1)
        if chance.random() < LATE_SHARE:
            ts = now_ms - chance.randrange(*LATE_MS)
        click = {"user": user, "page": f"/p/{chance.randrange(50)}", "amount": amount, "ts": ts}
        malformed = chance.random() < MALFORMED_SHARE
        return Event(user, self._malformed(click) if malformed else _json(click))

    def _malformed(self, click: dict[str, object]) -> bytes:
        """Return what a bug somewhere upstream makes of a click."""
        match self._chance.randrange(4):
            case 0:
                whole = _json(click)
                return whole[: self._chance.randrange(1, len(whole))]
            case 1:
                return _json({**click, "amount": "12,50"})
            case 2:
                return _json({**click, "user": 17})
            case _:
                return _json({**click, "ts": None})


def closing_event(now_ms: int) -> Event:
    """Return the event that moves the time of its partition beyond every window.

    Its amount is 0, so the program filters it: it moves the time and is in no result.
    """
    closing = {"user": CLOSING_USER, "page": "/", "amount": 0.0, "ts": now_ms + CLOSING_MS}
    return Event(CLOSING_USER, _json(closing))


def _json(click: dict[str, object]) -> bytes:
    return json.dumps(click, separators=(",", ":")).encode()


# -- the process -----------------------------------------------------------------------------------


def main() -> int:
    """Write events until told to finish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="events per second")
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the demo decides when to finish.

    from streamframe.broker.clients import RecordWriter

    writer = RecordWriter(options.bootstrap, CLICKS)
    source, reporter = ClickSource(options.seed), _Reporter()
    sent = 0
    for due in _due(options.rate):
        for _ in range(due):
            event = source.draw(_now_ms())
            writer.write(event.user, event.value)
        sent += due
        writer.settle()
        reporter.say(sent)
    for partition in range(options.partitions):
        event = closing_event(_now_ms())
        writer.write(event.user, event.value, partition=partition)
    writer.flush()
    reporter.say(sent + options.partitions, finished=True)
    return 0


def _due(rate: float) -> Iterator[int]:
    """Yield how many events are due, again and again, until somebody says "finish"."""
    began, done = time.monotonic(), 0
    while not _told_to_finish():
        due = int((time.monotonic() - began) * rate) - done
        yield due
        done += due


def _told_to_finish() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], _TICK_SECONDS)
    if not readable:
        return False
    if not sys.stdin.readline():
        raise SystemExit(0)  # Nobody is left to write for.
    return True


class _Reporter:
    """Tells the demo how far it is, not more often than a person can read."""

    def __init__(self) -> None:
        self._said_at = 0.0

    def say(self, sent: int, *, finished: bool = False) -> None:
        if finished or time.monotonic() - self._said_at >= _REPORT_SECONDS:
            self._said_at = time.monotonic()
            print(json.dumps({"sent": sent, "finished": finished}), flush=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
