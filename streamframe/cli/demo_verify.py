"""The verification of the demo: the same result once more, by the standard library and plain pandas.

Nothing of the engine is used here. The input topic is read back in the order of its partitions; what must have
come out follows from three rules:

* A record that is no JSON object with the right types, or has no time, is a dead letter.
* A row is late iff the running maximum of the time of its own partition, itself included, is at or beyond the end
  of its window plus grace.
* Everything else with an amount above 0 counts in the window of its user.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd

from streamframe.cli.demo_terms import EURO, GRACE_MS, WINDOW_MS, spaced

_KEYS: Final = ["user", "window_start"]
_WINDOWS: Final = {"user": "str", "window_start": "int64", "total": "float64", "n": "int64"}
_PLACE: Final = {"partition": "int64", "offset": "int64"}
_CLICK: Final = {"user": "str", "page": "str", "amount": "float64", "ts": "int64"}
_LATE: Final = {**_CLICK, "window_start": "int64", "late_by": "int64"}
_LETTER: Final = {**_PLACE, "value": "object"}
_SHOWN_MAX: Final = 5


class Readable(Protocol):
    """A record that was read back."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def offset(self) -> int:
        """Its offset."""

    @property
    def value(self) -> bytes | None:
        """Its bytes."""

    @property
    def headers(self) -> Mapping[str, bytes]:
        """Its headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Rows by what became of them, computed here or read from the topics.

    Attributes:
        windows: One row for each user and window: ``user``, ``window_start`` (milliseconds), ``total``, ``n``,
            and the coordinates ``partition`` and ``offset`` where they are known.
        late: The late rows.
        dead_letters: ``partition``, ``offset`` in the input topic, and ``value``, the bytes.
    """

    windows: pd.DataFrame
    late: pd.DataFrame
    dead_letters: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the comparison found.

    Attributes:
        windows: Windows that pandas computed.
        missing: Windows that are not in the output.
        doubled: Windows too many: the second and further ones of each user and window.
        wrong: Windows with another value, or that should not be there.
        late: Late rows that pandas computed.
        dead_letters: Dead letters that pandas computed.
        records: Records of the input.
        filtered: Rows without an amount.
        in_windows: Rows that the windows of the output count.
        differences: The first few differences, for people, with coordinates.
    """

    windows: int
    missing: int
    doubled: int
    wrong: int
    late: int
    dead_letters: int
    records: int
    filtered: int
    in_windows: int
    differences: tuple[str, ...] = field(default=())

    @property
    def is_equal(self) -> bool:
        """Whether the output is what pandas computed, to the last row, and no record is unaccounted for."""
        return not self.differences and self.adds_up

    @property
    def adds_up(self) -> bool:
        """Whether every record went somewhere, once."""
        return self.records == self.in_windows + self.late + self.dead_letters + self.filtered

    def sentences(self) -> list[str]:
        """Return the verdict in words; the first sentence stands for all."""
        label = "verified" if self.is_equal else "different"
        lines = [
            f"{label}: {spaced(self.windows)} windows, {spaced(self.missing)} missing, "
            f"{spaced(self.doubled)} doubled, {spaced(self.wrong)} wrong"
        ]
        if self.is_equal:
            lines.append(
                f"late rows ({spaced(self.late)}) and dead letters ({spaced(self.dead_letters)}) are equal as well"
            )
        sign = "=" if self.adds_up else "≠"
        lines.append(
            f"{spaced(self.records)} in {sign} {spaced(self.in_windows)} in windows + {spaced(self.late)} late + "
            f"{spaced(self.dead_letters)} dead letters + {spaced(self.filtered)} filtered"
        )
        return lines + list(self.differences)


# -- what must have come out -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The input topic, read back and decoded.

    Attributes:
        clicks: Rows in the order of their partitions: ``partition``, ``offset``, ``user``, ``page``, ``amount``,
            ``ts`` (milliseconds).
        malformed: ``partition``, ``offset``, ``value`` of what cannot be read.
    """

    clicks: pd.DataFrame
    malformed: pd.DataFrame


def read_input(records: Iterable[Readable]) -> Input:
    """Decode the input topic with the standard library."""
    clicks, malformed = [], []
    for record in records:
        click = _click(record.value)
        if click is None:
            malformed.append((record.partition, record.offset, record.value))
        else:
            clicks.append((record.partition, record.offset, *click))
    in_order = _frame(clicks, {**_PLACE, **_CLICK}).sort_values(["partition", "offset"], ignore_index=True)
    return Input(clicks=in_order, malformed=_frame(malformed, _LETTER))


def _click(value: bytes | None) -> tuple[str, str, float, int] | None:
    try:
        click = json.loads(value or b"")
        user, page, amount, ts = (click[name] for name in ("user", "page", "amount", "ts"))
    except (ValueError, TypeError, KeyError):
        return None
    readable = isinstance(user, str) and isinstance(page, str) and type(amount) in (int, float) and type(ts) is int
    return (user, page, float(amount), ts) if readable else None


def compute(given: Input) -> Result:
    """Return what must come out of the input, by plain pandas."""
    rows = given.clicks[given.clicks["amount"] > 0]
    # Every readable row moves the time of its partition, also one that is filtered afterwards.
    observed = given.clicks["ts"].groupby(given.clicks["partition"]).cummax()[rows.index]
    start = rows["ts"] // WINDOW_MS * WINDOW_MS
    is_late = observed >= start + WINDOW_MS + GRACE_MS
    rows = rows.assign(window_start=start, euro=rows["amount"] * EURO, late_by=observed - rows["ts"])
    windows = rows[~is_late].groupby(_KEYS)["euro"].agg(total="sum", n="count").reset_index()
    return Result(windows=windows, late=rows.loc[is_late, list(_LATE)], dead_letters=given.malformed)


# -- what did come out -----------------------------------------------------------------------------


def read_output(windows: Iterable[Readable], late: Iterable[Readable], dead_letters: Iterable[Readable]) -> Result:
    """Decode the three output topics with the standard library."""
    rows = [(*_members(record, _WINDOWS), record.partition, record.offset) for record in windows]
    late_rows = _frame([_members(record, _LATE) for record in late], _LATE)
    letters = [
        (int(record.headers["sf.partition"]), int(record.headers["sf.offset"]), record.value) for record in dead_letters
    ]
    return Result(
        windows=_frame(rows, {**_WINDOWS, **_PLACE}),
        late=late_rows.assign(late_by=late_rows["late_by"] // 1_000),  # Durations are written in microseconds.
        dead_letters=_frame(letters, _LETTER),
    )


def _frame(rows: list[tuple[Any, ...]], types: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(types)).astype(dict(types))


def _members(record: Readable, names: Iterable[str]) -> tuple[Any, ...]:
    row = json.loads(record.value or b"{}")
    return tuple(row[name] for name in names)


# -- are they equal? -------------------------------------------------------------------------------


def compare(given: Input, expected: Result, found: Result) -> Verdict:
    """Compare what came out with what must have come out."""
    is_double = found.windows.duplicated(_KEYS)
    both = expected.windows.merge(
        found.windows[~is_double], on=_KEYS, how="outer", suffixes=("", "_found"), indicator=True
    )
    missing = both[both["_merge"] == "left_only"]
    # Sums of floats depend on the order of addition in their last digits, and on nothing else.
    is_near = np.isclose(both["total"], both["total_found"], rtol=1e-9) & (both["n"] == both["n_found"])
    wrong = both[(both["_merge"] != "left_only") & ~is_near]
    differences = [
        *_shown("missing", missing),
        *_shown("doubled", found.windows[is_double]),
        *_shown("wrong", wrong),
        *_multiset_differences("late row", expected.late, found.late, list(_LATE)),
        *_multiset_differences("dead letter", expected.dead_letters, found.dead_letters, list(_LETTER)),
    ]
    return Verdict(
        windows=len(expected.windows),
        missing=len(missing),
        doubled=int(is_double.sum()),
        wrong=len(wrong),
        late=len(expected.late),
        dead_letters=len(expected.dead_letters),
        records=len(given.clicks) + len(given.malformed),
        filtered=int((~(given.clicks["amount"] > 0)).sum()),
        in_windows=int(found.windows["n"].sum()),
        differences=tuple(differences),
    )


def _shown(kind: str, rows: pd.DataFrame) -> list[str]:
    """Put the first few rows into words."""
    lines = []
    for row in rows.head(_SHOWN_MAX).to_dict("records"):
        facts = {name: value for name, value in row.items() if name != "_merge" and not _is_nothing(value)}
        facts["window_start"] = pd.Timestamp(int(row["window_start"]), unit="ms").isoformat()
        lines.append(f"{kind}: " + " ".join(f"{name}={value}" for name, value in facts.items()))
    return lines + _more(kind, len(rows))


def _multiset_differences(kind: str, expected: pd.DataFrame, found: pd.DataFrame, names: list[str]) -> list[str]:
    """Put into words which rows occur more often on one side than on the other."""
    counts = expected.groupby(names).size().sub(found.groupby(names).size(), fill_value=0)
    counts = counts[counts != 0]
    lines = []
    for values, count in list(counts.items())[:_SHOWN_MAX]:
        assert isinstance(values, tuple)
        facts = " ".join(f"{name}={value!r}" for name, value in zip(names, values, strict=True))
        lines.append(f"{kind} {'missing' if count > 0 else 'too many'}: {facts}")
    return lines + _more(kind, len(counts))


def _more(kind: str, count: int) -> list[str]:
    return [f"{kind}: {spaced(count - _SHOWN_MAX)} more"] if count > _SHOWN_MAX else []


def _is_nothing(value: object) -> bool:
    return isinstance(value, float) and value != value  # Only NaN is not equal to itself.
