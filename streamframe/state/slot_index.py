"""Open addressing in numpy: from a 64-bit code to a dense slot, many rows at a time.

Linear probing over a power-of-two table of int32 slots; the codes themselves lie in slot order. One multiply
alone (Fibonacci hashing) clusters badly on arithmetic sequences of keys, so a code is mixed with two.
Slots are given in order of appending and never reused.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamframe.state.key_words import Int64s, Rows

_MULTIPLY: Final = np.uint64(0x9E3779B97F4A7C15)
_AGAIN: Final = np.uint64(0xD6E8FEB86659FD93)
_HALF: Final = np.uint64(32)
_FREE: Final = -1
_SPARSE_ROWS: Final = 1 << 20
"""Up to this many slots the table is at most a third full, which saves probing rounds; above, half."""


class SlotIndex:
    """Codes to slots. Slots may be *hidden*: they exist, but no code leads to them."""

    __slots__ = ("_codes", "_count", "_hidden", "_mask", "_shift", "_table")

    def __init__(self) -> None:
        self._codes = np.zeros(32, np.int64)
        self._count = 0
        self._hidden: list[int] = []
        self._allocate(128)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        return self._table.nbytes + self._codes.nbytes

    @property
    def codes(self) -> Int64s:
        """The code of every slot (a view)."""
        return self._codes[: self._count]

    @property
    def places(self) -> tuple[npt.NDArray[Any], int]:
        """The table of places, and by how much a mixed code is shifted to give the first of them."""
        return self._table, int(self._shift)

    def make_room(self, count: int) -> Int64s:
        """Make room for so many codes more, and return all codes with that room: for somebody who appends himself."""
        wanted = self._count + count
        if wanted > len(self._codes):
            grown = np.zeros(max(2 * len(self._codes), wanted), np.int64)
            grown[: self._count] = self.codes
            self._codes = grown
        self._reserve(wanted)
        return self._codes

    def appended(self, count: int) -> None:
        """Take note that so many codes were put behind the others, and into the table."""
        self._count += count

    def lookup(self, codes: Int64s) -> Rows:
        """Return the slot of each code, -1 where there is none."""
        home = self._home(codes)
        slots: Rows = self._table.take(home).astype(np.intp)
        # A free place (-1) is clipped to slot 0; if its code happens to match, the answer is still -1.
        rows = (self._codes.take(slots, mode="clip") != codes).nonzero()[0]
        if len(rows):
            rows = rows[slots.take(rows) >= 0]
        if not len(rows):
            return slots
        place, sought = home.take(rows), codes.take(rows)
        while True:
            place += 1
            place &= self._mask
            found = self._table.take(place).astype(np.intp)
            slots[rows] = found
            again = ((self._codes.take(found, mode="clip") != sought) & (found >= 0)).nonzero()[0]
            if not len(again):
                return slots
            rows, place, sought = rows.take(again), place.take(again), sought.take(again)

    def append(self, codes: Int64s) -> Rows:
        """Give new slots to codes that are absent; return the slots.

        A code that occurs twice gets two slots, of which lookups find one, always the same.
        """
        slots = self._extend(codes)
        self._reserve(self._count)
        self._place(codes, slots)
        return slots

    def append_hidden(self, code: int) -> int:
        """Give a new slot to which no code leads; return it."""
        slot = int(self._extend(np.array([code], np.int64))[0])
        self._hidden.append(slot)
        return slot

    def hide(self, slots: Rows) -> None:
        """Leave ``slots`` out of every later rebuild: another slot with the same code is found instead."""
        self._hidden += slots.tolist()

    def _extend(self, codes: Int64s) -> Rows:
        first, self._count = self._count, self._count + len(codes)
        if self._count > len(self._codes):
            grown = np.zeros(max(2 * len(self._codes), self._count), np.int64)
            grown[:first] = self._codes[:first]
            self._codes = grown
        self._codes[first : self._count] = codes
        return np.arange(first, self._count, dtype=np.intp)

    def _reserve(self, count: int) -> None:
        size = len(self._table)
        while count * (3 if count <= _SPARSE_ROWS else 2) > size:
            size *= 4 if size < 1 << 16 else 2
        if size == len(self._table):
            return
        self._allocate(size)
        old = np.arange(self._count, dtype=np.intp)
        if self._hidden:
            old = np.delete(old, self._hidden)
        self._place(self._codes.take(old), old)

    def _allocate(self, size: int) -> None:
        self._table: npt.NDArray[Any] = np.full(size, _FREE, np.int32)
        self._mask = size - 1
        self._shift = np.uint64(64 - (size.bit_length() - 1))

    def _home(self, codes: Int64s) -> Rows:
        mixed = codes.view(np.uint64) * _MULTIPLY
        mixed ^= mixed >> _HALF
        mixed *= _AGAIN
        mixed >>= self._shift
        return mixed.view(np.int64)

    def _place(self, codes: Int64s, slots: Rows) -> None:
        place = self._home(codes)
        table = self._table
        while len(slots):
            free = (table.take(place) < 0).nonzero()[0]
            table[place.take(free)] = slots.take(free)
            # Of several rows that wanted the same place one has won; the others move on.
            rest = (table.take(place) != slots).nonzero()[0]
            slots, place = slots.take(rest), place.take(rest)
            place += 1
            place &= self._mask
