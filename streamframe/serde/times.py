"""Times of payloads: which integers are acceptable, and what text is a time.

Text is ISO 8601: a date, or a date and a time separated by ``T`` or a blank, with up to nine decimals
and an optional ``Z`` or offset; without either it is UTC. It is read to the microsecond and rounded
down to the unit of the column.

The verdict over one value depends on that value alone, though the work is done by whole columns. A
failing Arrow cast costs some 800 ns for every value in the column, so the failing ones are found by
halving, and the zone is looked for before it is cast.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Int64Array = npt.NDArray[np.int64]

TIME_MAX_US: Final = 1 << 62
"""Times further than this many microseconds (146 138 years) from the epoch are out of range: a window end plus
its grace must still fit an int64."""

_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_ZONED: Final = r":\d\d(\.\d+)?[+-]\d\d(:?\d\d)?$"
_BEYOND_MICROS: Final = r"(\.\d{6})\d{1,3}(\D|$)"


def time_units_per_second(unit: str) -> int:
    """Return how many of ``unit`` (``s``, ``ms``, ``us``, ``ns``) make a second."""
    return _PER_SECOND[unit]


def time_max(unit: str) -> int:
    """Return the greatest acceptable absolute value of a time in ``unit`` (``s``, ``ms``, ``us``, ``ns``).

    Example:
        >>> time_max("ms") > 253_402_300_799_000  # the year 9999
        True
    """
    per_second = _PER_SECOND[unit]
    return min(TIME_MAX_US * per_second // _PER_SECOND["us"], (1 << 63) - 1)


def parse_times(text: pa.Array, unit: str) -> tuple[Int64Array, list[int]]:
    """Read ISO 8601 text.

    Args:
        text: Strings, no nulls.
        unit: Unit of the result.

    Returns:
        The times as integers of ``unit`` since the epoch, UTC, and the positions of what is no time (their
        integers mean nothing).
    """
    zulu = pc.ends_with(text, "Z")
    if pc.all(zulu).as_py():
        micros, bad = _cast(text, pa.timestamp("us", "UTC"))
        return _to_unit(micros, bad, unit)
    zoned = np.asarray(pc.or_(zulu, pc.match_substring_regex(text, _ZONED)))
    micros = np.zeros(len(text), np.int64)
    wrong: list[int] = []
    for mask, target in ((zoned, pa.timestamp("us", "UTC")), (~zoned, pa.timestamp("us"))):
        positions = np.flatnonzero(mask)
        if len(positions):
            micros[positions], failed = _cast(text.take(pa.array(positions)), target)
            wrong.extend(positions[failed].tolist())
    return _to_unit(micros, sorted(wrong), unit)


def _to_unit(micros: Int64Array, bad: list[int], unit: str) -> tuple[Int64Array, list[int]]:
    per_second = _PER_SECOND[unit]
    if per_second > _PER_SECOND["us"]:
        factor = per_second // _PER_SECOND["us"]
        beyond = np.abs(micros) > time_max(unit) // factor
        return np.where(beyond, 0, micros) * factor, sorted({*bad, *np.flatnonzero(beyond).tolist()})
    return micros // (_PER_SECOND["us"] // per_second), bad


def _cast(text: pa.Array, target: pa.DataType) -> tuple[Int64Array, list[int]]:
    try:
        return _micros(text, target), []
    except pa.ArrowInvalid:
        return _cast_by_halves(pc.replace_substring_regex(text, _BEYOND_MICROS, r"\1\2"), target)


def _cast_by_halves(text: pa.Array, target: pa.DataType) -> tuple[Int64Array, list[int]]:
    micros = np.zeros(len(text), np.int64)
    bad: list[int] = []
    open_ranges = [(0, len(text))]
    while open_ranges:
        start, end = open_ranges.pop()
        try:
            micros[start:end] = _micros(text.slice(start, end - start), target)
        except pa.ArrowInvalid:
            if end - start == 1:
                bad.append(start)
            else:
                middle = (start + end) // 2
                open_ranges += [(start, middle), (middle, end)]
    return micros, sorted(bad)


def _micros(text: pa.Array, target: pa.DataType) -> Int64Array:
    return pc.cast(text, target).view(pa.int64()).to_numpy()
