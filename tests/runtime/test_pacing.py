"""Records may gather, but never beyond the commit that would have made them count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamframe.runtime.pacing import FEW_RECORDS, REST_MAX, Pace


def paced(*, interval: int, records: int) -> Pace:
    pace = Pace(interval=interval)
    pace.polled(now=1_000_000, records=records, more=False)
    return pace


def test_after_a_few_records_the_next_poll_waits_until_more_have_come() -> None:
    assert paced(interval=100_000, records=30).rest(now=1_000_500, until_commit=80_000) == 9_500


def test_work_on_the_records_counts_as_rest() -> None:
    assert paced(interval=100_000, records=30).rest(now=1_010_000, until_commit=80_000) == 0


def test_a_poll_that_brought_nothing_has_waited_already() -> None:
    assert paced(interval=100_000, records=0).rest(now=1_000_000, until_commit=80_000) == 0


def test_a_poll_that_brought_many_is_followed_at_once() -> None:
    assert paced(interval=100_000, records=FEW_RECORDS).rest(now=1_000_000, until_commit=80_000) == 0


def test_what_was_gathered_is_handed_out_without_a_rest_and_counts_as_a_whole() -> None:
    pace = Pace(interval=100_000)
    pace.polled(now=1_000_000, records=FEW_RECORDS // 2, more=True)
    assert pace.rest(now=1_000_000, until_commit=80_000) == 0

    pace.polled(now=1_001_000, records=FEW_RECORDS // 2, more=False)
    assert pace.rest(now=1_001_000, until_commit=80_000) == 0

    pace.polled(now=1_002_000, records=30, more=False)
    assert pace.rest(now=1_002_000, until_commit=80_000) == 10_000


def test_a_rest_ends_before_the_commit_so_that_one_more_poll_counts_with_it() -> None:
    assert paced(interval=100_000, records=30).rest(now=1_000_000, until_commit=4_000) == 3_000
    assert paced(interval=100_000, records=30).rest(now=1_000_000, until_commit=500) == 0


def test_with_rare_commits_a_rest_is_still_short() -> None:
    assert paced(interval=60_000_000, records=30).rest(now=1_000_000, until_commit=10_000_000) == REST_MAX


@given(
    interval=st.integers(0, 10**8),
    records=st.integers(0, 5_000),
    now=st.integers(0, 10**7),
    until_commit=st.integers(-(10**8), 10**8),
)
def test_a_rest_is_bounded_whatever_the_clock_does(interval: int, records: int, now: int, until_commit: int) -> None:
    rest = paced(interval=interval, records=records).rest(now, until_commit)

    assert 0 <= rest <= REST_MAX
    assert rest <= max(0, until_commit)
