"""What each user spends: windows close exactly, late and malformed clicks land where they can be found."""

import pandas as pd
import pytest

from streamframe.testing import TopologyTest
from topologies.clicks import app

T0 = 1_700_000_000_000  # The start of a window.


def click(user, amount, seconds):
    return {"user": user, "page": "/p/1", "amount": amount, "ts": pd.Timestamp(T0 + int(seconds * 1_000), unit="ms")}


def test_a_window_is_emitted_once_and_only_when_its_grace_is_over():
    with TopologyTest(app) as t:
        t.send("clicks", [click("ann", 10.0, 1), click("ann", 5.0, 0), click("bob", 1.0, 9.999)])
        t.send("clicks", click("ann", 1.0, 11.999))
        assert t.read("click-totals").empty
        t.send("clicks", click("ann", 1.0, 12))
        totals = t.read("click-totals")
        assert totals["user"].tolist() == ["ann", "bob"]
        assert totals["total"].tolist() == pytest.approx([13.8, 0.92])
        assert totals["n"].tolist() == [2, 1]
        assert totals["window_start"].unique() == [pd.Timestamp(T0, unit="ms")]
        t.advance("1h")
        assert t.read("click-totals").empty


def test_clicks_without_an_amount_are_in_no_window_but_move_the_time():
    with TopologyTest(app) as t:
        t.send("clicks", [click("ann", 2.0, 1), click("ann", 0.0, 2), click("ann", None, 3), click("bob", 0.0, 12)])
        totals = t.read("click-totals")
        assert totals[["user", "n"]].values.tolist() == [["ann", 1]]


def test_a_late_click_is_kept_apart_with_its_window_and_its_lateness():
    with TopologyTest(app) as t:
        t.send("clicks", [click("ann", 2.0, 15), click("ann", 1.0, 9)])
        late = t.read("late-clicks")
        assert late["user"].tolist() == ["ann"]
        assert late["window_start"].tolist() == [pd.Timestamp(T0, unit="ms")]
        assert late["late_by"].tolist() == [pd.Timedelta("6s")]


def test_a_malformed_click_becomes_a_dead_letter_and_its_neighbours_count():
    bad = b'{"user":"ann","amount":"12,50","ts":1700000000000}'
    with TopologyTest(app) as t:
        t.send("clicks", click("ann", 1.0, 1))
        t.send("clicks", [bad], key=[b"ann"])
        t.send("clicks", [click("ann", 2.0, 2), click("ann", 1.0, 12)])
        assert t.read("click-totals")["n"].tolist() == [2]
        [letter] = t.read("clicks-dead-letters").to_dict("records")
        assert (letter["key"], letter["value"]) == (b"ann", bad)
        assert (letter["headers"]["sf.topic"], letter["headers"]["sf.offset"]) == (b"clicks", b"1")


def test_a_crash_in_the_middle_of_a_window_changes_nothing():
    with TopologyTest(app, partitions=2, workers=2) as t:
        for seconds in range(10):
            t.send("clicks", [click(user, 1.0, seconds) for user in ("ann", "bob", "cat", "dan")])
            t.commit()
            t.crash(wipe=seconds % 2 == 0)
        for partition in range(2):
            t.send("clicks", click("eve", 0.0, 60), partition=partition)
        totals = t.read("click-totals").sort_values("user")
        assert totals[["user", "n"]].values.tolist() == [["ann", 10], ["bob", 10], ["cat", 10], ["dan", 10]]
