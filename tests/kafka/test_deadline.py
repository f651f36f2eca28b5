"""One limit for several calls."""

from streamframe.kafka.deadline import Deadline


def test_what_is_left_shrinks_and_never_goes_below_zero():
    deadline = Deadline(60.0)
    first = deadline.remaining()
    assert 0 < deadline.remaining() <= first <= 60.0
    assert not deadline.passed


def test_a_limit_that_is_over_has_passed_and_waiting_for_it_returns_at_once():
    deadline = Deadline(0.0)
    assert (deadline.remaining(), deadline.passed) == (0.0, True)
    deadline.pause(3600.0)
