"""The targets, and which of them the committed figures reach. Nothing is measured here.

A figure that is not in the result files is "not measured"; one whose output was wrong reaches nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.results_files import PATHS, load

Figure = Callable[[str], float | None]
"""Data path -> the figure, ``None``: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A row of the table.

    Attributes:
        title: What is judged.
        figure: Finds the figure for a data path.
        pure: What the pure path should reach; ``None``: not judged.
        native: The same of the native path.
        stretch: What would be splendid.
        most: Whether more is better.
        case: The throughput case that it is about, for those about processor time.
        digits: Decimals to show.
        unit: Behind the figures.
    """

    title: str
    figure: Figure
    pure: float | None
    native: float | None
    stretch: float | None = None
    most: bool = False
    case: str = ""
    digits: int = 2
    unit: str = ""

    def goal(self, path: str) -> float | None:
        return self.native if path == "native" else self.pure

    def reached(self, value: float, goal: float) -> bool:
        return value >= goal if self.most else value <= goal

    def verdict(self, path: str) -> str:
        """Return the cell of a path: the figure, and what it means."""
        value, goal = self.figure(path), self.goal(path)
        if value is None:
            return "not measured"
        shown = f"{value:,.{self.digits}f}{self.unit}"
        if goal is None:
            return shown
        if self.stretch is not None and self.reached(value, self.stretch):
            return f"**{shown}** ✔✔"
        return f"**{shown}** ✔" if self.reached(value, goal) else f"{shown} ✘"

    def goals(self) -> list[str]:
        return ["" if goal is None else f"{'≥' if self.most else '≤'} {goal:,.6g}{self.unit}"
                for goal in (self.pure, self.native, self.stretch)]  # fmt: skip


def case_of(subject: str, name: str, path: str) -> dict[str, Any] | None:
    """Return a throughput case whose outputs were all right."""
    case = measured(subject, path).get(name)
    return case if case is not None and case["right"] else None


def measured(subject: str, path: str) -> dict[str, Any]:
    """Return what was measured, or nothing."""
    found = load(subject, path)
    return {} if found is None else found["measured"]


def cpu(name: str) -> Figure:
    """Processor seconds per million records."""
    return lambda path: None if (case := case_of("throughput", name, path)) is None else _median_cpu(case)


def rate(name: str) -> Figure:
    """Thousands of records per second of a core."""
    return lambda path: None if (value := cpu(name)(path)) is None else 1_000 / value


def against(peer: str, name: str) -> Figure:
    """How many times the throughput per core of a peer."""

    def figure(path: str) -> float | None:
        ours = cpu(name)(path)
        theirs = measured("peers", "").get(peer, {}).get("cases", {}).get(name)
        if ours is None or theirs is None or "reason" in theirs:
            return None
        return _median_cpu(theirs) / ours

    return figure


def latency(name: str) -> Figure:
    """The median run's 99th percentile, milliseconds."""

    def figure(path: str) -> float | None:
        runs = measured("latency", path).get(name, [])
        return None if not runs else statistics.median(run["p99_ms"] for run in runs)

    return figure


def restored(key: str, scale: float = 1.0) -> Figure:
    """The median of the restores whose output was right."""

    def figure(path: str) -> float | None:
        values = [run[key] * scale for run in measured("restore", path).get("runs", []) if run["right"]]
        return statistics.median(values) if values else None

    return figure


def memory(name: str) -> Figure:
    """Resident memory of the process tree, MB."""
    return lambda path: None if (case := case_of("throughput", name, path)) is None else case["rss_mb"]


def standing(part: str, key: str) -> Figure:
    return lambda path: measured("standing", path).get(part, {}).get(key)


def overhead(path: str) -> float | None:
    """What the calls of the meter take, in percent of the work."""
    return measured("metrics", path).get("meter", {}).get("percent")


def _median_cpu(case: dict[str, Any]) -> float:
    return float(case["cpu_s_per_million"]["median"])


def _cost(title: str, case: str, goals: tuple[float, float, float]) -> Target:
    pure, native, stretch = goals
    return Target(title=f"{title}, CPU s/M", figure=cpu(case), case=case, pure=pure, native=native, stretch=stretch)


def _rate(title: str, case: str, goals: tuple[float, float, float]) -> Target:
    pure, native, stretch = goals
    return Target(title=f"{title}, k records/s per core", figure=rate(case), case=case, pure=pure, native=native,
                  stretch=stretch, most=True, digits=0)  # fmt: skip


def _times(peer: str, title: str, goals: tuple[float, float, float]) -> Target:
    pure, native, stretch = goals
    return Target(title=f"… per core, times {title}", figure=against(peer, "tumbling"), pure=pure, native=native,
                  stretch=stretch, most=True, digits=1)  # fmt: skip


TARGETS = (
    _cost("tumbling per user", "tumbling", (2.4, 0.95, 0.65)),
    _times("kafka-streams", "Kafka Streams", (2, 5, 7)),
    _times("flink-rocksdb", "Flink SQL, RocksDB", (1.5, 3.5, 5)),
    _times("flink-heap", "Flink SQL, heap", (1, 2.5, 3.5)),
    _cost("every change of windows", "changes", (3.0, 1.3, 0.9)),
    _cost("filter and map", "map", (2.5, 1.0, 0.7)),
    _rate("a user's pandas function", "pandas-function", (250, 500, 800)),
    _rate("a user's `sf.Aggregate`", "own-aggregate", (250, 500, 800)),
    _cost("table, changes, 1 M keys", "table", (3.0, 1.5, 1.0)),
    _cost("repartitioned", "repartition", (2.8, 1.3, 0.9)),
    Target(title="latency of changes, p99 ms", figure=latency("changes"), pure=300, native=200, stretch=120, digits=0),
    Target(title="latency of map, p99 ms", figure=latency("map"), pure=200, native=110, stretch=80, digits=0),
    Target(title="restore, M rows/s", figure=restored("rows_per_s", 1e-6), pure=0.5, native=3, stretch=4, most=True),
    Target(title="running after the start of a restore, s", figure=restored("running_after_s"), pure=None, native=3),
    Target(title="RSS at 10 k keys, MB", figure=memory("tumbling"), pure=350, native=250, digits=0),
    Target(title="RSS at 1 M keys, MB", figure=memory("tumbling-million"), pure=700, native=500, digits=0),
    Target(title="start to first result, s", figure=standing("start", "first_output_s"), pure=4, native=3, stretch=2),
    Target(title="idle worker, % of a core", figure=standing("idle", "cpu_percent"), pure=1, native=1, digits=1),
    Target(title="what metrics cost, %", figure=overhead, pure=3, native=3, digits=1),
)
"""In the order of the page."""


def limits(path: str) -> dict[str, float]:
    """Return the processor seconds per million records that throughput cases should not exceed."""
    found = {}
    for target in TARGETS:
        goal = target.goal(path)
        if target.case and goal is not None:
            found[target.case] = 1_000 / goal if target.most else goal
    return found


def rows() -> list[list[str]]:
    """Return the table: title, three targets, the figure of each path with its verdict."""
    return [[target.title, *target.goals(), *(target.verdict(path) for path in PATHS)] for target in TARGETS]


def reached(path: str) -> tuple[int, int]:
    """Return how many of the targets of a path are reached, and how many there are."""
    judged = [(target, target.goal(path)) for target in TARGETS]
    wanted = [(target, goal) for target, goal in judged if goal is not None]
    found = [(target, goal, target.figure(path)) for target, goal in wanted]
    return sum(1 for target, goal, value in found if value is not None and target.reached(value, goal)), len(wanted)
