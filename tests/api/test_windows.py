"""Windows as values."""

from datetime import timedelta

import pytest

from streamframe.api.windows import hopping, tumbling
from streamframe.core.errors import PlanError
from streamframe.plan.nodes import Window


def test_a_tumbling_window_starts_where_the_last_one_ends():
    assert tumbling("1min", grace="10s") == Window(size=60_000_000, every=60_000_000, grace=10_000_000)
    assert tumbling(timedelta(minutes=1)) == tumbling(60) == tumbling("60s")


def test_a_hopping_window_overlaps_or_leaves_gaps():
    assert hopping("1h", every="5min").every == 300_000_000
    assert hopping("4s", every="6s") == Window(size=4_000_000, every=6_000_000)


def test_only_the_remainder_of_an_offset_means_anything():
    assert tumbling("1min", offset="90s").offset == 30_000_000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tumbling("0s"), "size of a window is too small"),
        (lambda: tumbling("-1s"), "size of a window is too small"),
        (lambda: tumbling("1s", grace="-1s"), "grace of a window is too small"),
        (lambda: tumbling("1s", offset="-1s"), "offset of a window is too small"),
        (lambda: hopping("1s", every="0s"), "every of a window is too small"),
        (lambda: tumbling("100us"), "not a multiple of one millisecond"),
        (lambda: tumbling("1s", grace=0.0005), "grace of a window is not a multiple"),
        (lambda: tumbling("a minute"), "not a duration"),
    ],
)
def test_a_window_that_cannot_be_is_refused(make, message):
    with pytest.raises(PlanError, match=message):
        make()
