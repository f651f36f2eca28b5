"""Durations and times as users write and read them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import ConfigError
from streamframe.core.time import MAX_TIME, MIN_TIME, Duration, format_duration, format_time, parse_duration


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("10s", 10_000_000),
        ("500ms", 500_000),
        ("1h30min", 5_400_000_000),
        ("-5s", -5_000_000),
        ("1.5 s", 1_500_000),
        ("2 days", None),
        (2, 2_000_000),
        (0.25, 250_000),
        (timedelta(minutes=1), 60_000_000),
        ("7us", 7),
        ("1w", 604_800_000_000),
    ],
)
def test_reads_durations_as_users_write_them(text: Duration, micros: int | None) -> None:
    if micros is None:
        with pytest.raises(ConfigError, match="not a duration"):
            parse_duration(text)
    else:
        assert parse_duration(text) == micros


@pytest.mark.parametrize("text", ["", "-", "10", "s", "10 parsecs", "1min,5s", True])
def test_refuses_what_is_no_duration_and_names_the_setting(text: Duration) -> None:
    with pytest.raises(ConfigError, match="commit_interval"):
        parse_duration(text, name="commit_interval")


@given(st.integers(0, 10**15))
def test_what_is_shown_is_read_back_exactly(micros: int) -> None:
    assert parse_duration(format_duration(micros)) == micros


def test_shows_event_times_and_the_two_ends_of_time() -> None:
    assert format_time(1_767_225_600_000_000) == "2026-01-01T00:00:00Z"
    assert format_time(MIN_TIME) == "none"
    assert format_time(MAX_TIME) == "end"
    assert format_time(10**18) == f"{10**18}us"
