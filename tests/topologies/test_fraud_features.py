"""What a card has done lately: present after every commit, over ten overlapping windows."""

import pandas as pd
import pytest

from streamframe.testing import TopologyTest
from topologies.fraud_features import app

T0 = pd.Timestamp("2026-01-01")  # Where the clock of a test begins: payments may not be far ahead of it.
PAYMENT = {
    "card": "c1",
    "merchant": "m1",
    "country": "DE",
    "home_country": "DE",
    "cents": 1_000,
    "status": "authorised",
}


def payment(minute, **changes):
    return {**PAYMENT, **changes, "at": T0 + pd.Timedelta(minutes=minute)}


@pytest.fixture
def t():
    with TopologyTest(app) as test:
        yield test


def features(t):
    """The newest features of each card and window."""
    return t.read("card-features").drop_duplicates(["card", "window_start"], keep="last")


def test_a_payment_is_in_the_ten_windows_that_hold_its_minute(t):
    t.send("payments", payment(0.5))
    found = features(t)
    assert len(found) == 10
    assert found["window_start"].min() == T0 - pd.Timedelta(minutes=9)
    assert found["window_start"].max() == T0
    assert found["payments"].tolist() == [1] * 10


def test_features_are_there_before_a_window_is_over_and_grow_with_it(t):
    t.send("payments", payment(0.5))
    assert features(t)["spent"].max() == 1_000
    t.send("payments", payment(1.5, cents=3_000, merchant="m2", country="FR"))
    found = features(t).set_index("window_start").loc[T0]
    assert (found["payments"], found["spent"], found["largest"], found["typical"]) == (2, 4_000, 3_000, 2_000.0)
    assert found["spread"] == pytest.approx(pd.Series([1_000, 3_000]).std())
    assert (found["merchants"], found["countries"], found["abroad"]) == (2, 2, True)
    assert found["newest"] == T0 + pd.Timedelta(minutes=1.5)


def test_the_key_of_a_record_is_card_and_window_so_that_the_topic_can_be_compacted(t):
    t.send("payments", [payment(0.5), payment(0.6)])
    keys = t.read_records("card-features")["key"]
    assert keys.is_unique
    assert all(key.startswith(b'["c1",') for key in keys)


def test_payments_that_were_declined_or_are_nothing_do_not_count(t):
    t.send("payments", [payment(0.5), payment(0.5, status="declined"), payment(0.5, cents=0)])
    assert features(t)["payments"].max() == 1


def test_a_payment_that_is_reported_late_counts_in_the_windows_that_are_open(t):
    t.advance("20min")
    t.send("payments", [payment(20), payment(11.5)])
    late = t.read("late-payments")
    found = features(t)
    # Ten windows hold it, those that start at minutes 2 to 11. The first eight ended by 19:30 and are over.
    assert late["window_start"].max() == T0 + pd.Timedelta(minutes=9)
    assert len(late) == 8
    counts = found.set_index("window_start")["payments"]
    assert counts[[T0 + pd.Timedelta(minutes=10), T0 + pd.Timedelta(minutes=11)]].tolist() == [1, 2]


def test_one_clock_that_is_an_hour_ahead_closes_no_window(t):
    t.send("payments", payment(0.5))
    t.send("payments", [payment(60)])
    t.send("payments", payment(0.7))
    assert features(t)["payments"].max() == 2
    assert t.read("late-payments").empty
    assert len(t.read("payments-dead-letters")) == 1
