"""What must come out: each output topic is read to its committed end after every action and compared.

``see`` is given every committed record once, in order, as soon as a ``read_committed`` reader sees it, and raises
``Violation`` at the first one that is wrong. ``finish`` says whether everything is there.

Under ``at_least_once`` (``repeats``) a record may come again, and before the inputs that it is made of are
committed; but it must be right whenever it comes, and nothing may be missing in the end.
"""

from __future__ import annotations

import json
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from typing import Protocol

from streamframe.core.ids import TopicPartition
from streamframe.testing.memory_broker import Entry
from streamframe.testing.sim.oracle import Answer, Group
from streamframe.testing.sim.records import Input

Times = Mapping[int, int]
"""Watermark of each task, as far as it is committed."""


class Violation(AssertionError):
    """The engine has broken a promise."""


class Output(Protocol):
    """Expectation of one output topic."""

    topic: str
    repeats: bool

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        """Take the next committed record."""

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        """Compare with what is committed: watermarks, and how many records of each input were read."""

    def finish(self) -> None:
        """Everything must be there."""


def decoded(entry: Entry) -> dict[str, object]:
    """Return the columns of a JSON record."""
    found: dict[str, object] = json.loads(entry.value or b"{}")
    return found


class FinalWindows:
    """Each group of each closed window once, with the right values, in the commit that closes it.

    Args:
        topic: The topic.
        keys: Key columns.
        answer: What is right.
        own_times: Whether a group's window closes by the watermark of the task of its input partition, so
            that what must be there follows from the committed offsets alone.
    """

    def __init__(self, topic: str, keys: Sequence[str], answer: Answer, *, own_times: bool) -> None:
        self.topic = topic
        self.repeats = False
        self._keys = tuple(keys)
        self._answer = answer
        self._seen: dict[int, list[int]] = {}
        self._groups: dict[Group, None] = {}
        self._due: dict[int, list[int]] | None = None
        if own_times:
            self._due = {}
            for group in answer.closed:
                insort(self._due.setdefault(answer.task[group], []), answer.closing[group])

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        columns = decoded(entry)
        group = (*(columns[name] for name in self._keys), columns["window_start"])
        again = group in self._groups
        if again and not self.repeats:
            raise Violation(f"{self.topic}: window {group} came out twice, again at {tp}@{entry.offset}")
        right = self._answer.closed.get(group)
        if right is None:
            raise Violation(f"{self.topic}: nobody expects window {group} at {tp}@{entry.offset}")
        got = {name: columns[name] for name in right}
        if got != right:
            raise Violation(f"{self.topic}: window {group} is {got}, right is {right}")
        if again:
            return
        self._groups[group] = None
        self._seen.setdefault(self._answer.task[group], []).append(self._answer.closing[group])

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        if self._due is None or self.repeats:
            return
        for task, time in times.items():
            expected = bisect_right(self._due.get(task, []), time)
            seen = self._seen.get(task, [])
            if len(seen) != expected:
                raise Violation(f"{self.topic}: task {task} stands at {time}, {expected} windows due, {len(seen)} seen")

    def finish(self) -> None:
        missing = [group for group in self._answer.closed if group not in self._groups]
        if missing:
            raise Violation(f"{self.topic}: {len(missing)} windows never came out: {missing[:3]}")


class LateRows:
    """Each late row once per window that it missed."""

    def __init__(self, topic: str, answer: Answer) -> None:
        self.topic = topic
        self.repeats = False
        self._missing = dict.fromkeys(answer.late)
        self._seen: dict[tuple[object, int], None] = {}

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        columns = decoded(entry)
        late = (columns["id"], int(str(columns["window_start"])))
        if late in self._seen:
            if self.repeats:
                return
            raise Violation(f"{self.topic}: late row {late} came out twice, again at {tp}@{entry.offset}")
        if late not in self._missing:
            raise Violation(f"{self.topic}: row {late} was not late")
        del self._missing[late]
        self._seen[late] = None

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        pass

    def finish(self) -> None:
        if self._missing:
            raise Violation(f"{self.topic}: late rows never came out: {list(self._missing)[:3]}")


class Echo:
    """Each usable row once; of each input partition exactly those before its committed offset."""

    def __init__(self, topic: str, given: Input, source: str) -> None:
        self.topic = topic
        self.repeats = False
        self._usable: dict[tuple[str, int], list[int]] = {}
        self._place: dict[object, tuple[tuple[str, int], int]] = {}
        self._counts: dict[tuple[str, int], int] = {}
        for place, rows in given.items():
            if place[0] != source:
                continue
            positions = [position for position, row in enumerate(rows) if row.time is not None]
            self._usable[place] = positions
            self._counts[place] = 0
            for position in positions:
                self._place[rows[position].id] = (place, position)
        self._seen: dict[object, None] = {}
        self._last: dict[tuple[TopicPartition, tuple[str, int]], int] = {}

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        number = decoded(entry)["id"]
        if number in self._seen and self.repeats:
            return
        if number in self._seen or number not in self._place:
            raise Violation(f"{self.topic}: row {number} came out twice, or is no row, at {tp}@{entry.offset}")
        self._seen[number] = None
        place, position = self._place[number]
        if self._last.get((tp, place), -1) >= position and not self.repeats:
            raise Violation(f"{self.topic}: row {number} of {place} came out after a later one, in {tp}")
        self._last[tp, place] = position
        self._counts[place] += 1

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        if self.repeats:
            return
        for place, positions in self._usable.items():
            due = bisect_right(positions, read[place] - 1)
            if self._counts[place] != due:
                raise Violation(
                    f"{self.topic}: {read[place]} records of {place} are committed, {due} usable, "
                    f"{self._counts[place]} came out"
                )

    def finish(self) -> None:
        missing = [number for number in self._place if number not in self._seen]
        if missing:
            raise Violation(f"{self.topic}: rows never came out: {missing[:5]}")


class Changes:
    """The last record of each group is right, and its row count only grows on the way there.

    Args:
        topic: The topic.
        keys: Key columns, ``window_start`` included where there are windows.
        answer: What is right.
        rows: Output column that holds the number of rows.
    """

    def __init__(self, topic: str, keys: Sequence[str], answer: Answer, rows: str = "rows") -> None:
        self.topic = topic
        self.repeats = False
        self._keys = tuple(keys)
        self._right = {**answer.closed, **answer.open}
        self._rows = rows
        self._last: dict[Group, dict[str, object]] = {}

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        columns = decoded(entry)
        group = tuple(columns[name] for name in self._keys)
        right = self._right.get(group)
        if right is None:
            raise Violation(f"{self.topic}: nobody expects group {group}")
        got = {name: columns[name] for name in right}
        before = self._last.get(group)
        rows = int(str(got[self._rows]))
        if before is not None and rows <= int(str(before[self._rows])) and not self.repeats:
            raise Violation(f"{self.topic}: group {group} went from {before} to {got} at {tp}@{entry.offset}")
        if rows > int(str(right[self._rows])) or (rows == right[self._rows] and got != right):
            raise Violation(f"{self.topic}: group {group} is {got}, right is {right}")
        self._last[group] = got

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        pass

    def finish(self) -> None:
        for group, right in self._right.items():
            if self._last.get(group) != right:
                raise Violation(f"{self.topic}: group {group} ends as {self._last.get(group)}, right is {right}")


class DeadLetters:
    """Each unusable record once, bytes unchanged, with the place it came from."""

    def __init__(self, topic: str, given: Input) -> None:
        self.topic = topic
        self.repeats = False
        self._seen: dict[tuple[str, int, bytes | None], None] = {}
        self._missing = {(*place, row.value): None for place, rows in given.items() for row in rows if row.dead}

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        headers = dict(entry.headers)
        found = ((headers["sf.topic"] or b"").decode(), int(headers["sf.partition"] or b"-1"), entry.value)
        if found in self._seen and self.repeats:
            return
        if found not in self._missing:
            raise Violation(f"{self.topic}: {found} came out twice, or was no dead letter, at {tp}@{entry.offset}")
        del self._missing[found]
        self._seen[found] = None

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        pass

    def finish(self) -> None:
        if self._missing:
            raise Violation(f"{self.topic}: dead letters never came out: {list(self._missing)[:3]}")
