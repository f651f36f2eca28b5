"""Bar charts as SVG text, without a plotting library: they are committed, and look the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, TOP = 860, 330, 110, 46
BAR, GAP = 18, 10
INK, QUIET, OURS, OTHERS, LIMIT = "#24292f", "#6e7781", "#1f6feb", "#8c959f", "#cf222e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        label: What it shows.
        value: Its length.
        low: Begin of the spread, drawn as a whisker.
        high: End of the spread.
        limit: A target, drawn as a line across the bar.
        ours: Whether it is StreamFrame.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    ours: bool = True


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """Return a horizontal bar chart that begins at zero.

    Args:
        title: Above the chart.
        unit: Of the values, behind the title.
        rows: The bars, from top to bottom.
    """
    height = TOP + len(rows) * (BAR + GAP) + 16
    longest = max([*(row.high or row.value for row in rows), *(row.limit or 0.0 for row in rows)], default=1.0) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / longest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="600" fill="{INK}">{escape(title)} '
        f'<tspan font-weight="400" fill="{QUIET}">({escape(unit)})</tspan></text>',
    ]
    for number, row in enumerate(rows):
        parts += _bar(row, TOP + number * (BAR + GAP), scale)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(row: Bar, y: int, scale: float) -> list[str]:
    middle = y + BAR / 2
    end = LEFT + row.value * scale
    parts = [
        f'<text x="{LEFT - 10}" y="{middle + 4.5:.1f}" text-anchor="end" fill="{INK}">{escape(row.label)}</text>',
        f'<rect x="{LEFT}" y="{y}" width="{max(1.0, row.value * scale):.1f}" height="{BAR}" '
        f'fill="{OURS if row.ours else OTHERS}"/>',
    ]
    if row.low is not None and row.high is not None:
        low, high = LEFT + row.low * scale, LEFT + row.high * scale
        parts.append(f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="{INK}" stroke-width="1.5"/>')
        end = max(end, high)
    if row.limit is not None:
        x = LEFT + row.limit * scale
        parts.append(f'<path d="M{x:.1f} {y - 3}V{y + BAR + 3}" stroke="{LIMIT}" stroke-width="2"/>')
        end = max(end, x) if x - end < 60 else end
    parts.append(f'<text x="{end + 8:.1f}" y="{middle + 4.5:.1f}" fill="{QUIET}">{row.value:,.6g}</text>')
    return parts
