"""When a worker lives again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import ConfigError, StoreCorrupted, StoreIncompatible, Unavailable
from streamframe.runtime.restart import RestartLedger, RestartPolicy, Verdict, judge


@pytest.mark.parametrize(
    ("exit_code", "error", "heard_any", "verdict"),
    [
        (0, None, True, Verdict.DONE),
        (0, None, False, Verdict.DONE),
        (3, None, True, Verdict.FINAL),
        (7, None, True, Verdict.FINAL),
        (8, StoreCorrupted("x"), True, Verdict.RESTART),
        (8, StoreIncompatible("x"), True, Verdict.FINAL),
        (9, Unavailable("x"), True, Verdict.RESTART),
        (9, Unavailable("x"), False, Verdict.FINAL),
        (4, ConfigError("x"), True, Verdict.FINAL),
        (70, None, True, Verdict.RESTART),
        (-9, None, True, Verdict.RESTART),
        (-11, None, False, Verdict.RESTART),
    ],
)
def test_what_the_end_of_a_worker_means(exit_code, error, heard_any, verdict):
    assert judge(exit_code, error, heard_any=heard_any) is verdict


def test_the_pause_doubles_up_to_its_maximum():
    ledger = RestartLedger(RestartPolicy(backoff_seconds_min=1, backoff_seconds_max=10, restarts_max=100))
    assert [ledger.pause(ran_seconds=0, now=0) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_a_healthy_while_starts_the_pause_over():
    ledger = RestartLedger(RestartPolicy(backoff_seconds_min=1, restarts_max=100))
    assert [ledger.pause(ran_seconds=ran, now=0) for ran in (0, 19, 20, 0)] == [1, 2, 1, 2]


def test_too_many_restarts_within_the_window_are_refused_and_older_ones_are_forgotten():
    ledger = RestartLedger(RestartPolicy(restarts_max=2, window_seconds=100))
    assert ledger.pause(ran_seconds=0, now=0) is not None
    assert ledger.pause(ran_seconds=0, now=99) is not None
    assert ledger.pause(ran_seconds=0, now=99.5) is None
    assert ledger.pause(ran_seconds=0, now=100) is not None


@given(st.lists(st.floats(min_value=0, max_value=1e4), max_size=60), st.integers(min_value=1, max_value=5))
def test_no_window_ever_holds_more_restarts_than_allowed(gaps, allowed):
    ledger = RestartLedger(RestartPolicy(restarts_max=allowed, window_seconds=50.0))
    now, granted = 0.0, []
    for gap in gaps:
        now += gap
        pause = ledger.pause(ran_seconds=gap, now=now)
        if pause is not None:
            assert 0 < pause <= 10
            granted.append(now)
    assert all(sum(1 for g in granted if end - 50.0 < g <= end) <= allowed for end in granted)
