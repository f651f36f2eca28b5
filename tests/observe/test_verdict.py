"""The sentence on top of the page: right about whether a program keeps up, and about what is in its way."""

import pytest

from streamframe.observe.history import POINT_SECONDS, Point
from streamframe.observe.verdict import Facts, verdict


def facts(**changes) -> Facts:
    values = {
        "state": "running",
        "restored": (0, 0),
        "lag_records": 50_000,
        "lag_seconds": 120.0,
        "points": points(50_000, 50_000),
        "phases": {"process": 0.9, "idle": 0.1},
        "operators": {"clicks": 0.1, "look-up": 0.8},
    }
    return Facts(**{**values, **changes})


def points(*lags, records=10):
    return [Point(at=number * POINT_SECONDS, lag=lag, records_in=records) for number, lag in enumerate(lags)]


@pytest.mark.parametrize(("records", "seconds"), [(0, 0.0), (900, 2.0)])
def test_a_program_that_is_a_little_behind_keeps_up(records, seconds):
    word, text = verdict(facts(lag_records=records, lag_seconds=seconds, phases={"idle": 0.6}))
    assert (word, text) == ("keeping up", "Keeping up; 60% of the workers' time is to spare.")


def test_lag_that_grows_names_the_rate_and_the_busiest_step():
    word, text = verdict(facts(points=points(40_000, 45_000, 50_000)))
    assert word == "falling behind"
    assert "1,000 more each second" in text
    assert "look-up: 80%" in text


def test_lag_that_shrinks_names_the_time_that_is_left():
    word, text = verdict(facts(points=points(60_000, 55_000, 50_000)))
    assert word == "catching up"
    assert "about 50 s are left" in text


def test_when_the_broker_is_in_the_way_no_step_is_blamed():
    _, text = verdict(facts(phases={"commit": 0.5, "produce": 0.4}, points=points(1, 50_000)))
    assert "90% of the workers' time goes into waiting for the broker" in text
    assert "look-up" not in text


def test_workers_that_wait_for_records_while_there_are_some_are_not_the_bottleneck():
    _, text = verdict(facts(phases={"process": 0.3, "idle": 0.7}, points=points(1, 50_000)))
    assert "70% of the workers' time goes into waiting for records" in text
    assert "look-up" not in text


def test_nothing_processed_and_much_to_do_is_standing_still():
    word, _ = verdict(facts(points=points(50_000, 50_000, records=0)))
    assert word == "standing still"


def test_a_restore_says_how_far_it_is():
    assert verdict(facts(state="restoring", restored=(250, 1_000))) == (
        "not running",
        "Restoring state: 250 of 1,000 changelog records, 25%.",
    )
    assert verdict(facts(state="starting"))[1] == "Not running yet, or not any more: starting."


def test_before_anything_was_measured_there_is_a_verdict():
    word, text = verdict(facts(points=(), phases={}, operators={}))
    assert word == "standing still"
    assert text.endswith("lately. ")
