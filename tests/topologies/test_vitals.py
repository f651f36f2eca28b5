"""The newest reading of each patient, and how it went minute by minute."""

import pandas as pd
import pytest

from streamframe.testing import TopologyTest
from topologies.vitals import app, is_plausible

T0 = pd.Timestamp("2026-01-01")  # Where the clock of a test begins.


def reading(seconds, value, patient="p1", signal="heart_rate"):
    return {"patient": patient, "signal": signal, "value": value, "taken_at": T0 + pd.Timedelta(seconds=seconds)}


def test_the_newest_reading_is_by_time_and_not_by_arrival():
    with TopologyTest(app) as t:
        t.send("readings", [reading(30, 80.0), reading(10, 95.0)])
        [latest] = t.read("vitals-latest").to_dict("records")
        assert (latest["value"], latest["readings"]) == (80.0, 2)
        assert latest["taken_at"] == T0 + pd.Timedelta(seconds=30)


def test_a_table_says_again_only_what_has_changed():
    with TopologyTest(app) as t:
        t.send("readings", [reading(1, 80.0), reading(1, 97.0, signal="spo2"), reading(1, 70.0, patient="p2")])
        assert len(t.read("vitals-latest")) == 3
        t.send("readings", reading(2, 81.0))
        assert t.read("vitals-latest")["value"].tolist() == [81.0]
        assert t.read("vitals-latest").empty


def test_a_minute_is_summed_up_when_it_is_over():
    values = [70.0, 80.0, 90.0]
    with TopologyTest(app) as t:
        t.send("readings", [reading(10 * number, value) for number, value in enumerate(values)])
        assert t.read("vitals-by-minute").empty
        t.send("readings", reading(75, 100.0))
        [minute] = t.read("vitals-by-minute").to_dict("records")
        assert (minute["mean"], minute["low"], minute["high"], minute["readings"]) == (80.0, 70.0, 90.0, 3)
        assert minute["spread"] == pytest.approx(pd.Series(values).std())


def test_a_sensor_that_has_fallen_off_is_not_a_patient_in_danger():
    with TopologyTest(app) as t:
        t.send("readings", [reading(1, 80.0), reading(2, 0.0), reading(3, 500.0)])
        [latest] = t.read("vitals-latest").to_dict("records")
        assert (latest["value"], latest["readings"]) == (80.0, 1)


def test_a_buffered_reading_is_late_for_its_minute_and_still_in_the_table():
    with TopologyTest(app) as t:
        t.send("readings", [reading(80, 80.0), reading(1, 60.0)])
        assert t.read("late-readings")["value"].tolist() == [60.0]
        assert t.read("vitals-latest")["readings"].tolist() == [2]


def test_a_ward_that_sleeps_does_not_keep_the_minutes_of_others_open():
    with TopologyTest(app, partitions=2) as t:
        t.send("readings", reading(1, 80.0), partition=0)
        t.advance("3min")
        t.advance("1s")
        assert t.read("vitals-by-minute")["mean"].tolist() == [80.0]


def test_an_unknown_signal_and_a_missing_value_are_kept():
    frame = pd.DataFrame({"signal": ["spo2", "spo2", "lactate", "spo2"], "value": [97.0, 120.0, 1e6, float("nan")]})
    assert is_plausible(frame).tolist() == [True, False, True, True]
