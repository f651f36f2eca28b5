"""Keys to slots: the hash table that every stateful step folds its rows through.

Three ways to the same answer, chosen by the key types:

* one fixed-width column: the value itself is the code; nothing else needs comparing;
* one text column, or several columns of any kind: the stable hash is the code, and the full key is
  compared for every row. Keys that share a hash, and very long ones, go through a dict.

The native path looks keys up in, and adds them to, the same arrays; batches with keys that are odd (very long, or with
the hash of another) take the way described here. Slots and bytes do not depend on the path.

A batch that repeats its keys is first reduced to its distinct keys by Arrow; whether that pays is
judged from earlier batches, and never changes the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.acceleration import native
from streamframe.state.columns import AnyArray
from streamframe.state.key_words import (
    Int64s,
    KeyColumn,
    Rows,
    WordColumn,
    Words,
    hash_words,
    is_text,
    key_column,
    key_type,
    missing,
    native_key_column,
    normalise,
)
from streamframe.state.slot_index import SlotIndex
from streamframe.state.word_rows import WordRows, word_array

HashFunction = Callable[[Sequence[KeyColumn]], Words]


class Repetition:
    """Judges whether reducing a batch to its distinct keys first will pay.

    Measured: it does below about 0.35 distinct keys per row. While it seems not to, it is tried again
    every ``_RETRY`` batches, because streams change.
    """

    _WORTH: Final = 0.35
    _RETRY: Final = 32
    _FEW_ROWS: Final = 64

    __slots__ = ("_ratio", "_skipped")

    def __init__(self) -> None:
        self._ratio = 1.0
        self._skipped = self._RETRY

    def expected(self, rows: int, keys: int) -> bool:
        """Whether a batch of ``rows`` rows, in a table that has ``keys`` keys, should be reduced."""
        if rows < self._FEW_ROWS:
            return False
        self._skipped += 1
        return self._ratio < self._WORTH or (0 < keys < self._WORTH * rows) or self._skipped > self._RETRY

    def seen(self, rows: int, distinct: int) -> None:
        """Learn the outcome of a reduced batch."""
        self._ratio = distinct / rows
        self._skipped = 0


class KeyTable:
    """An exact map from keys to dense slots. Slots are given in order of first appearance, never reused.

    Args:
        types: Arrow types of the key columns, at least one.
        hash_function: Replaces the hash, for tests of collisions.

    Raises:
        PlanError: Values of one of the types cannot be a key.

    Example:
        >>> table = KeyTable([pa.string()])
        >>> table.find_or_insert([pa.array(["b", "a", "b"])])
        array([0, 1, 0])
        >>> table.find([pa.array(["a", "c"])]), table.keys()[0].to_pylist()
        (array([ 1, -1]), ['b', 'a'])
    """

    __slots__ = ("_hash", "_index", "_null_slot", "_odd", "_repetition", "_rows", "types")

    def __init__(self, types: Sequence[pa.DataType], *, hash_function: HashFunction = hash_words) -> None:
        assert types, "a key has at least one column"
        self.types = tuple(key_type(kind) for kind in types)
        self._index = SlotIndex()
        single = len(self.types) == 1 and not is_text(self.types[0])
        self._rows = None if single else WordRows(self.types)
        self._hash = hash_function
        self._null_slot = -1
        # Keys that the index cannot lead to: very long ones, and those whose hash another key has.
        self._odd: dict[bytes, int] = {}
        self._repetition = Repetition()

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Bytes of memory held, about."""
        rows = 0 if self._rows is None else self._rows.nbytes
        return self._index.nbytes + rows + 200 * len(self._odd)

    def find_or_insert(self, columns: Sequence[pa.Array]) -> Rows:
        """Return the slot of each row's key; unknown keys get new slots.

        Args:
            columns: Key columns of equal length, of (or castable to) the types of the table.
        """
        return self._slots(self._normalise(columns), self._insert_words, self._insert_rows)

    def find(self, columns: Sequence[pa.Array]) -> Rows:
        """Return the slot of each row's key, -1 where the key is unknown."""
        return self._slots(self._normalise(columns), self._find_words, self._find_rows)

    def append(self, columns: Sequence[pa.Array]) -> None:
        """Give new slots to keys that are distinct and unknown, in order: how saved keys are loaded."""
        parts = [key_column(column) for column in self._normalise(columns)]
        if self._rows is None:
            assert isinstance(parts[0], WordColumn)
            self._append_words(parts[0])
            return
        heads = self._rows.heads(parts)
        first = len(self)
        long = _long_rows(parts)
        if long is None:
            codes = self._hash(parts).view(np.int64)
            self._rows.append(heads, parts, np.arange(len(codes)))
            slots = self._index.append(codes)
            shadowed = np.flatnonzero(self._index.lookup(codes) != slots)
            self._index.hide(slots.take(shadowed))
            for row in shadowed.tolist():
                self._odd[self._rows.row_of(heads, parts, row).tobytes()] = first + row
            return
        # Rare: order matters, so runs between long rows are appended as runs and long rows one by one.
        position = 0
        for row in [*long.tolist(), len(columns[0])]:
            if row > position:
                self.append([column.slice(position, row - position) for column in columns])
            if row < len(columns[0]):
                self._append_odd(self._rows.row_of(heads, parts, row))
            position = row + 1

    def keys(self, slots: Rows | None = None) -> list[pa.Array]:
        """Return the keys at ``slots`` (``None``: all, in slot order), one Arrow column per key column.

        The types are those given, with text as ``large_string`` and dictionaries decoded.
        """
        if self._rows is not None:
            return self._rows.columns(slots)
        codes = self._index.codes if slots is None else self._index.codes.take(slots)
        nulls = None
        if self._null_slot >= 0:
            nulls = np.arange(len(codes)) == self._null_slot if slots is None else slots == self._null_slot
        return [word_array(self.types[0], codes.view(np.uint64), nulls)]

    def order(self, slots: Rows) -> Rows:
        """Return the order of the keys at ``slots``, which are distinct: ascending, nulls last.

        Example:
            >>> table = KeyTable([pa.string()])
            >>> slots = table.find_or_insert([pa.array(["b", "c", "a"])])
            >>> table.order(slots)
            array([2, 0, 1])
        """
        order = self._order_of_words(slots) if self._rows is None else self._rows.order(slots)
        if order is not None:
            return order
        columns = self.keys(slots)
        names = [str(number) for number in range(len(columns))]
        ranks = pc.sort_indices(pa.table(columns, names=names), sort_keys=[(name, "ascending") for name in names])
        return ranks.to_numpy().astype(np.intp)

    def _order_of_words(self, slots: Rows) -> Rows:
        kind, codes = self.types[0], self._index.codes.take(slots)
        values: AnyArray = codes
        if pa.types.is_floating(kind):
            values = codes.view(np.float64)
        elif pa.types.is_unsigned_integer(kind):
            values = codes.view(np.uint64)
        order: Rows = values.argsort(kind="stable")
        if self._null_slot >= 0:
            null = slots.take(order) == self._null_slot
            order = np.concatenate([order[~null], order[null]])
        return order

    def _normalise(self, columns: Sequence[pa.Array]) -> list[pa.Array]:
        assert len(columns) == len(self.types)
        if len(columns) == 1 and pa.types.is_dictionary(columns[0].type):
            return list(columns)
        return [normalise(column, kind) for column, kind in zip(columns, self.types, strict=True)]

    def _slots(
        self,
        columns: list[pa.Array],
        by_words: Callable[[WordColumn, pa.Array], Rows],
        by_rows: Callable[[list[KeyColumn]], Rows],
    ) -> Rows:
        if not len(columns[0]):
            return np.zeros(0, np.intp)
        slots = self._slots_natively(columns, insert=by_rows == self._insert_rows)
        return self._slots_by_numpy(columns, by_words, by_rows) if slots is None else slots

    def _slots_natively(self, columns: list[pa.Array], *, insert: bool) -> Rows | None:
        """Return the slot of each row, -1 where the key is unknown and stays so; ``None``: this is done by numpy."""
        if native is None or self._rows is None or self._odd or self._hash is not hash_words:
            return None
        parts = [native_key_column(column) for column in columns]
        if None in parts:
            return None
        table, shift = self._index.places
        arena, starts, masked = self._rows.arena
        batch = native.KeyBatch(parts, masked)
        found = batch.lookup(table, shift, self._index.codes, arena, starts)
        if found is None:
            return None
        slots, new, words = np.frombuffer(found[0], np.int64), found[1], found[2]
        if new and not insert:
            return np.where(slots < len(self), slots, -1)
        if new:
            codes, end = self._index.make_room(new), self._rows.make_room(new, words)
            table, shift = self._index.places
            arena, starts, _ = self._rows.arena
            batch.append(table, shift, codes, arena, starts, len(self), end)
            self._index.appended(new)
            self._rows.appended(new, words)
        return slots

    def _slots_by_numpy(
        self,
        columns: list[pa.Array],
        by_words: Callable[[WordColumn, pa.Array], Rows],
        by_rows: Callable[[list[KeyColumn]], Rows],
    ) -> Rows:
        column = columns[0]
        if len(columns) > 1:
            return by_rows([key_column(part) for part in columns])
        if pa.types.is_dictionary(column.type):
            reduced = _used_values(column)
        elif self._repetition.expected(len(column), len(self)):
            reduced = column.dictionary_encode(null_encoding="encode")
            self._repetition.seen(len(column), len(reduced.dictionary))
        else:
            return self._distinct_slots(column, by_words, by_rows)
        slots = self._distinct_slots(normalise(reduced.dictionary, self.types[0]), by_words, by_rows)
        return slots.take(reduced.indices.to_numpy())

    def _distinct_slots(
        self,
        column: pa.Array,
        by_words: Callable[[WordColumn, pa.Array], Rows],
        by_rows: Callable[[list[KeyColumn]], Rows],
    ) -> Rows:
        part = key_column(column)
        return by_words(part, column) if isinstance(part, WordColumn) else by_rows([part])

    # One fixed-width column.

    def _find_words(self, part: WordColumn, column: pa.Array) -> Rows:
        slots = self._index.lookup(part.words.view(np.int64))
        return slots if part.nulls is None else np.where(part.nulls, self._null_slot, slots)

    def _insert_words(self, part: WordColumn, column: pa.Array) -> Rows:
        codes = part.words.view(np.int64)
        if part.nulls is None:
            return self._insert_codes(codes)
        if self._null_slot < 0:
            # The first null takes its place in the order of first appearance.
            before = missing(column)
            self._insert_codes(codes[:before][~part.nulls[:before]])
            self._null_slot = self._index.append_hidden(0)
        slots = np.full(len(codes), self._null_slot, np.intp)
        slots[~part.nulls] = self._insert_codes(codes[~part.nulls])
        return slots

    def _insert_codes(self, codes: Int64s) -> Rows:
        slots = self._index.lookup(codes)
        rows = (slots < 0).nonzero()[0]
        if len(rows):
            distinct = pa.array(codes.take(rows)).dictionary_encode()
            new = self._index.append(distinct.dictionary.to_numpy())
            slots[rows] = new.take(distinct.indices.to_numpy())
        return slots

    def _append_words(self, part: WordColumn) -> None:
        codes = part.words.view(np.int64)
        if part.nulls is None or not part.nulls.any():
            self._index.append(codes)
            return
        null = int(np.flatnonzero(part.nulls)[0])
        assert self._null_slot < 0
        assert int(part.nulls.sum()) == 1
        self._index.append(codes[:null])
        self._null_slot = self._index.append_hidden(0)
        self._index.append(codes[null + 1 :])

    # Text, and several columns.

    def _find_rows(self, parts: list[KeyColumn]) -> Rows:
        assert self._rows is not None
        slots = self._index.lookup(self._hash(parts).view(np.int64))
        if not len(self):
            return slots
        heads = self._rows.heads(parts)
        for row in self._odd_rows(heads, parts, slots).tolist():
            slots[row] = self._odd.get(self._rows.row_of(heads, parts, row).tobytes(), -1)
        return slots

    def _insert_rows(self, parts: list[KeyColumn]) -> Rows:
        assert self._rows is not None
        codes = self._hash(parts).view(np.int64)
        slots = self._index.lookup(codes)
        heads = self._rows.heads(parts)
        rows = (slots < 0).nonzero()[0]
        long = _long_rows(parts)
        if long is not None:
            rows = np.setdiff1d(rows, long)
        if len(rows):
            distinct = pa.array(codes.take(rows)).dictionary_encode()
            which = distinct.indices.to_numpy()
            first = np.empty(len(distinct.dictionary), np.intp)
            first[which[::-1]] = rows[::-1]  # the last assignment wins: the first row of each code
            self._rows.append(heads, parts, first)
            slots[rows] = self._index.append(distinct.dictionary.to_numpy()).take(which)
        for row in self._odd_rows(heads, parts, slots).tolist():
            key = self._rows.row_of(heads, parts, row)
            slot = self._odd.get(key.tobytes())
            slots[row] = self._append_odd(key) if slot is None else slot
        return slots

    def _odd_rows(self, heads: Sequence[Words], parts: Sequence[KeyColumn], slots: Rows) -> Rows:
        """Rows to be looked up in the dict: another key has their hash, or they are long."""
        assert self._rows is not None
        long = _long_rows(parts)
        if not len(self):
            return np.zeros(0, np.intp) if long is None else long
        other = np.flatnonzero(~self._rows.equal(heads, parts, slots) & (slots >= 0))
        return other if long is None else np.union1d(other, long)

    def _append_odd(self, key: Words) -> int:
        assert self._rows is not None
        slot = self._index.append_hidden(0)
        self._rows.append_row(key)
        self._odd[key.tobytes()] = slot
        return slot


def _long_rows(parts: Sequence[KeyColumn]) -> Rows | None:
    long = [rows for part in parts if (rows := part.long_rows()) is not None]
    return None if not long else np.unique(np.concatenate(long))


def _used_values(column: pa.Array) -> pa.Array:
    """Re-encode a dictionary column so that its values are those in use, once each, in order of appearance."""
    values = column.dictionary
    if column.null_count or values.null_count or pc.count_distinct(values).as_py() < len(values):
        return column.dictionary_decode().dictionary_encode(null_encoding="encode")
    used = column.indices.dictionary_encode()
    return pa.DictionaryArray.from_arrays(used.indices, values.take(used.dictionary))
