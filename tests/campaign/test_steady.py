"""What judges the steady run: the stream and its windows, comparison, and growth."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from tests.campaign.resources import Sample, trend
from tests.campaign.steady import Count, compare
from tests.campaign.stream import BLOCK_MS, GRACE_MS, Blocks, Expected

BLOCKS = Blocks(records=400, users=20, late_share=0.02)


def row_at_a_time(count: int) -> tuple[dict[tuple[int, int], int], int]:
    """Return rows by user and window of the windows that are final, and the late rows, counted one row at a time."""
    stream_time = dict.fromkeys(range(BLOCKS.partitions), 0)
    counted: dict[tuple[int, int], int] = {}
    late = 0
    for number in range(count):
        for user, at in BLOCKS.frame(number)[["user", "ts"]].itertuples(index=False):
            partition = user % BLOCKS.partitions
            stream_time[partition] = max(stream_time[partition], at)
            start = at // BLOCK_MS * BLOCK_MS
            if stream_time[partition] >= start + BLOCK_MS + GRACE_MS:
                late += 1
            else:
                counted[user, start] = counted.get((user, start), 0) + 1
    closed = {
        (user, start): n
        for (user, start), n in counted.items()
        if start + BLOCK_MS + GRACE_MS <= stream_time[user % BLOCKS.partitions]
    }
    return closed, late


def test_blocks_are_folded_as_one_row_at_a_time_would() -> None:
    expected = Expected(blocks=BLOCKS)
    for number in range(4):
        expected.add(BLOCKS.frame(number))

    users = expected.users()
    counted, late = row_at_a_time(4)
    assert users.set_index(["user", "window_start"])["n"].to_dict() == counted
    assert expected.late == late > 0
    assert expected.pages()["n"].sum() == expected.rows == 1600


WANT = pd.DataFrame({"key": ["a", "b"], "n": [1, 2], "total": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("got", "count"),
    [
        (WANT, Count(expected=2, lost=0, doubled=0, wrong=0)),
        (WANT[:1], Count(expected=2, lost=1, doubled=0, wrong=0)),
        (pd.concat([WANT, WANT[:1]]), Count(expected=2, lost=0, doubled=1, wrong=0)),
        (WANT.assign(n=[1, 3]), Count(expected=2, lost=0, doubled=0, wrong=1)),
        (WANT.assign(total=[1.0, 2.1]), Count(expected=2, lost=0, doubled=0, wrong=1)),
        (WANT.assign(key=["a", "c"]), Count(expected=2, lost=1, doubled=0, wrong=1)),
    ],
)
def test_rows_that_are_lost_doubled_or_wrong_are_counted(got: pd.DataFrame, count: Count) -> None:
    assert compare(got, WANT, ["key"]) == count


def test_a_trend_is_the_slope_after_the_warm_up() -> None:
    samples = [
        Sample(at=float(at), rss_mb=100.0 if at < 60 else 50 + at / 60, descriptors=10, tables=3, threads=4, cpu=0.0)
        for at in range(0, 3660, 60)
    ]

    found = trend(samples, "rss_mb", warm_up=60)

    assert found.per_hour == pytest.approx(60.0)
    assert found.low == 51
    assert trend(samples, "threads", warm_up=60).change == 0
    filled = [replace(each, buffers_mb=each.rss_mb - 40.0) for each in samples]
    assert trend(filled, "rest_mb", warm_up=60).change == 0
    with pytest.raises(ValueError, match="are no trend"):
        trend(samples[:8], "rss_mb", warm_up=60)
