"""Charts as SVG without a script: lines over the last minutes, stacked bars. Each says in words what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from streamframe.observe.graph import short_number

WIDTH: Final = 460
HEIGHT: Final = 150
_LEFT: Final = 54
_RIGHT: Final = 8
_TOP: Final = 10
_BOTTOM: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart.

    Attributes:
        name: In the legend.
        values: From the oldest to the newest; ``None``: not known.
    """

    name: str
    values: Sequence[float | None]


def line_chart(title: str, unit: str, lines: Sequence[Line], seconds: int) -> str:
    """Return a figure with a legend.

    Args:
        title: What is shown.
        unit: Of the values, as it is spoken.
        lines: At most three; they differ by colour and by dashes.
        seconds: How long the values reach back.
    """
    top = nice_top(max((value for line in lines for value in line.values if value is not None), default=0.0))
    body = "".join(_grid(top, unit, seconds))
    body += "".join(_path(number, line, top) for number, line in enumerate(lines))
    told = "; ".join(f"{line.name} now {_last(line.values, unit)}" for line in lines)
    legend = "".join(
        f'<span class="key"><svg width="22" height="8" aria-hidden="true"><path class="line line{number}" d="M1 4H21"/>'
        f"</svg> {escape(line.name)} <strong>{escape(_last(line.values, unit))}</strong></span>"
        for number, line in enumerate(lines)
    )
    return (
        f'<figure class="chart"><figcaption><span class="title">{escape(title)}</span>{legend}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{title}: {told}")}">{body}</svg>'
        "</figure>"
    )


def nice_top(value: float) -> float:
    """Return the end of an axis: the next of 1, 2, 5 times a power of ten.

    Example:
        >>> [nice_top(value) for value in (0, 0.03, 7, 1200)]
        [1.0, 0.05, 10.0, 2000.0]
    """
    if value <= 0:
        return 1.0
    power = float(f"1e{len(str(int(value))) - 1}") if value >= 1 else 1.0
    while power > value:
        power /= 10
    return round(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value), 9)


def stacked_bar(title: str, shares: Mapping[str, float]) -> str:
    """Return one bar whose parts are shares of a whole, and a legend in words; a part is coloured by its name."""
    at = 0.0
    parts, legend = [], []
    for name, share in shares.items():
        width = round(1000 * share, 1)
        parts.append(f'<rect class="part {escape(name)}" x="{at:.1f}" y="0" width="{width}" height="18"/>')
        legend.append(
            f'<span class="key"><svg width="12" height="12" aria-hidden="true"><rect class="part {escape(name)}" '
            f'width="12" height="12" rx="3"/></svg> {escape(name)} <strong>{share:.0%}</strong></span>'
        )
        at += width
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return (
        f'<figure class="chart wide"><figcaption><span class="title">{escape(title)}</span></figcaption>'
        f'<svg class="stack" viewBox="0 0 1000 18" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(f"{title}: {told}")}">{"".join(parts)}</svg>'
        f'<div class="legend">{"".join(legend)}</div></figure>'
    )


def level_bar(share: float, label: str) -> str:
    """Return a small bar that is filled by a share; the label says it in words."""
    filled = round(100 * min(1.0, max(0.0, share)), 1)
    return (
        f'<svg class="level" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        '<rect class="track" width="100" height="8" rx="4"/>'
        f'<rect class="share" width="{filled}" height="8" rx="4"/></svg>'
    )


def _grid(top: float, unit: str, seconds: int) -> Iterator[str]:
    for part in (0.0, 0.5, 1.0):
        y = _y(top * part, top)
        yield f'<path class="grid" d="M{_LEFT} {y}H{WIDTH - _RIGHT}"/>'
        yield f'<text class="tick end" x="{_LEFT - 6}" y="{y + 4}">{escape(_value(top * part, unit))}</text>'
    for part in (0.0, 0.5, 1.0):
        x = _LEFT + round((WIDTH - _LEFT - _RIGHT) * part)
        word = "now" if part == 1.0 else f"-{_minutes(seconds * (1 - part))}"
        side = "end" if part == 1.0 else ("middle" if part else "")
        yield f'<text class="tick {side}" x="{x}" y="{HEIGHT - 5}">{word}</text>'


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:.0f} s"


def _path(number: int, line: Line, top: float) -> str:
    count = max(2, len(line.values))
    step = (WIDTH - _LEFT - _RIGHT) / (count - 1)
    commands, drawing = [], False
    for index, value in enumerate(line.values):
        if value is not None:
            commands.append(f"{'L' if drawing else 'M'}{_LEFT + index * step:.1f} {_y(value, top)}")
        drawing = value is not None
    return f'<path class="line line{number}" d="{"".join(commands)}"/>' if commands else ""


def _y(value: float, top: float) -> float:
    return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(1.0, value / top), 1)


def _last(values: Sequence[float | None], unit: str) -> str:
    known = [value for value in values if value is not None]
    return _value(known[-1], unit) if known else "–"


def _value(value: float, unit: str) -> str:
    if unit == "s":
        if value < 1:
            return f"{value * 1e3:.0f} ms" if value else "0"
        return f"{value:.3g} s" if value < 100 else f"{value:,.0f} s"
    return f"{short_number(value)}{unit}"
