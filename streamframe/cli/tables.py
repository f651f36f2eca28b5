"""Rows on stdout: aligned text for people, one JSON object a line for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def print_table(rows: Sequence[Mapping[str, object]], *, form: str) -> None:
    """Print rows that have the same names."""
    if form == "json":
        for row in rows:
            print(json.dumps(dict(row), default=str, ensure_ascii=False))
        return
    for line in table_lines(rows):
        print(line)


def table_lines(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return a head and a line per row; numbers are on the right.

    Example:
        >>> table_lines([{"topic": "clicks", "lag": 7}, {"topic": "a", "lag": 1000}])
        ['topic     lag', 'clicks      7', 'a       1,000']
    """
    if not rows:
        return []
    names = list(rows[0])
    right = {name for name in names if all(_is_number(row[name]) or row[name] is None for row in rows)}
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[column]) for line in cells)) for column, name in enumerate(names)]
    lines = []
    for line in [names, *cells]:
        padded = [
            text.rjust(width) if name in right else text.ljust(width)
            for name, text, width in zip(names, line, widths, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
