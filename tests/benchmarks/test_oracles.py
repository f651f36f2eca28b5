"""The judges of the benchmarks: a wrong output must not pass for a right one."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import oracles
from benchmarks.inputs import Clicks
from benchmarks.workload import Workload, tumbling_totals

SMALL = Workload(records=3_000, users=20, span_s=200)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return SMALL.frame()


@pytest.fixture(scope="module")
def partition(frame: pd.DataFrame) -> pd.Series:
    return (frame["user"] % 4).astype("int64")


def right_output(frame: pd.DataFrame, partition: pd.Series) -> pd.DataFrame:
    want = tumbling_totals(frame, partition, ["user"], size_ms=10_000, grace_ms=2_000, repartitioned=False)
    return oracles.named(want)


JUDGE = oracles.final_windows(["user"])


def test_the_right_output_is_right(frame: pd.DataFrame, partition: pd.Series) -> None:
    verdict = JUDGE(frame, partition, right_output(frame, partition))

    assert verdict.right
    assert verdict.expected > 100


def test_every_kind_of_mistake_is_found(frame: pd.DataFrame, partition: pd.Series) -> None:
    good = right_output(frame, partition)
    strange = good.tail(1).assign(window_start=7)
    off = good.assign(total=good["total"] + (good.index == 3) * 0.01)

    assert JUDGE(frame, partition, good.drop(index=5)).missing == 1
    assert JUDGE(frame, partition, pd.concat([good, good.tail(2)])).doubled == 2
    assert JUDGE(frame, partition, pd.concat([good, strange])).unexpected == 1
    assert JUDGE(frame, partition, off).wrong == 1
    assert JUDGE(frame, partition, pd.DataFrame()).missing == len(good)


def test_a_change_that_does_not_grow_was_written_twice(frame: pd.DataFrame, partition: pd.Series) -> None:
    rows = frame.assign(amount=frame["cents"] / 100).groupby("user")["amount"]
    last = oracles.named(rows.agg(n="count", total="sum", low="min", high="max").reset_index())
    earlier = last.assign(n=1)

    assert oracles.changing_table(frame, partition, pd.concat([earlier, last])).right
    assert oracles.changing_table(frame, partition, pd.concat([earlier, last, last])).doubled == len(last)


def test_rows_without_a_key_are_compared_as_a_whole(frame: pd.DataFrame, partition: pd.Series) -> None:
    rows = frame.assign(amount=frame["cents"] / 100)
    rows = rows[rows["amount"] >= 25]
    good = oracles.named(rows[["user", "page", "country", "ts"]].assign(cost=rows["amount"] * 1.19))
    bad = good.assign(cost=good["cost"] + (good.index == good.index[7]))

    assert oracles.passed_rows(frame, partition, good.sample(frac=1.0, random_state=1)).right
    assert oracles.passed_rows(frame, partition, bad).wrong == 1
    assert oracles.passed_rows(frame, partition, good.iloc[1:]).missing == 1


def test_hopping_windows_are_those_of_the_long_way_round(frame: pd.DataFrame, partition: pd.Series) -> None:
    reached = frame["ts"].groupby(partition).max()
    found = []
    for start in range(int(frame["ts"].min()) // 10_000 * 10_000 - 60_000, int(frame["ts"].max()), 10_000):
        inside = frame[(frame["ts"] >= start) & (frame["ts"] < start + 60_000)]
        over = inside[reached.reindex(inside["user"] % 4).to_numpy() >= start + 62_000]
        amounts = over.assign(amount=over["cents"] / 100).groupby("user")["amount"]
        rows = amounts.agg(n="count", total="sum", low="min", high="max").reset_index()
        found.append(rows.assign(window_start=start))

    assert oracles.hopping_windows(frame, partition, oracles.named(pd.concat(found, ignore_index=True))).right


def test_equal_seeds_give_equal_records_and_skew_makes_some_users_frequent() -> None:
    pd.testing.assert_frame_equal(SMALL.frame(), SMALL.frame())
    counts = Clicks(skew=1.0).workload(20_000).frame()["user"].value_counts()
    assert counts.iloc[0] > 20 * counts.median()
