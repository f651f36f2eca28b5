"""Sizes in bytes, as users write them: ``"512MB"``, ``"1GiB"``, a number of bytes."""

from __future__ import annotations

import re
from typing import Final

from streamframe.core.errors import ConfigError

_SIZE: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def parse_bytes(value: str | int, *, name: str = "size") -> int:
    """Return a size in bytes. ``k``, ``M`` and ``G`` count by 1024, with or without ``i``.

    Raises:
        ConfigError: The text is not a size.

    Example:
        >>> parse_bytes("512MB"), parse_bytes("1GiB"), parse_bytes(4096)
        (536870912, 1073741824, 4096)
    """
    if isinstance(value, int):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ConfigError("not a size", hint="write a number and a unit: '512MB', '1GB'", **{name: value})
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


def format_bytes(count: int) -> str:
    """Return a size for people.

    Example:
        >>> format_bytes(1536), format_bytes(0), format_bytes(3 << 30)
        ('1.5 KiB', '0 B', '3.0 GiB')
    """
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
