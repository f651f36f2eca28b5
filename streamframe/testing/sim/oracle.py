"""The right answer: record at a time, in plain Python, straight from the rules of time and windows.

No pandas, numpy or Arrow, nothing shared with the code under test. Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streamframe.testing.sim.records import Input

NEVER = -(1 << 62)
"""Stream time of a partition that never had a row."""

FLUSHED = 1 << 62
"""Watermark of a bounded run that closes everything in the end."""

MS = 1_000

Values = Sequence[object]


@dataclass(frozen=True, slots=True)
class Item:
    """One row on its way.

    Attributes:
        task: Number of the task that it is in.
        lane: What its stream time belongs to: topic and partition, or a step and task.
        order: Its place among rows of equal event time.
        time: Event time.
        observed: Stream time of its lane, up to and including it.
        columns: Its columns.
    """

    task: int
    lane: tuple[str, int]
    order: tuple[int, int, int]
    time: int
    observed: int
    columns: Mapping[str, object]


@dataclass(slots=True)
class Stream:
    """All rows that pass a point of the topology, and how far each task is in the end."""

    items: list[Item] = field(default_factory=list)
    watermarks: dict[int, int] = field(default_factory=dict)

    def repartitioned(self) -> Stream:
        """Return the same rows behind a repartition topic: everybody waits for the slowest."""
        slowest = min(self.watermarks.values())
        items = [Item(0, i.lane, i.order, i.time, i.observed, i.columns) for i in self.items]
        return Stream(items, {0: slowest})


def source(given: Input, topics: Sequence[str], *, flush: bool = False) -> Stream:
    """Return the rows of topics that are read together, partition by partition; ``flush``: all windows close."""
    stream = Stream()
    reached: dict[int, list[int]] = {}
    for (topic, partition), rows in sorted(given.items()):
        if topic not in topics:
            continue
        observed = NEVER
        for position, row in enumerate(rows):
            if row.time is None:
                continue
            observed = max(observed, row.time)
            order = (topics.index(topic), partition, position)
            stream.items.append(Item(partition, (topic, partition), order, row.time, observed, row.columns))
        reached.setdefault(partition, []).append(observed)
    stream.watermarks = {partition: FLUSHED if flush else min(times) for partition, times in reached.items()}
    return stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows in microseconds."""

    size: int
    every: int
    grace: int = 0

    def of(self, time: int) -> list[int]:
        """Return the starts of the windows that contain a time."""
        start = time // self.every * self.every
        found = []
        while start + self.size > time:
            found.append(start)
            start -= self.every
        return found[::-1]

    def closing(self, start: int) -> int:
        """Return the watermark that closes a window."""
        return start + self.size + self.grace


Aggregations = Mapping[str, tuple[str, str]]
"""Output -> (column, function)."""

Group = tuple[object, ...]
"""Key columns, and with windows the start in milliseconds."""


@dataclass(slots=True)
class Answer:
    """What an aggregate must give in the end.

    Attributes:
        closed: Results of groups whose window has closed, or of all groups without windows.
        open: Results of groups whose window is still open.
        task: The task of each group.
        closing: The watermark that closes each group's window.
        late: Every late row, once per window that it missed, with that window.
        late_items: The same as rows, for the next step.
        items: The results as rows, for the next step.
    """

    closed: dict[Group, dict[str, object]] = field(default_factory=dict)
    open: dict[Group, dict[str, object]] = field(default_factory=dict)
    task: dict[Group, int] = field(default_factory=dict)
    closing: dict[Group, int] = field(default_factory=dict)
    late: list[tuple[object, int]] = field(default_factory=list)
    late_items: list[Item] = field(default_factory=list)
    items: Stream = field(default_factory=Stream)


def windowed(stream: Stream, keys: Sequence[str], windows: Windows, aggregations: Aggregations) -> Answer:
    """Aggregate by key and window."""
    answer = Answer()
    members: dict[Group, list[Item]] = {}
    for item in stream.items:
        key = tuple(item.columns[name] for name in keys)
        if None in key:
            continue
        for start in windows.of(item.time):
            if windows.closing(start) <= item.observed:
                answer.late.append((item.columns["id"], start // MS))
                answer.late_items.append(item)
            else:
                group = (*key, start // MS)
                members.setdefault(group, []).append(item)
                answer.task[group] = item.task
                answer.closing[group] = windows.closing(start)
    for group, items in members.items():
        closed = answer.closing[group] <= stream.watermarks[answer.task[group]]
        (answer.closed if closed else answer.open)[group] = results(items, aggregations)
    answer.items = _emitted(answer, stream, keys, windows)
    return answer


def _emitted(answer: Answer, stream: Stream, keys: Sequence[str], windows: Windows) -> Stream:
    """Return the results as rows: their event time is the last instant of their window."""
    items = []
    for group, result in answer.closed.items():
        start = int(str(group[-1])) * MS
        time = start + windows.size - MS
        columns = {**dict(zip(keys, group, strict=False)), "id": None, **result}
        task = answer.task[group]
        items.append(Item(task, ("step", task), (0, task, 0), time, time, columns))
    watermarks = {t: w if abs(w) == FLUSHED else w - windows.grace - MS for t, w in stream.watermarks.items()}
    return Stream(items, watermarks)


def table(stream: Stream, keys: Sequence[str], aggregations: Aggregations) -> Answer:
    """Aggregate by key, without windows."""
    answer = Answer()
    members: dict[Group, list[Item]] = {}
    for item in stream.items:
        key = tuple(item.columns[name] for name in keys)
        if None not in key:
            members.setdefault(key, []).append(item)
            answer.task[key] = item.task
    answer.closed = {key: results(items, aggregations) for key, items in members.items()}
    return answer


def results(items: Iterable[Item], aggregations: Aggregations) -> dict[str, object]:
    """Return the results of the rows of one group."""
    ordered = sorted(items, key=lambda item: (item.time, item.order))
    found: dict[str, object] = {}
    for output, (column, function) in aggregations.items():
        if function == "size":
            found[output] = len(ordered)
        elif function == "spread":
            found[output] = sum(int(str(i.columns[column] or 0)) for i in ordered) * 1_000 + len(ordered)
        else:
            found[output] = FUNCTIONS[function]([v for i in ordered if (v := i.columns[column]) is not None])
    return found


FUNCTIONS: Mapping[str, Callable[[list[object]], object]] = {
    "count": len,
    "sum": lambda values: sum(int(str(value)) for value in values),
    "min": lambda values: min((int(str(value)) for value in values), default=None),
    "max": lambda values: max((int(str(value)) for value in values), default=None),
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "nunique": lambda values: len(set(values)),
}
