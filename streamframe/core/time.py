"""Time as integers: microseconds since the epoch, UTC; durations as microseconds.

Durations are written by users as ``"10s"``, ``"1min"``, ``"500ms"``, ``"1h30min"``, as a
``datetime.timedelta`` or as a number of seconds, and are integers of microseconds inside.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from streamframe.core.errors import ConfigError

MICROS_PER_MS: Final = 1_000
MICROS_PER_SECOND: Final = 1_000_000

MIN_TIME: Final = -(1 << 63) + 1
"""Stream time before the first row: below every event time. Also the watermark of a silent source."""

MAX_TIME: Final = (1 << 63) - 1
"""Above every event time: the watermark that closes everything."""

_UNITS: Final = {
    "us": 1,
    "µs": 1,
    "ms": MICROS_PER_MS,
    "s": MICROS_PER_SECOND,
    "sec": MICROS_PER_SECOND,
    "m": 60 * MICROS_PER_SECOND,
    "min": 60 * MICROS_PER_SECOND,
    "h": 3600 * MICROS_PER_SECOND,
    "hour": 3600 * MICROS_PER_SECOND,
    "d": 86_400 * MICROS_PER_SECOND,
    "day": 86_400 * MICROS_PER_SECOND,
    "w": 7 * 86_400 * MICROS_PER_SECOND,
}

_PART: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]+)\s*", re.IGNORECASE)

Duration = str | timedelta | float | int
"""What a user may write for a length of time; a plain number means seconds."""


def parse_duration(value: Duration, *, name: str = "duration") -> int:
    """Return ``value`` in microseconds.

    Args:
        value: ``"1min"``, ``"1h30min"``, ``"-5s"``, a ``timedelta`` or a number of seconds.
        name: The setting or argument, for the error message.

    Raises:
        ConfigError: The text is not a duration.

    Example:
        >>> parse_duration("1min"), parse_duration("1.5s"), parse_duration(2)
        (60000000, 1500000, 2000000)
    """
    if isinstance(value, timedelta):
        return round(value / timedelta(microseconds=1))
    if isinstance(value, bool):
        raise _not_a_duration(value, name)
    if isinstance(value, int | float):
        return round(value * MICROS_PER_SECOND)
    text = value.strip()
    sign = -1 if text.startswith("-") else 1
    text = text.removeprefix("-").removeprefix("+")
    position, total = 0, 0
    while position < len(text):
        match = _PART.match(text, position)
        unit = _UNITS.get(match[2].lower()) if match else None
        if match is None or unit is None:
            raise _not_a_duration(value, name)
        total += round(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit
        position = match.end()
    if not text:
        raise _not_a_duration(value, name)
    return sign * total


def _not_a_duration(value: object, name: str) -> ConfigError:
    return ConfigError(
        "not a duration",
        hint="write a number and a unit: '500ms', '10s', '1min', '1h', '1d'",
        **{name: value},
    )


def format_duration(micros: int) -> str:
    """Return the shortest exact text of a duration.

    Example:
        >>> format_duration(90_000_000), format_duration(1_500_000), format_duration(0)
        ('90s', '1500ms', '0s')
    """
    if micros == 0:
        return "0s"
    for unit in ("d", "h", "min", "s", "ms"):
        if micros % _UNITS[unit] == 0:
            return f"{micros // _UNITS[unit]}{unit}"
    return f"{micros}us"


def format_time(micros: int) -> str:
    """Return an event time as ISO 8601 text, or ``none``/``end`` for the two sentinels.

    Example:
        >>> format_time(0)
        '1970-01-01T00:00:00Z'
    """
    if micros <= MIN_TIME:
        return "none"
    if micros >= MAX_TIME:
        return "end"
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    except OverflowError:
        return f"{micros}us"
    return moment.isoformat().replace("+00:00", "Z")
