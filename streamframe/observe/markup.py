"""Pieces of HTML. Every text that came from outside is escaped here, and nowhere else but in the drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_NUMBERS = (int, float)

STATES: Final = frozenset(
    {"starting", "restoring", "rebalancing", "running", "draining", "stopped", "failed", "warning", "error"}
)
"""Words that are shown as a badge."""


@dataclass(frozen=True, slots=True)
class Html:
    """Text that is HTML already."""

    text: str


def part(name: str, body: str) -> str:
    """Return a part of the page that the script replaces when it has changed."""
    return f'<div id="{name}" data-part>{body}</div>'


def section(name: str, title: str, body: str) -> str:
    """Return a section of the page with a heading that can be linked to."""
    return (
        f'<section aria-labelledby="{name}" class="card"><h2 id="{name}">{escape(title)}</h2>'
        f"{part(f'{name}-part', body)}</section>"
    )


def scrolled(label: str, body: str) -> str:
    """Return something wide that is scrolled by itself, with the keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}, to scroll">{body}</div>'


def folded(name: str, summary: str, body: str) -> str:
    """Return something that is shown when it is asked for."""
    return f'<details id="{name}"><summary>{escape(summary)}</summary>{body}</details>'


def table(caption: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Return a table, or a sentence when there is nothing in it; numbers are on the right."""
    if not rows:
        return f'<p class="none">{escape(caption)}: none.</p>'
    numeric = {name for name in rows[0] if all(isinstance(row[name], _NUMBERS) or row[name] is None for row in rows)}
    head = "".join(f'<th scope="col"{_class(name, numeric)}>{escape(name.replace("_", " "))}</th>' for name in rows[0])
    body = "".join("<tr>" + "".join(_cell(name, row[name], numeric) for name in rows[0]) + "</tr>" for row in rows)
    content = f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return scrolled(caption, content)


def badge(word: str) -> str:
    """Return a state as a word with a colour and a sign."""
    return f'<span class="badge {escape(word)}">{escape(word)}</span>'


def clock(moment: str | None, today: str) -> Html | None:
    """Return a moment of RFC 3339 without its date when that is today's, which is where it begins with ``today``.

    Example:
        >>> clock("2026-11-25T02:51:02.420Z", "2026-11-25").text
        '<time datetime="2026-11-25T02:51:02.420Z">02:51:02.420</time>'
    """
    if moment is None:
        return None
    shown = moment.removeprefix(today).removeprefix("T").removesuffix("Z").replace("T", " ")
    return Html(f'<time datetime="{escape(moment)}">{escape(shown)}</time>')


def number(value: object) -> str:
    """Return a number in groups of three digits, other things as they are."""
    return f"{value:,}" if isinstance(value, _NUMBERS) else str(value)


def _class(name: str, numeric: set[str]) -> str:
    return ' class="number"' if name in numeric else ""


def _cell(name: str, value: object, numeric: set[str]) -> str:
    if value is None:
        return f"<td{_class(name, numeric)}>–</td>"
    if isinstance(value, Html):
        return f"<td>{value.text}</td>"
    if str(value) in STATES:
        return f"<td>{badge(str(value))}</td>"
    text = number(value) if name in numeric else str(value)
    return f"<td{_class(name, numeric)}>{escape(text)}</td>"
