"""The wall clock."""

import time

from streamframe.runtime.clock import SystemClock


def test_tells_the_time_in_microseconds_and_never_goes_back() -> None:
    clock = SystemClock()
    first = clock.now()

    assert abs(first / 1e6 - time.time()) < 60
    assert clock.now() >= first
