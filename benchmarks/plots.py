"""Bar and line charts as SVG text, without a plotting library: they are committed, and look the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, LEFT, RIGHT, TOP = 900, 370, 80, 64
BAR, GAP, BETWEEN_GROUPS = 15, 3, 12
INK, QUIET, GRID, LIMIT = "#24292f", "#57606a", "#d8dee4", "#cf222e"
COLOURS = {"native": "#0969da", "pure": "#80b3ff", "peer": "#8c959f"}
CHART_WIDTH, CHART_HEIGHT, CHART_LEFT, CHART_RIGHT, CHART_TOP, CHART_BOTTOM = 420, 260, 60, 70, 56, 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        label: What it shows; empty in a group whose colours tell.
        value: Its length.
        low: Begin of the spread, drawn as a whisker.
        high: End of the spread.
        limit: A target, drawn as a line across the bar.
        kind: Key of ``COLOURS``.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    kind: str = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Values over the positions of a chart; ``None`` where nothing was measured."""

    label: str
    values: Sequence[float | None]
    kind: str = "native"


def bars(title: str, unit: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Return a horizontal bar chart that begins at zero.

    Args:
        title: Above the chart.
        unit: Of the values, below the title.
        groups: Bars that belong together, with a label; from top to bottom.
    """
    every = [bar for _, group in groups for bar in group]
    height = TOP + len(every) * (BAR + GAP) + len(groups) * BETWEEN_GROUPS + 8
    longest = max((edge for bar in every for edge in (bar.value, bar.high, bar.limit) if edge is not None), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / (longest or 1.0)
    parts = [*_head(WIDTH, height, title, unit), *_legend({bar.kind for bar in every}, any(b.limit for b in every))]
    y = float(TOP)
    for label, group in groups:
        middle = y + (len(group) * (BAR + GAP) - GAP) / 2
        own_labels = any(bar.label for bar in group)
        if own_labels and label:
            parts.append(_text(12, y + BAR - 3, label, weight=600))
            y += BAR + GAP
        elif label:
            parts.append(_text(LEFT - 10, middle + 4.5, label, anchor="end"))
        for bar in group:
            parts += _bar(bar, y, scale)
            y += BAR + GAP
        y += BETWEEN_GROUPS
    height = int(y) + 4
    parts[:2] = _head(WIDTH, height, title, unit)[:2]
    return "\n".join([*parts, "</svg>"]) + "\n"


def lines(title: str, unit: str, positions: Sequence[str], drawn: Sequence[Line]) -> str:
    """Return a line chart over named positions, evenly spaced, that begins at zero."""
    highest = _rounded_up(max((value for line in drawn for value in line.values if value is not None), default=1.0))
    right, bottom = CHART_WIDTH - CHART_RIGHT, CHART_HEIGHT - CHART_BOTTOM
    step = (right - CHART_LEFT) / max(1, len(positions) - 1)
    parts = _head(CHART_WIDTH, CHART_HEIGHT, title, unit)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - share * (bottom - CHART_TOP)
        parts.append(f'<path d="M{CHART_LEFT} {y:.1f}H{right}" stroke="{GRID}"/>')
        parts.append(_text(CHART_LEFT - 8, y + 4, f"{share * highest:,.6g}", anchor="end", colour=QUIET, size=11))
    for place, name in enumerate(positions):
        parts.append(_text(CHART_LEFT + place * step, bottom + 18, name, anchor="middle", colour=QUIET, size=11))
    for line in drawn:
        points = [
            (CHART_LEFT + place * step, bottom - value / highest * (bottom - CHART_TOP))
            for place, value in enumerate(line.values)
            if value is not None
        ]
        if not points:
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        colour = COLOURS[line.kind]
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(_text(points[-1][0] + 8, points[-1][1] + 4, line.label, colour=colour, size=12, weight=600))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _head(width: int, height: int, title: str, unit: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(12, 22, title, size=15, weight=600),
        _text(12, 40, unit, colour=QUIET, size=12),
    ]


def _legend(kinds: set[str], limits: bool) -> list[str]:  # noqa: FBT001 - what is drawn decides
    parts = []
    x = WIDTH - 12.0
    if limits:
        parts += [_text(x, 40, "target", anchor="end", colour=QUIET, size=12),
                  f'<path d="M{x - 46:.1f} 29V42" stroke="{LIMIT}" stroke-width="2"/>']  # fmt: skip
        x -= 66
    for kind in [kind for kind in COLOURS if kind in kinds and len(kinds) > 1][::-1]:
        wide = 7 * len(kind)
        parts += [_text(x, 40, kind, anchor="end", colour=QUIET, size=12),
                  f'<rect x="{x - wide - 17:.1f}" y="30" width="11" height="11" fill="{COLOURS[kind]}"/>']  # fmt: skip
        x -= wide + 32
    return parts


def _bar(bar: Bar, y: float, scale: float) -> list[str]:
    middle = y + BAR / 2
    end = LEFT + bar.value * scale
    parts = [
        f'<rect x="{LEFT}" y="{y:.1f}" width="{max(1.0, bar.value * scale):.1f}" height="{BAR}" rx="2" '
        f'fill="{COLOURS[bar.kind]}"/>'
    ]
    if bar.label:
        parts.append(_text(LEFT - 10, middle + 4.5, bar.label, anchor="end"))
    if bar.low is not None and bar.high is not None:
        low, high = LEFT + bar.low * scale, LEFT + bar.high * scale
        parts.append(f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}" stroke="{INK}" stroke-width="1.5"/>')
        end = max(end, high)
    if bar.limit is not None:
        x = LEFT + bar.limit * scale
        parts.append(f'<path d="M{x:.1f} {y - 2:.1f}V{y + BAR + 2:.1f}" stroke="{LIMIT}" stroke-width="2"/>')
        end = max(end, x) if end - 4 < x < end + 60 else end
    parts.append(_text(end + 7, middle + 4.5, f"{bar.value:,.4g}", colour=QUIET, size=12))
    return parts


def _text(  # noqa: PLR0913 - a text has a place, an anchor and a look
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK, size: int = 13, weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _rounded_up(value: float) -> float:
    """Return the next of 1, 2, 4 … times a power of ten: a scale whose quarters can be read."""
    power = 10.0 ** floor(log10(value)) if value > 0 else 1.0
    return next((step * power for step in (1, 2, 4, 6, 8) if step * power >= value), ceil(value / power) * power)
