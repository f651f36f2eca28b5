"""The verdict over one text is the same alone and in any company."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.serde.times import TIME_MAX_US, parse_times, time_max, time_units_per_second

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(*texts: str, unit: str = "us") -> tuple[list[int], list[int]]:
    times, bad = parse_times(pa.array(texts, pa.large_string()), unit)
    return [time for row, time in enumerate(times.tolist()) if row not in bad], bad


ACCEPTED = {
    "1970-01-01T00:00:01Z": 1_000_000,
    "1970-01-01 00:00:01Z": 1_000_000,
    "1970-01-01T00:00:01": 1_000_000,
    "1970-01-01T00:01": 60_000_000,
    "1970-01-02": 86_400_000_000,
    "1970-01-01T00:00:00.1Z": 100_000,
    "1970-01-01T00:00:00.123456789Z": 123_456,
    "1970-01-01T00:00:00.123456789": 123_456,
    "1970-01-01T00:00:00.123456789+00:00": 123_456,
    "1969-12-31T23:59:59.999999Z": -1,
    "1970-01-01T02:00:00+02:00": 0,
    "1970-01-01T02:00:00+0200": 0,
    "1970-01-01T02:00:00+02": 0,
    "1969-12-31T19:00:00-05:00": 0,
}
REFUSED = [
    "",
    "yesterday",
    "1970-13-01",
    "1970-02-30T00:00:00Z",
    "1970-01-01T24:00:00Z",
    "1970-01-01T00:00:60Z",
    "1970-01-01T00:00:00 Z",
    "1970-01-01T00:00:00.Z",
    "1970-01-01T00:00:00.1234567890Z",
    "1970-01-01T00:00:00+99:00",
    " 1970-01-01",
    "19700101",
    "10000-01-01",
    "1970-01-01T00:00:00Z\n",
    "1970-01-01T00:00:00z",
    "１970-01-01",
]


@pytest.mark.parametrize(("text", "micros"), ACCEPTED.items())
def test_a_time_is_read(text, micros):
    assert parse(text) == ([micros], [])


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_time_is_refused(text):
    assert parse(text) == ([], [0])


@given(st.lists(st.sampled_from([*ACCEPTED, *REFUSED]), max_size=12), st.sampled_from(["s", "ms", "us", "ns"]))
def test_texts_together_are_read_as_each_alone(texts, unit):
    expected, refused = [], []
    for row, text in enumerate(texts):
        times, bad = parse(text, unit=unit)
        expected += times
        refused += [row] * len(bad)
    assert parse(*texts, unit=unit) == (expected, refused)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_isoformat_writes_is_read_exactly(moment):
    assert parse(moment.isoformat()) == ([(moment - EPOCH) // timedelta(microseconds=1)], [])


def test_times_are_rounded_down_to_the_unit():
    assert parse("1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00.5Z", unit="s") == ([-1, 0], [])
    assert parse("1969-12-31T23:59:59.9999Z", unit="ms") == ([-1], [])


def test_nanoseconds_reach_from_1677_to_2262():
    times, bad = parse("2262-04-11T00:00:00Z", "2262-04-12T00:00:00Z", "1677-09-22T00:00:00Z", "1600-01-01", unit="ns")
    assert bad == [1, 3]
    assert len(times) == 2


def test_the_greatest_time_fits_microseconds_with_room_for_durations():
    assert time_max("us") == TIME_MAX_US
    assert time_max("ms") * 1_000 <= TIME_MAX_US < (time_max("ms") + 1) * 1_000
    assert time_max("s") > 253_402_300_799
    assert time_max("ns") == 2**63 - 1


def test_units_are_parts_of_a_second():
    assert [time_units_per_second(unit) for unit in ("s", "ms", "us", "ns")] == [1, 10**3, 10**6, 10**9]
