"""The plan as a drawing: nodes in layers from the left to the right, as SVG that needs no script and no library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

WIDTH: Final = 168
HEIGHT: Final = 46
GAP_X: Final = 44
GAP_Y: Final = 18
_TEXT_MAX: Final = 24

BUSY_STEPS: Final = (0.05, 0.2, 0.4, 0.7)
"""Shares of a worker's time at which a box gets the next darker shade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One node: a topic or a step.

    Attributes:
        key: Unique name.
        title: First line.
        subtitle: Second line.
        kind: ``topic`` or ``step``.
        operator: Name that counts and times are kept under; empty for topics.
    """

    key: str
    title: str
    subtitle: str
    kind: str
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One edge; ``late`` is that of rows that come too late."""

    source: str
    target: str
    late: bool = False


def nodes_of(plan: Mapping[str, Any]) -> tuple[list[Box], list[Arrow]]:
    """Return boxes and arrows of a described topology (``streamframe describe --format json``)."""
    boxes: dict[str, Box] = {}
    arrows: list[Arrow] = []

    def topic(name: str) -> str:
        key = f"topic:{name}"
        boxes.setdefault(key, Box(key=key, title=name, subtitle="topic", kind="topic"))
        return key

    between = {each["step"]: each["topic"] for each in plan["repartitions"]}
    for sub in plan["sub_topologies"]:
        for stage in sub["stages"]:
            key = f"{sub['id']}:{stage['index']}"
            verb, name = stage["verb"], stage["name"]
            entry = verb in ("source", "receive")
            place = between.get(name) if verb in ("send", "receive") else stage["topic"]
            if entry and place:
                arrows.append(Arrow(topic(place), key))
            boxes[key] = Box(key=key, title=name, subtitle=verb, kind="step", operator=name)
            arrows += [Arrow(f"{sub['id']}:{edge['stage']}", key, edge["port"] == "late") for edge in stage["upstream"]]
            if not entry and place:
                arrows.append(Arrow(key, topic(place)))
    return list(boxes.values()), arrows


def layers(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Return the layer of each box: one behind the last of those that feed it.

    Example:
        >>> a, b = Box(key="a", title="", subtitle="", kind="step"), Box(key="b", title="", subtitle="", kind="step")
        >>> layers([b, a], [Arrow("a", "b")])
        {'b': 1, 'a': 0}
    """
    found = {box.key: 0 for box in boxes}
    # A plan has no cycles, so after one round per box nothing moves any more.
    for _ in boxes:
        moved = False
        for arrow in arrows:
            if found[arrow.target] <= found[arrow.source]:
                found[arrow.target] = found[arrow.source] + 1
                moved = True
        if not moved:
            break
    return found


def shade(share: float) -> int:
    """Return how dark a box is, 0 to 4.

    Example:
        >>> [shade(share) for share in (0.0, 0.3, 1.0)]
        [0, 2, 4]
    """
    return sum(share >= step for step in BUSY_STEPS)


def draw(plan: Mapping[str, Any], share_by_operator: Mapping[str, float]) -> str:
    """Return the drawing; ``share_by_operator`` is the share of the workers' time that each step takes."""
    boxes, arrows = nodes_of(plan)
    layer = layers(boxes, arrows)
    rows: dict[int, int] = {}
    place: dict[str, tuple[int, int]] = {}
    for box in boxes:
        row = rows.get(layer[box.key], 0)
        rows[layer[box.key]] = row + 1
        place[box.key] = (layer[box.key] * (WIDTH + GAP_X) + 2, row * (HEIGHT + GAP_Y) + 2)
    width = (max(layer.values(), default=0) + 1) * (WIDTH + GAP_X) - GAP_X + 4
    height = max(rows.values(), default=1) * (HEIGHT + GAP_Y) - GAP_Y + 4
    body = "".join(_arrow(arrow, place) for arrow in arrows)
    body += "".join(_box(box, place[box.key], share_by_operator) for box in boxes)
    return (
        f'<svg class="plan" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="plan; the table of steps below says the same">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>{body}</svg>'
    )


def _arrow(arrow: Arrow, place: Mapping[str, tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = place[arrow.source], place[arrow.target]
    begin_x, begin_y, end_x, end_y = x1 + WIDTH, y1 + HEIGHT // 2, x2 - 1, y2 + HEIGHT // 2
    bend = max(GAP_X // 2, (end_x - begin_x) // 2)
    path = f"M{begin_x} {begin_y}C{begin_x + bend} {begin_y} {end_x - bend} {end_y} {end_x} {end_y}"
    return f'<path class="arrow{" late" if arrow.late else ""}" d="{path}" marker-end="url(#tip)"/>'


def _box(box: Box, place: tuple[int, int], share_by_operator: Mapping[str, float]) -> str:
    x, y = place
    share = share_by_operator.get(box.operator, 0.0) if box.operator else 0.0
    words = [box.subtitle, f"busy {share:.0%}"] if box.kind == "step" else [box.subtitle]
    round_by = HEIGHT // 2 if box.kind == "topic" else 4
    return (
        f'<g class="{box.kind} busy{shade(share)}"><title>{escape(box.title)}: {escape(", ".join(words))}</title>'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="{round_by}"/>'
        f'<text x="{x + WIDTH // 2}" y="{y + 19}">{escape(_short(box.title))}</text>'
        f'<text class="small" x="{x + WIDTH // 2}" y="{y + 36}">{escape(" · ".join(words))}</text></g>'
    )


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"


def sparkline(values: Sequence[float], label: str) -> str:
    """Return a small bar chart; the last value is on the right.

    Args:
        values: From the oldest to the newest.
        label: What is shown, for those who cannot see it.
    """
    width, height, step = 480, 60, 8
    top = max(values, default=0.0) or 1.0
    bars = "".join(_bars(values[-(width // step) :], top, height, step))
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}"><title>{escape(label)}</title>{bars}</svg>'
    )


def _bars(values: Sequence[float], top: float, height: int, step: int) -> Iterator[str]:
    for number, value in enumerate(values):
        size = max(1, round((height - 2) * value / top))
        yield f'<rect x="{number * step}" y="{height - size}" width="{step - 2}" height="{size}"/>'
