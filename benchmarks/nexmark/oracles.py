"""What each query must give, by plain pandas over all events; and when a window is over.

``frame`` has one row for each event, in the order of writing: ``kind``, the columns of a bid (blank for others) and
``appended``, the broker's time of the record. All events move stream time, not only bids.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from benchmarks.nexmark.queries import BID
from benchmarks.oracles import Oracle, Verdict, compare, compare_bags

GRACE_MS, SIZE_MS, HOP_MS, DAY_MS = 4_000, 10_000, 2_000, 86_400_000
RANKS = ((0, 10_000), (10_000, 1_000_000), (1_000_000, 1 << 62))


def rows_of(want: Callable[[pd.DataFrame], pd.DataFrame]) -> Oracle:
    """Each bid that ``want`` keeps comes out once."""

    def verdict(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
        rows = want(bids_of(frame))
        return compare_bags(got, rows, list(rows.columns))

    return verdict


def passed(bids: pd.DataFrame) -> pd.DataFrame:
    """q0. The columns that tell rows apart come first."""
    return bids[["extra", "dateTime", "auction", "price", "bidder", "channel", "url"]]


def converted(bids: pd.DataFrame) -> pd.DataFrame:
    """q1."""
    return passed(bids.assign(price=bids["price"] * 0.908))


def selected(bids: pd.DataFrame) -> pd.DataFrame:
    """q2."""
    return bids.loc[bids["auction"] % 123 == 0, ["auction", "price"]]


def hot_items(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """q5. Results have the last millisecond of their window as time, so their own window is over one later."""
    assert_nothing_late(frame["dateTime"], partition)
    bids = bids_of(frame)
    first = bids["dateTime"] // HOP_MS * HOP_MS
    copies = [bids[["auction"]].assign(starts=first - HOP_MS * back) for back in range(SIZE_MS // HOP_MS)]
    counts = pd.concat(copies).groupby(["auction", "starts"]).size().reset_index(name="bids")
    most = counts.groupby("starts")["bids"].transform("max")
    want = counts[counts["bids"] == most].assign(ends=lambda rows: rows["starts"] + SIZE_MS)
    over = want["ends"] + GRACE_MS + 1 <= reached_by_all(frame["dateTime"], partition)
    columns = ["starts", "auction", "bids", "ends"]
    return compare_bags(got, want.loc[over, columns], columns)


def highest_bids(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """q7."""
    assert_nothing_late(frame["dateTime"], partition)
    bids = bids_of(frame)
    start = bids["dateTime"] // SIZE_MS * SIZE_MS
    over = start + SIZE_MS + GRACE_MS <= reached_by_all(frame["dateTime"], partition)
    columns = ["price", "auction", "bidder", "dateTime"]
    want = bids.loc[(bids["price"] == bids.groupby(start)["price"].transform("max")) & over, columns]
    return compare_bags(got, want, columns)


def bids_by_bidder(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """q12, by the time at which the broker appended a record."""
    assert_nothing_late(frame["appended"], partition)
    bids = bids_of(frame)
    bids = bids.assign(window_start=bids["appended"] // SIZE_MS * SIZE_MS)
    want = bids.groupby(["bidder", "window_start"]).size().reset_index(name="bids")
    over = want["window_start"] + SIZE_MS + GRACE_MS <= reached_by_all(frame["appended"], partition)
    return compare(got, want[over], ["bidder", "window_start"], ("bids",))


def days(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """q15: the last row of each day."""
    bids = _ranked(bids_of(frame))
    groups = bids.groupby("day")
    found = {"bids": groups.size()}
    for number in (1, 2, 3):
        found[f"bids_{number}"] = groups[f"rank_{number}"].sum()
    for what in ("bidder", "auction"):
        found[f"{what}s"] = groups[what].nunique()
        for number in (1, 2, 3):
            inside = bids[bids[f"rank_{number}"]].groupby("day")[what]
            found[f"{what}s_{number}"] = inside.nunique()
    want = pd.DataFrame(found).fillna(0).reset_index()
    return compare(_last(got, ["day"]), want, ["day"], tuple(found))


def auction_days(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """q17: the last row of each auction and day."""
    groups = _ranked(bids_of(frame)).groupby(["auction", "day"])
    found = {"bids": groups.size(), **{f"bids_{number}": groups[f"rank_{number}"].sum() for number in (1, 2, 3)}}
    prices = groups["price"]
    found |= {"low": prices.min(), "high": prices.max(), "mean": prices.mean(), "total": prices.sum()}
    return compare(_last(got, ["auction", "day"]), pd.DataFrame(found).reset_index(), ["auction", "day"], tuple(found))


def last_bids(frame: pd.DataFrame, partition: pd.Series, got: pd.DataFrame) -> Verdict:
    """q18: of each bidder and auction the bid with the latest time; of equal ones the one written last."""
    keys = ["bidder", "auction"]
    want = bids_of(frame).sort_values("dateTime", kind="stable").drop_duplicates(keys, keep="last")
    columns = [*keys, *(name for name in BID if name not in keys)]
    return compare_bags(_last(got, keys), want[columns], columns)


def bids_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the bids among the events."""
    return frame[frame["kind"] == "bid"]


def reached_by_all(times: pd.Series, partition: pd.Series) -> int:
    """Return the stream time that every partition has reached."""
    return int(times.groupby(partition).max().min())


def assert_nothing_late(times: pd.Series, partition: pd.Series) -> None:
    """The generator's disorder is far below the grace; these oracles rely on it."""
    assert (times.groupby(partition).cummax() - times < GRACE_MS).all()


def _ranked(bids: pd.DataFrame) -> pd.DataFrame:
    ranks = {
        f"rank_{number}": (bids["price"] >= low) & (bids["price"] < high)
        for number, (low, high) in enumerate(RANKS, start=1)
    }
    return bids.assign(day=bids["dateTime"] // DAY_MS * DAY_MS, **ranks)


def _last(got: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return got if got.empty else got.drop_duplicates(keys, keep="last")
