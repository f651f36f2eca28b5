"""What a page is about: the last snapshot of one worker or of all workers of a supervisor, and recent notices.

The board is written by the thread that works and read by those that serve pages. Every value on it is immutable and is
replaced as a whole, so a reader never waits, and nobody waits for a reader.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from streamframe.engine.snapshot import Snapshot
from streamframe.observe.history import History, Point

NOTICES_KEPT: Final = 100

RATE_MICROS: Final = 15_000_000
"""Shares of time and rates are those of the last quarter to half minute."""

_KEPT_LEVELS: Final = ("warning", "error", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who serves the page.

    Attributes:
        application: The application.
        version: Version of StreamFrame.
        python: Version of Python.
        librdkafka: Version of the Kafka client; empty in a supervisor, which has none.
        fingerprint: Fingerprint of the topology's state; empty in a supervisor.
        guarantee: ``exactly_once`` or ``at_least_once``.
        known: Series that are shown as 0 before anything happened: metric to values of its second label.
        known_drops: The same for ``rows_dropped``: operator and reason.
        changelogs: Store by name of its changelog topic.
        workers: Number of worker processes that should run; 0 in a worker.
        alive_seconds: A loop that has not turned for so long counts as dead.
    """

    application: str
    version: str = ""
    python: str = ""
    librdkafka: str = ""
    fingerprint: str = ""
    guarantee: str = ""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known_drops: tuple[tuple[str, str], ...] = ()
    changelogs: Mapping[str, str] = field(default_factory=dict)
    workers: int = 0
    alive_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One line of the log that somebody should see.

    Attributes:
        at: Seconds since the epoch.
        worker: Slot of the worker; ``None`` in the worker itself.
        level: Its level.
        text: What happened.
        facts: Names and values.
    """

    at: float
    worker: int | None
    level: str
    text: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Everything a page shows, at one moment.

    Attributes:
        snapshots: The last snapshot of each living worker, by slot.
        earlier: One of each that is up to half a minute older, when there is one: rates are taken between them.
        points: The last minutes, the oldest point first.
        remarks: Recent warnings and errors, the newest first.
        restarts: Workers that were started again.
        now: Seconds since the epoch.
    """

    snapshots: Mapping[int, Snapshot]
    earlier: Mapping[int, Snapshot] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    remarks: tuple[Remark, ...] = ()
    restarts: int = 0
    now: float = 0.0


class Board:
    """The last that is known; see the module docstring."""

    def __init__(self) -> None:
        self._next_earlier: dict[int, Snapshot] = {}
        self._fleet = Fleet(snapshots={})
        self._remarks: deque[Remark] = deque(maxlen=NOTICES_KEPT)
        self._history = History()
        self._writing = threading.Lock()

    def show(self, snapshot: Snapshot, slot: int = 0) -> None:
        """Put up the snapshot of a worker."""
        with self._writing:
            earlier = self._fleet.earlier
            kept = self._next_earlier.setdefault(slot, snapshot)
            if snapshot.now - kept.now >= RATE_MICROS:
                earlier = {**earlier, slot: kept}
                self._next_earlier[slot] = snapshot
            self._history.take(slot, snapshot)
            snapshots = {**self._fleet.snapshots, slot: snapshot}
            points = self._history.points()
            self._fleet = replace(self._fleet, snapshots=snapshots, earlier=earlier, points=points)

    def remove(self, slot: int, *, restarted: bool = False) -> None:
        """Take down the snapshot of a worker that has ended."""
        with self._writing:
            self._next_earlier.pop(slot, None)
            self._history.forget(slot)
            left = {number: snapshot for number, snapshot in self._fleet.snapshots.items() if number != slot}
            earlier = {number: snapshot for number, snapshot in self._fleet.earlier.items() if number != slot}
            restarts = self._fleet.restarts + int(restarted)
            self._fleet = replace(self._fleet, snapshots=left, earlier=earlier, restarts=restarts)

    def remark(self, level: str, text: str, facts: Mapping[str, object], worker: int | None = None) -> None:
        """Keep a warning or an error; other levels are left to the log."""
        if level not in _KEPT_LEVELS:
            return
        plain = {name: str(value) for name, value in facts.items()}
        remark = Remark(at=time.time(), worker=worker, level=level, text=text, facts=plain)
        with self._writing:
            self._remarks.appendleft(remark)
            self._fleet = replace(self._fleet, remarks=tuple(self._remarks))

    def fleet(self) -> Fleet:
        """Return what is known now."""
        return replace(self._fleet, now=time.time())
