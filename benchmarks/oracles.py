"""What the output of each program must be, by plain pandas over the whole input; and how it compares.

An oracle knows the rules of lateness (``workload.tumbling_totals``) and nothing of the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.workload import COUNTRIES, tumbling_totals

SIZE_MS, GRACE_MS, HOP_MS, HOPPING_MS = 10_000, 2_000, 10_000, 60_000
VALUES = ("n", "total", "low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the committed output compares with the oracle, in rows."""

    expected: int
    missing: int
    unexpected: int
    doubled: int
    wrong: int

    @property
    def right(self) -> bool:
        return self.expected > 0 and self.missing == self.unexpected == self.doubled == self.wrong == 0


Oracle = Callable[[pd.DataFrame, pd.Series, pd.DataFrame], Verdict]
"""Input, its partitions, output: the verdict."""


def compare(got: pd.DataFrame, want: pd.DataFrame, index: list[str], values: tuple[str, ...] = VALUES) -> Verdict:
    """Compare rows by their index columns; sums of floats may differ in the last bits."""
    if got.empty:
        return Verdict(expected=len(want), missing=len(want), unexpected=0, doubled=0, wrong=0)
    doubled = int(got.duplicated(index).sum())
    both = want.merge(got.drop_duplicates(index), on=index, how="outer", suffixes=("", "_got"), indicator=True)
    same = both[both["_merge"] == "both"]
    wrong = np.zeros(len(same), bool)
    for name in values:
        expected, found = same[name].to_numpy(float), same[f"{name}_got"].to_numpy(float)
        wrong |= ~(np.abs(expected - found) <= 1e-6 * (1 + np.abs(expected)))
    return Verdict(
        expected=len(want),
        missing=int((both["_merge"] == "left_only").sum()),
        unexpected=int((both["_merge"] == "right_only").sum()),
        doubled=doubled,
        wrong=int(wrong.sum()),
    )


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Replace the numbers of a workload by the texts in its records."""
    texts = {
        "user": lambda column: "u" + column.astype(str).str.zfill(6),
        "country": lambda column: pd.Series(np.array(COUNTRIES, object)[column.to_numpy()], index=column.index),
        "category": lambda column: "c" + column.astype(str),
        "page": lambda column: "/p/" + column.astype(str),
    }
    return rows.assign(**{name: make(rows[name]) for name, make in texts.items() if name in rows})


def final_windows(keys: list[str]) -> Oracle:
    """Each key and closed window once."""

    def verdict(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
        repartitioned = keys != ["user"]
        want = tumbling_totals(frame, partition, keys, size_ms=SIZE_MS, grace_ms=GRACE_MS, repartitioned=repartitioned)
        return compare(got, named(want), [*keys, "window_start"])

    return verdict


def hopping_windows(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """Each user and closed window of a minute, one every ten seconds. The input has no late rows."""
    _assert_nothing_late(frame, partition)
    panes = _window_rows(frame)
    copies = [
        panes.assign(window_start=panes["window_start"] - HOP_MS * shift) for shift in range(HOPPING_MS // HOP_MS)
    ]
    rows = pd.concat(copies, ignore_index=True)
    whole = rows.groupby(["user", "window_start"], sort=True).agg(
        n=("n", "sum"), total=("total", "sum"), low=("low", "min"), high=("high", "max")
    )
    want = whole.reset_index()
    reached = want["user"].map(_stream_time_by_user(frame, partition))
    return compare(got, named(want[want["window_start"] + HOPPING_MS + GRACE_MS <= reached]), ["user", "window_start"])


def changing_windows(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """The last change of each user and window is right, and each change has counted more rows than the one before."""
    _assert_nothing_late(frame, partition)
    return _last_changes(got, named(_window_rows(frame)), ["user", "window_start"])


def changing_table(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """The last change of each user is right, and each change has counted more rows than the one before."""
    rows = frame.assign(amount=frame["cents"] / 100).groupby("user", sort=True)["amount"]
    want = rows.agg(n="count", total="sum", low="min", high="max").reset_index()
    return _last_changes(got, named(want), ["user"])


def passed_rows(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """Every chosen row comes out once, with its computed column."""
    rows = frame.assign(amount=frame["cents"] / 100)
    rows = rows[rows["amount"] >= 25]
    want = named(rows[["user", "page", "country", "ts"]].assign(cost=rows["amount"] * 1.19))
    return compare_bags(got, want, ["user", "page", "country", "ts", "cost"])


def scored_rows(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """Every row comes out once, with what the user's function made of it."""
    rows = named(frame[["user", "country", "ts"]].assign(amount=frame["cents"] / 100))
    local = rows["country"].isin(["DE", "FR"])
    want = rows.assign(score=(rows["amount"] - 50.0).clip(lower=0.0) * local + 1.0, big=rows["amount"] > 90.0)
    return compare_bags(got, want, ["user", "country", "ts", "amount", "score", "big"])


def own_aggregates(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """Each user and closed window once, with the mean of squares."""
    want = tumbling_totals(
        frame.assign(cents=(frame["cents"] / 100) ** 2 * 100),
        partition,
        ["user"],
        size_ms=SIZE_MS,
        grace_ms=GRACE_MS,
        repartitioned=False,
    )
    want["energy"] = want["total"] / want["n"]
    return compare(got, named(want), ["user", "window_start"], ("energy",))


def _assert_nothing_late(frame: pd.DataFrame, partition: pd.Series) -> None:
    observed = frame["ts"].groupby(partition).cummax()
    assert (observed - frame["ts"] < GRACE_MS).all(), "this oracle wants an input whose disorder is below the grace"


def _window_rows(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame.assign(window_start=frame["ts"] // SIZE_MS * SIZE_MS, amount=frame["cents"] / 100)
    grouped = rows.groupby(["user", "window_start"], sort=True)["amount"]
    return grouped.agg(n="count", total="sum", low="min", high="max").reset_index()


def _stream_time_by_user(frame: pd.DataFrame, partition: pd.Series) -> pd.Series:
    reached = frame["ts"].groupby(partition).max()
    first = partition.groupby(frame["user"]).first()
    return first.map(reached)


def _last_changes(got: pd.DataFrame, want: pd.DataFrame, index: list[str]) -> Verdict:
    if got.empty:
        return compare(got, want, index)
    grew = got.groupby(index)["n"].diff().fillna(1) > 0
    verdict = compare(got.drop_duplicates(index, keep="last"), want, index)
    return Verdict(
        expected=verdict.expected,
        missing=verdict.missing,
        unexpected=verdict.unexpected,
        doubled=int((~grew).sum()),
        wrong=verdict.wrong,
    )


def compare_bags(got: pd.DataFrame, want: pd.DataFrame, columns: list[str]) -> Verdict:
    """Compare rows that have no key: sorted, side by side."""
    if got.empty or len(got) != len(want):
        short = max(0, len(want) - len(got))
        return Verdict(expected=len(want), missing=short, unexpected=max(0, len(got) - len(want)), doubled=0, wrong=0)
    wrong = np.zeros(len(want), bool)
    got_sorted, want_sorted = (rows.sort_values(columns[:4], kind="stable") for rows in (_coded(got), _coded(want)))
    for name in columns:
        found, expected = got_sorted[name].to_numpy(), want_sorted[name].to_numpy()
        if expected.dtype.kind == "f":
            wrong |= np.abs(found - expected) > 1e-9 * (1 + np.abs(expected))
        else:
            wrong |= found != expected
    return Verdict(expected=len(want), missing=0, unexpected=0, doubled=0, wrong=int(wrong.sum()))


def _coded(rows: pd.DataFrame) -> pd.DataFrame:
    """Replace text by its hash: sorting millions of strings takes longer than the benchmark."""
    coded = {}
    for name, column in rows.items():
        text = column.dtype.kind not in "ifub"
        coded[name] = pd.util.hash_array(column.to_numpy(object), categorize=True) if text else column.to_numpy()
    return pd.DataFrame(coded)
