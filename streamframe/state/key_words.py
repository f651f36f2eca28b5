"""Key columns as 64-bit words: what makes two keys equal, and the hash that is stable for ever.

Every key column becomes words, vectorised over the rows:

* a fixed-width value is one word: integers in two's complement, booleans 0 or 1, floats as the bits of a
  float64 after ``-0.0`` became ``0.0`` and every NaN the same NaN, times and dates as their stored integer;
* text and bytes are a length word and ``ceil(length / 8)`` data words, little-endian, zero padded.

The hash of a row (``docs/format.md`` section "Hash of a key") runs over the words of its columns in order.
It decides the partition in repartition topics, so it never changes: not with the platform, not with the
other rows of the batch, not with the way the column is stored (plain, large, view or dictionary). Equality
never trusts the hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.stride_tricks import as_strided

from streamframe.core.errors import PlanError

Words: TypeAlias = npt.NDArray[np.uint64]
Int64s: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Rows: TypeAlias = npt.NDArray[np.intp]

LONG_BYTES: Final = 256
"""Text longer than this is hashed by its BLAKE2b digest, so one long value cannot make a batch slow."""

SEED: Final = np.uint64(0x9E3779B97F4A7C15)
ROUND: Final = np.uint64(0xFF51AFD7ED558CCD)
FINISH: Final = np.uint64(0xD6E8FEB86659FD93)
NULL_WORD: Final = np.uint64(0xA0761D6478BD642F)
_NAN_BITS: Final = np.uint64(0x7FF8000000000000)
_32: Final = np.uint64(32)
_29: Final = np.uint64(29)
_MASKS: Final = np.array([0, *((1 << 8 * size) - 1 for size in range(1, 9))], np.uint64)
_NANOS_PER_UNIT: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


@dataclass(slots=True)
class WordColumn:
    """A fixed-width key column: one word per row, 0 where null."""

    words: Words
    nulls: Bools | None
    scale: int = 1

    def long_rows(self) -> Rows | None:
        """Fixed-width values are never long."""
        return None


@dataclass(slots=True)
class Piece:
    """The word at one position of a text column, for ``rows`` (``None``: every row has that word)."""

    rows: Rows | None
    words: Words


@dataclass(slots=True)
class TextColumn:
    """A text or bytes key column. A null has length 0. The pieces of a long row are those of its digest."""

    lengths: Int64s
    pieces: list[Piece]
    nulls: Bools | None
    content: npt.NDArray[np.uint8]
    starts: Int64s
    long: Rows | None

    def long_rows(self) -> Rows | None:
        """Rows longer than ``LONG_BYTES``, or ``None``."""
        return self.long

    def bytes_of(self, row: int) -> bytes:
        """The bytes of one row."""
        start = int(self.starts[row])
        return self.content[start : start + int(self.lengths[row])].tobytes()


KeyColumn: TypeAlias = WordColumn | TextColumn


def is_text(kind: pa.DataType) -> bool:
    """Whether keys of this type are text or bytes; all others are one word."""
    return bool(
        pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_decimal128(kind)
    )


def key_type(kind: pa.DataType) -> pa.DataType:
    """Return the type in which keys of ``kind`` are remembered: 64-bit offsets for text, no dictionaries.

    Raises:
        PlanError: Values of this type cannot be a key.
    """
    if pa.types.is_dictionary(kind):
        return key_type(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.large_binary()
    if is_text(kind) or pa.types.is_primitive(kind):
        return kind
    raise PlanError(
        "values of this type cannot be a key",
        hint="use text, bytes, numbers, booleans, dates, times or decimals",
        type=str(kind),
    )


def normalise(column: pa.Array, kind: pa.DataType | None = None) -> pa.Array:
    """Return ``column`` in the type that keys are remembered in (``kind``, when known)."""
    wanted = key_type(column.type) if kind is None else kind
    if column.type == wanted:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column if column.type == wanted else column.cast(wanted)


def key_column(column: pa.Array) -> KeyColumn:
    """Return the words of a column that ``normalise`` returned."""
    nulls = None
    if column.null_count:
        nulls = np.asarray(column.is_null().to_numpy(zero_copy_only=False), np.bool_)
    return _text_column(column, nulls) if is_text(column.type) else _word_column(column, nulls)


def native_key_column(column: pa.Array) -> tuple[Any, ...] | None:
    """Return a column that ``normalise`` returned as the native lookup takes it; ``None``: it does not.

    Text is its bounds, its bytes and a byte a row, 1 for null; a fixed-width value is its words, nulls and scale.
    """
    kind = column.type
    nulls = None
    if column.null_count:
        nulls = np.asarray(column.is_null().to_numpy(zero_copy_only=False), np.bool_).view(np.uint8)
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        buffers = column.buffers()
        if buffers[1] is None or buffers[2] is None:
            return None
        bounds = np.frombuffer(buffers[1], "<i8", len(column) + 1, column.offset * 8)
        first, last = int(bounds[0]), int(bounds[-1])
        return bounds - first if first else bounds, np.frombuffer(buffers[2], np.uint8, last - first, first), nulls
    if is_text(kind) or pa.types.is_dictionary(kind):
        return None
    part = _word_column(column, None if nulls is None else nulls.view(np.bool_))
    return part.words, nulls, part.scale


def hash_keys(columns: Sequence[pa.Array]) -> Words:
    """Return the stable 64-bit hash of each row of ``columns``.

    Equal keys have equal hashes for ever and everywhere; nulls hash too. Integers of every width, and times
    of every unit, hash by their value.

    Args:
        columns: Key columns of equal length, at least one.

    Raises:
        PlanError: Values of a column's type cannot be a key.

    Example:
        >>> [hex(word) for word in hash_keys([pa.array(["user-1", None])]).tolist()]
        ['0x8e51a68cf53abde5', '0x90e63c5b6697f9de']
    """
    return hash_words([key_column(normalise(column)) for column in columns])


def hash_words(columns: Sequence[KeyColumn]) -> Words:
    """Return the hash of each row; see ``hash_keys``."""
    count = len(columns[0].words) if isinstance(columns[0], WordColumn) else len(columns[0].lengths)
    state = np.full(count, SEED, np.uint64)
    for column in columns:
        head = _head_words(column)
        if column.nulls is not None:
            head = np.where(column.nulls, NULL_WORD, head)
        _round(state, head)
        if isinstance(column, TextColumn):
            for piece in column.pieces:
                if piece.rows is None:
                    _round(state, piece.words)
                else:
                    part = state.take(piece.rows)
                    _round(part, piece.words)
                    state[piece.rows] = part
    state *= FINISH
    state ^= state >> _29
    return state


def _head_words(column: KeyColumn) -> Words:
    if isinstance(column, TextColumn):
        return column.lengths.view(np.uint64)
    return column.words if column.scale == 1 else column.words * np.uint64(column.scale)


def _round(state: Words, words: Words) -> None:
    state ^= words
    state *= ROUND
    state ^= state >> _32


def _word_column(column: pa.Array, nulls: Bools | None) -> WordColumn:
    kind = column.type
    scale = 1
    if pa.types.is_floating(kind):
        words = _float_words(column, kind)
    elif pa.types.is_boolean(kind):
        bits = np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)
        words = bits.astype(np.uint64)
    else:
        signed = not pa.types.is_unsigned_integer(kind)
        dtype = np.dtype(f"<{'i' if signed else 'u'}{kind.bit_width // 8}")
        words = _fixed(column, dtype).astype(np.int64 if signed else np.uint64, copy=False).view(np.uint64)
        if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
            scale = _NANOS_PER_UNIT[kind.unit]
        elif pa.types.is_date32(kind):
            scale = 86_400_000
    if nulls is not None:
        words = np.where(nulls, np.uint64(0), words)
    return WordColumn(words=words, nulls=nulls, scale=scale)


def _float_words(column: pa.Array, kind: pa.DataType) -> Words:
    values = _fixed(column, np.dtype(f"<f{kind.bit_width // 8}")).astype(np.float64) + 0.0
    words = values.view(np.uint64)
    strange = np.isnan(values)
    if strange.any():
        words[strange] = _NAN_BITS
    return words


def _fixed(column: pa.Array, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.zeros(len(column), dtype)
    return np.frombuffer(buffer, dtype, len(column), column.offset * dtype.itemsize)


def _text_bounds(column: pa.Array) -> tuple[Int64s, Int64s, Any]:
    """Starts and lengths of the rows in the data buffer of the column."""
    kind, count = column.type, len(column)
    buffers = column.buffers()
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        if not count or buffers[1] is None:
            return np.zeros(count, np.int64), np.zeros(count, np.int64), None
        bounds = np.frombuffer(buffers[1], "<i8", count + 1, column.offset * 8)
        return bounds[:-1], np.diff(bounds), buffers[2]
    width = 16 if pa.types.is_decimal128(kind) else kind.byte_width
    starts = np.arange(column.offset, column.offset + count, dtype=np.int64) * width
    return starts, np.full(count, width, np.int64), buffers[1]


def _text_column(column: pa.Array, nulls: Bools | None) -> TextColumn:
    starts, lengths, buffer = _text_bounds(column)
    count = len(lengths)
    if nulls is not None:
        lengths = np.where(nulls, 0, lengths)
    shortest, longest = (int(lengths.min()), int(lengths.max())) if count else (0, 0)
    size = int(starts[-1] + lengths[-1] - starts[0]) if count else 0
    base = int(starts[0]) if count else 0
    # Padding makes every 8-byte load that begins inside the data legal.
    content = np.zeros(size + 16, np.uint8)
    if size and buffer is not None:
        content[:size] = np.frombuffer(buffer, np.uint8, size, base)
    starts = starts - base
    text = TextColumn(lengths=lengths, pieces=[], nulls=nulls, content=content, starts=starts, long=None)
    if longest > LONG_BYTES:
        _long_pieces(text)
    elif shortest == longest and nulls is None:
        _even_pieces(text, longest)
    else:
        _pieces(text, lengths, np.arange(count))
    return text


def _loads(content: npt.NDArray[np.uint8], offset: int, stride: int, count: int) -> npt.NDArray[Any]:
    """View ``count`` unaligned little-endian 8-byte loads, ``stride`` bytes apart."""
    view = content[offset : offset + 8].view("<u8")
    return as_strided(view, shape=(count,), strides=(stride,))


def _even_pieces(text: TextColumn, length: int) -> None:
    # All rows have the same length: the words are plain strided copies.
    for offset in range(0, length, 8):
        words = _loads(text.content, offset, length, len(text.lengths)).astype(np.uint64)
        if length - offset < 8:
            words &= _MASKS[length - offset]
        text.pieces.append(Piece(rows=None, words=words))


def _pieces(text: TextColumn, lengths: Int64s, rows: Rows) -> None:
    loads = _loads(text.content, 0, 1, len(text.content) - 7)
    count, offset = len(lengths), 0
    while True:
        left = lengths if offset == 0 else lengths.take(rows) - offset
        enough = np.flatnonzero(left > 0)
        if not len(enough):
            return
        if len(enough) < len(left):
            rows, left = rows.take(enough), left.take(enough)
        words = loads[text.starts.take(rows) + offset].astype(np.uint64, copy=False)
        if int(left.min()) < 8:
            words &= _MASKS.take(left, mode="clip")
        text.pieces.append(Piece(rows=None if len(rows) == count else rows, words=words))
        offset += 8


def _long_pieces(text: TextColumn) -> None:
    long = np.flatnonzero(text.lengths > LONG_BYTES)
    text.long = long
    # First the short rows as ever (long ones count as empty), then the digests of the long ones.
    _pieces(text, np.where(text.lengths > LONG_BYTES, 0, text.lengths), np.arange(len(text.lengths)))
    digests = b"".join(hashlib.blake2b(text.bytes_of(row), digest_size=32).digest() for row in long.tolist())
    words = np.frombuffer(digests, "<u8").astype(np.uint64).reshape(-1, 4)
    text.pieces += [Piece(rows=long, words=words[:, position].copy()) for position in range(4)]


def missing(column: pa.Array) -> int:
    """Return the row of the first null, or -1."""
    return int(pc.index(column.is_null(), pa.scalar(True)).as_py()) if column.null_count else -1
