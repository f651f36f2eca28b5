"""Keys of any columns as rows of words in one arena: appended, compared and turned back into columns.

A row is: a mask word (bit c: column c is null) unless the only column is text; then one head word per
column (the value, or the length of the text; a null text has length -1); then the data words of each text.
Two keys are equal exactly if their rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.acceleration import native
from streamframe.state.key_words import (
    LONG_BYTES,
    Bools,
    Int64s,
    KeyColumn,
    Rows,
    TextColumn,
    WordColumn,
    Words,
    is_text,
)

_SLACK: Final = LONG_BYTES // 8 + 8
"""Words kept free behind the last row, so that comparing with a shorter row stays inside the arena."""
_NULL_LENGTH: Final = np.uint64(0xFFFFFFFFFFFFFFFF)


class WordRows:
    """Rows of words, in slot order."""

    __slots__ = ("_arena", "_count", "_end", "_heads", "_masked", "_starts", "_types")

    def __init__(self, types: Sequence[pa.DataType]) -> None:
        self._types = tuple(types)
        self._masked = not (len(types) == 1 and is_text(types[0]))
        self._heads = len(types) + self._masked
        self._arena: Words = np.zeros(64 + _SLACK, np.uint64)
        self._end = 0
        self._starts: Int64s = np.zeros(32, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of memory held."""
        return self._arena.nbytes + self._starts.nbytes

    @property
    def arena(self) -> tuple[Words, Int64s, bool]:
        """The words of all rows, where each row begins, and whether rows begin with a mask word (views)."""
        return self._arena, self._starts, self._masked

    def make_room(self, rows: int, words: int) -> int:
        """Make room for rows of so many words, and return where they begin: for somebody who appends himself."""
        self._make_room(rows, words)
        return self._end

    def appended(self, rows: int, words: int) -> None:
        """Take note that so many rows were put behind the others."""
        self._count += rows
        self._end += words

    def heads(self, columns: Sequence[KeyColumn]) -> list[Words]:
        """Return the mask and head words of a batch."""
        words: list[Words] = []
        if self._masked:
            mask = np.zeros(_length(columns[0]), np.uint64)
            for position, column in enumerate(columns):
                if column.nulls is not None:
                    mask |= column.nulls.astype(np.uint64) << np.uint64(position)
            words.append(mask)
        for column in columns:
            if isinstance(column, WordColumn):
                words.append(column.words)
                continue
            lengths = column.lengths.view(np.uint64)
            words.append(lengths if column.nulls is None else np.where(column.nulls, _NULL_LENGTH, lengths))
        return words

    def append(self, heads: Sequence[Words], columns: Sequence[KeyColumn], rows: Rows) -> None:
        """Append ``rows`` of a batch. None of them may be long."""
        texts = [column for column in columns if isinstance(column, TextColumn)]
        sizes = [(text.lengths.take(rows) + 7) >> 3 for text in texts]
        total = sum(sizes, start=np.full(len(rows), self._heads, np.int64))
        ends = np.cumsum(total) + self._end
        starts = ends - total
        self._make_room(len(rows), int(ends[-1]) - self._end if len(rows) else 0)
        self._starts[self._count : self._count + len(rows)] = starts
        self._count += len(rows)
        self._end = int(ends[-1]) if len(rows) else self._end
        for position, words in enumerate(heads):
            self._arena[starts + position] = words.take(rows)
        target = starts + self._heads
        order = np.full(_length(columns[0]), -1, np.intp)
        order[rows] = np.arange(len(rows))
        for text, size in zip(texts, sizes, strict=True):
            for position, piece in enumerate(text.pieces):
                if piece.rows is None:
                    self._arena[target + position] = piece.words.take(rows)
                    continue
                into = order.take(piece.rows)
                chosen = np.flatnonzero(into >= 0)
                self._arena[target.take(into.take(chosen)) + position] = piece.words.take(chosen)
            target = target + size

    def append_row(self, row: Words) -> None:
        """Append one row in its final form, as ``row_of`` returns it."""
        self._make_room(1, len(row))
        self._arena[self._end : self._end + len(row)] = row
        self._starts[self._count] = self._end
        self._count += 1
        self._end += len(row)

    def row_of(self, heads: Sequence[Words], columns: Sequence[KeyColumn], row: int) -> Words:
        """Return one row of a batch in its final form; works for long rows too, row by row."""
        words = [np.array([head[row] for head in heads], np.uint64)]
        for column in columns:
            if isinstance(column, TextColumn):
                content = column.bytes_of(row)
                content += bytes(-len(content) % 8)
                words.append(np.frombuffer(content, "<u8").astype(np.uint64))
        return np.concatenate(words)

    def equal(self, heads: Sequence[Words], columns: Sequence[KeyColumn], slots: Rows) -> Bools:
        """Whether each row of a batch is the row at its slot. Rows whose slot is -1 have no meaning."""
        base = self._starts.take(slots, mode="clip")
        same: Bools = self._arena.take(base) == heads[0]
        for position, words in enumerate(heads[1:], start=1):
            same &= self._arena.take(base + position) == words
        base += self._heads
        for column in columns:
            if not isinstance(column, TextColumn):
                continue
            for position, piece in enumerate(column.pieces):
                if piece.rows is None:
                    same &= self._arena.take(base + position, mode="clip") == piece.words
                else:
                    at = base.take(piece.rows) + position
                    part = self._arena.take(at, mode="clip") == piece.words
                    same[piece.rows] &= part
            base += (column.lengths + 7) >> 3
        return same

    def columns(self, slots: Rows | None) -> list[pa.Array]:
        """Return the keys at ``slots`` (``None``: all, in slot order) as Arrow columns."""
        base = self._starts[: self._count] if slots is None else self._starts.take(slots)
        mask = self._arena.take(base) if self._masked else None
        target = base + self._heads
        columns = []
        for position, kind in enumerate(self._types):
            head = self._arena.take(base + (position + self._masked))
            if is_text(kind):
                nulls = head == _NULL_LENGTH
                lengths = np.where(nulls, 0, head.view(np.int64))
                columns.append(text_array(kind, self._bytes(target, lengths), lengths, nulls))
                target = target + ((lengths + 7) >> 3)
            else:
                assert mask is not None
                columns.append(word_array(kind, head, (mask >> np.uint64(position)) & np.uint64(1) != 0))
        return columns

    def order(self, slots: Rows) -> Rows | None:
        """Return the order of the keys at ``slots``, which are distinct, as bytes; a null comes last.

        ``None``: keys of several columns, or of a type whose bytes are not ordered as its values are.
        """
        if self._masked or pa.types.is_decimal128(self._types[0]) or not len(slots):
            return None
        base = self._starts.take(slots)
        lengths = self._arena.take(base)
        null = np.flatnonzero(lengths == _NULL_LENGTH)
        lengths[null] = 0
        window = self._telling_bytes(base + 1, lengths)
        if len(null):
            window[null] = _NULL_LENGTH
        order = window.argsort()
        window = window.take(order)
        tied = np.zeros(len(slots) + 1, np.bool_)
        np.equal(window[1:], window[:-1], out=tied[1:-1])
        same_as_before = tied[:-1]
        rows = np.flatnonzero(same_as_before | tied[1:])
        if len(rows):
            # Few, unless keys differ late: they are compared as a whole.
            among = order.take(rows)
            group = pa.array(np.cumsum(~same_as_before.take(rows)))
            ties = pa.table([group, *self.columns(slots.take(among))], names=["group", "key"])
            ranks = pc.sort_indices(ties, sort_keys=[("group", "ascending"), ("key", "ascending")])
            order[rows] = among.take(ranks.to_numpy())
        return order

    def _telling_bytes(self, starts: Int64s, lengths: Words) -> Words:
        """Return of each text the eight bytes from the first place on where two of them differ, as a number."""
        words = -(-int(lengths.max()) // 8)
        for position in range(words):
            word = self._big_endian(starts, lengths, position)
            differing = int(np.bitwise_or.reduce(word ^ word[0]))
            if differing:
                shift = (64 - differing.bit_length()) & ~7
                if shift:
                    word <<= np.uint64(shift)
                    word |= self._big_endian(starts, lengths, position + 1) >> np.uint64(64 - shift)
                return word
        return np.zeros(len(starts), np.uint64)

    def _big_endian(self, starts: Int64s, lengths: Words, position: int) -> Words:
        word = self._arena.take(starts + position, mode="clip").byteswap()
        word[lengths <= np.uint64(8 * position)] = 0
        return word

    def _bytes(self, starts: Int64s, lengths: Int64s) -> npt.NDArray[np.uint8]:
        """Gather the text bytes that begin at the words ``starts``."""
        if native is not None:
            return np.frombuffer(native.gather_texts(self._arena, starts, lengths), np.uint8)
        total, longest = int(lengths.sum()), int(lengths.max(initial=0))
        width = (longest + 7) >> 3
        if len(starts) * width <= total // 4 + 64:  # nearly even: gather words, cut the padding off
            words = np.empty((len(starts), width), "<u8")
            for position in range(width):
                words[:, position] = self._arena.take(starts + position, mode="clip")
            padded = words.view(np.uint8).reshape(len(starts), width * 8)
            if total == longest * len(starts):  # all of one length
                return np.ascontiguousarray(padded[:, :longest]).reshape(-1)
            return padded[np.arange(width * 8) < lengths[:, None]]
        offsets = np.cumsum(lengths) - lengths
        at = np.repeat(starts * 8 - offsets, lengths)
        at += np.arange(total)
        return self._arena.astype("<u8", copy=False).view(np.uint8).take(at)

    def _make_room(self, rows: int, words: int) -> None:
        if self._count + rows > len(self._starts):
            starts = np.zeros(max(2 * len(self._starts), self._count + rows), np.int64)
            starts[: self._count] = self._starts[: self._count]
            self._starts = starts
        if self._end + words + _SLACK > len(self._arena):
            arena = np.zeros(max(2 * len(self._arena), self._end + words + _SLACK), np.uint64)
            arena[: self._end] = self._arena[: self._end]
            self._arena = arena


def _length(column: KeyColumn) -> int:
    return len(column.words) if isinstance(column, WordColumn) else len(column.lengths)


def word_array(kind: pa.DataType, words: Words, nulls: Bools | None) -> pa.Array:
    """Turn words back into an Arrow column of a fixed-width type."""
    if pa.types.is_boolean(kind):
        return pa.array(words != 0, type=kind, mask=nulls)
    if pa.types.is_floating(kind):
        values: npt.NDArray[Any] = words.view(np.float64).astype(f"f{kind.bit_width // 8}")
    else:
        values = words.view(np.int64).astype(f"i{kind.bit_width // 8}")
    validity = None
    if nulls is not None and nulls.any():
        validity = pa.py_buffer(np.packbits(~nulls, bitorder="little").tobytes())
    content = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [validity, content])


def text_array(kind: pa.DataType, content: npt.NDArray[np.uint8], lengths: Int64s, nulls: Bools) -> pa.Array:
    """Turn bytes and lengths back into an Arrow column of a text or bytes type."""
    validity = None
    if nulls.any():
        validity = pa.py_buffer(np.packbits(~nulls, bitorder="little").tobytes())
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(content)]
        return pa.Array.from_buffers(kind, len(lengths), buffers)
    width = 16 if pa.types.is_decimal128(kind) else kind.byte_width
    padded = np.zeros((len(lengths), width), np.uint8)
    padded[~nulls] = content.reshape(-1, width)
    return pa.Array.from_buffers(kind, len(lengths), [validity, pa.py_buffer(padded.reshape(-1))])
