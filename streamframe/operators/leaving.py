"""Closing windows without a pause: what is over leaves in slices, between the batches and before the commit.

A window closes when the watermark has passed its end and grace: from then on no row can change it, so its results
may be produced into the open transaction at any time before the commit that forgets the window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from streamframe.operators.aggregators.values import Slots
from streamframe.operators.emission import Groups, Part, Presenter
from streamframe.operators.rows import Rows

Int64Array = npt.NDArray[np.int64]


class Leaving:
    """Windows that are over, on their way out: in the order of their starts and keys, a slice at a time.

    A window of a million groups takes a second to leave; in slices between batches it stalls nobody. How it is cut
    is invisible: rows have the same order and the same marks, whatever the slices.

    Args:
        presenter: Makes the rows.
        groups: Puts a window together, when its turn has come.
    """

    def __init__(self, presenter: Presenter, groups: Callable[[int], Groups]) -> None:
        self._presenter = presenter
        self._groups = groups
        self._waiting: deque[int] = deque()
        self._first: Groups | None = None
        self._slots: Slots = np.zeros(0, np.intp)
        self._done = 0

    def __bool__(self) -> bool:
        return self._first is not None or bool(self._waiting)

    @property
    def first(self) -> int | None:
        """The first window of which rows are left."""
        if self._first is not None:
            return self._first.start
        return self._waiting[0] if self._waiting else None

    @property
    def waiting(self) -> Iterable[int]:
        """Windows of which no row has left."""
        return self._waiting

    @property
    def rows_left(self) -> int:
        """Rows still to leave of the window of which some have left."""
        return len(self._slots) - self._done

    def add(self, starts: Iterable[int]) -> None:
        """Windows are over; their groups do not change any more."""
        self._waiting += starts

    def take(self, limit: int) -> Rows | None:
        """Return the next rows, at most so many; ``None``: there are none."""
        parts: list[Part] = []
        offsets: list[Int64Array] = []
        room = limit
        while room and self:
            if self._first is None:
                self._first = self._groups(self._waiting.popleft())
                self._slots, self._done = self._presenter.ordered(self._first), 0
            end = min(self._done + room, len(self._slots))
            if end > self._done:
                parts.append(self._presenter.part(self._first, self._slots[self._done : end]))
                offsets.append(np.arange(self._done, end))
            room -= end - self._done
            self._done = end
            if end == len(self._slots):
                self._first, self._slots, self._done = None, self._slots[:0], 0
        return self._presenter.joined(parts, np.concatenate(offsets)) if parts else None
