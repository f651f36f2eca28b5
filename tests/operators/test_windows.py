"""Window arithmetic against a search over all windows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamframe.operators.windows import FOLDS_PER_ROW_MAX, PANES_PER_WINDOW_MAX, panes_of, place
from streamframe.plan.nodes import Window

WINDOWS = st.builds(
    Window,
    size=st.integers(1, 20),
    every=st.integers(1, 12),
    grace=st.integers(0, 8),
    offset=st.integers(-9, 9),
)
ROWS = st.lists(st.tuples(st.integers(-30, 30), st.integers(0, 25)), min_size=1, max_size=12)


def windows_of(window: Window, time: int) -> list[int]:
    near = range(time - 40, time + 1)
    return [
        start for start in near if (start - window.offset) % window.every == 0 and start <= time < start + window.size
    ]


@given(window=WINDOWS, rows=ROWS, mergeable=st.booleans())
def test_every_row_goes_into_its_open_windows_and_is_late_for_the_others(
    window: Window, rows: list[tuple[int, int]], mergeable: bool
) -> None:
    panes = panes_of(window, mergeable=mergeable)
    times = np.array([time for time, _ in rows])
    observed = np.maximum.accumulate(times + np.array([ahead for _, ahead in rows]))
    placement = place(panes, times, observed)
    taken: dict[int, list[int]] = {row: [] for row in range(len(rows))}
    for start, variant, positions in placement.buckets:
        for row in range(len(rows)) if positions is None else positions.tolist():
            first = int(panes.first_window(start))
            starts = (
                [start]
                if panes.direct
                else [first + n * window.every for n in range(variant, int(panes.window_count(start)))]
            )
            taken[row] += starts
    missed = [] if placement.late is None else list(zip(*(array.tolist() for array in placement.late), strict=True))
    for row, time in enumerate(times.tolist()):
        mine = windows_of(window, time)
        late = [start for start in mine if start + window.size + window.grace <= observed[row]]
        assert sorted(taken[row]) == [start for start in mine if start not in late]
        assert [start for at, start in missed if at == row] == late
    every = [windows_of(window, time) for time in times.tolist()]
    assert placement.outside == every.count([])


@given(window=WINDOWS, watermark=st.integers(-50, 50))
def test_the_first_open_window_is_the_first_that_the_watermark_does_not_close(window: Window, watermark: int) -> None:
    panes = panes_of(window, mergeable=True)
    starts = [s for s in range(-150, 150) if (s - window.offset) % window.every == 0]
    assert panes.closed_until(watermark) == next(s for s in starts if panes.closing_time(s) > watermark)


def test_windows_of_many_panes_are_folded_directly_unless_that_costs_more() -> None:
    assert not panes_of(Window(size=60, every=10), mergeable=True).direct
    assert panes_of(Window(size=60, every=10), mergeable=True, changes=True).direct
    assert panes_of(Window(size=1_000, every=999), mergeable=True).direct
    many = Window(size=3_600, every=1)
    assert many.size > PANES_PER_WINDOW_MAX
    assert many.size > FOLDS_PER_ROW_MAX
    assert not panes_of(many, mergeable=True).direct
    assert panes_of(many, mergeable=False).direct
    assert not panes_of(Window(size=10, every=10), mergeable=False).direct
