"""The plan as a drawing: nodes in layers from the left to the right, as SVG that needs no script and no library.

A step is the darker the more of the workers' time it takes, and says so in words and by a bar. A topic that is read
shows how far it is behind; one that is written shows which share of the time goes into waiting for the broker to take
what is written: that is the back-pressure from behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

WIDTH: Final = 178
HEIGHT: Final = 62
GAP_X: Final = 58
GAP_Y: Final = 22
_TEXT_MAX: Final = 23
_DETAIL_MAX: Final = 27
_MARGIN: Final = 4

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
        operator: Name that counts and times are kept under; that of the topic for topics.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is drawn on the plan.

    Attributes:
        busy: Share of the workers' time that a step takes.
        behind: Text about an input topic, and how bad it is, 0 to 4.
        waiting: Share of the workers' time that goes into waiting for the broker; of topics that are written.
        rows: Rows per second that leave a step, by sub-topology, number of the stage and port.
    """

    busy: Mapping[str, float] = field(default_factory=dict)
    behind: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    waiting: float = 0.0
    rows: Mapping[tuple[int, int], Mapping[str, float]] = field(default_factory=dict)


def nodes_of(plan: Mapping[str, Any]) -> tuple[list[Box], list[Arrow]]:
    """Return boxes and arrows of a described topology (``streamframe describe --format json``)."""
    boxes: dict[str, Box] = {}
    arrows: list[Arrow] = []

    def topic(name: str) -> str:
        key = f"topic:{name}"
        boxes.setdefault(key, Box(key=key, title=name, subtitle="topic", kind="topic", operator=name))
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
            boxes[key] = Box(key=key, title=name, subtitle=_detail(stage), kind="step", operator=name)
            arrows += [Arrow(f"{sub['id']}:{edge['stage']}", key, edge["port"] == "late") for edge in stage["upstream"]]
            if not entry and place:
                arrows.append(Arrow(key, topic(place)))
    return list(boxes.values()), arrows


def _detail(stage: Mapping[str, Any]) -> str:
    facts = [str(fact) for fact in stage.get("facts", ())]
    own = next((fact for fact in facts if fact != stage["topic"] and not fact.startswith("json(")), "")
    return f"{stage['verb']}: {own}" if own else str(stage["verb"])


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


def draw(plan: Mapping[str, Any], load: Load) -> str:
    """Return the drawing of a described topology under its load."""
    boxes, arrows = nodes_of(plan)
    layer = layers(boxes, arrows)
    rows: dict[int, int] = {}
    place: dict[str, tuple[int, int]] = {}
    for box in boxes:
        row = rows.get(layer[box.key], 0)
        rows[layer[box.key]] = row + 1
        place[box.key] = (layer[box.key] * (WIDTH + GAP_X) + _MARGIN, row * (HEIGHT + GAP_Y) + _MARGIN)
    width = (max(layer.values(), default=0) + 1) * (WIDTH + GAP_X) - GAP_X + 2 * _MARGIN
    height = max(rows.values(), default=1) * (HEIGHT + GAP_Y) - GAP_Y + 2 * _MARGIN
    read = {arrow.source for arrow in arrows}
    body = "".join(_arrow(arrow, place, load) for arrow in arrows)
    body += "".join(_box(box, place[box.key], load, is_read=box.key in read) for box in boxes)
    return (
        f'<svg class="plan" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="plan; the table of steps below says the same">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>{body}</svg>'
    )


def _arrow(arrow: Arrow, place: Mapping[str, tuple[int, int]], load: Load) -> str:
    (x1, y1), (x2, y2) = place[arrow.source], place[arrow.target]
    begin_x, begin_y, end_x, end_y = x1 + WIDTH, y1 + HEIGHT // 2, x2 - 1, y2 + HEIGHT // 2
    bend = max(GAP_X // 2, (end_x - begin_x) // 2)
    path = f"M{begin_x} {begin_y}C{begin_x + bend} {begin_y} {end_x - bend} {end_y} {end_x} {end_y}"
    drawn = f'<path class="arrow{" late" if arrow.late else ""}" d="{path}" marker-end="url(#tip)"/>'
    rate = _rate(arrow, load)
    if rate is None:
        return drawn
    middle_x, middle_y = (begin_x + end_x) // 2, (begin_y + end_y) // 2 - 5
    return drawn + f'<text class="rate" x="{middle_x}" y="{middle_y}">{short_number(rate)}/s</text>'


def _rate(arrow: Arrow, load: Load) -> float | None:
    sub, _, index = arrow.source.partition(":")
    if not sub.isdecimal() or arrow.target.startswith("topic:"):
        return None
    return load.rows.get((int(sub), int(index)), {}).get("late" if arrow.late else "rows")


def _box(box: Box, place: tuple[int, int], load: Load, *, is_read: bool) -> str:
    x, y = place
    middle = x + WIDTH // 2
    words, level, share = _state_of(box, load, is_read=is_read)
    round_by = HEIGHT // 2 if box.kind == "topic" else 8
    bar = ""
    if box.kind == "step":
        full = WIDTH - 24
        bar = (
            f'<rect class="track" x="{x + 12}" y="{y + HEIGHT - 9}" width="{full}" height="4" rx="2"/>'
            f'<rect class="share" x="{x + 12}" y="{y + HEIGHT - 9}" width="{max(1, round(full * min(1.0, share)))}" '
            'height="4" rx="2"/>'
        )
    spoken = escape(", ".join(filter(None, (box.subtitle, words))))
    return (
        f'<g class="{box.kind} busy{level}"><title>{escape(box.title)}: {spoken}</title>'
        f'<rect class="box" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="{round_by}"/>'
        f'<text x="{middle}" y="{y + 19}">{escape(_short(box.title, _TEXT_MAX))}</text>'
        f'<text class="small" x="{middle}" y="{y + 34}">{escape(_short(box.subtitle, _DETAIL_MAX))}</text>'
        f'<text class="small strong" x="{middle}" y="{y + 48}">{escape(words)}</text>{bar}</g>'
    )


def _state_of(box: Box, load: Load, *, is_read: bool) -> tuple[str, int, float]:
    """Return what is said of a box, how dark it is, and the length of its bar."""
    if box.kind == "step":
        share = load.busy.get(box.operator, 0.0)
        return f"busy {share:.0%}", shade(share), share
    if is_read:
        text, level = load.behind.get(box.operator, ("", 0))
        return text, level, 0.0
    return f"waiting {load.waiting:.0%}", shade(load.waiting), load.waiting


def short_number(value: float) -> str:
    """Return a number in at most four characters and a unit.

    Example:
        >>> [short_number(value) for value in (0, 0.4, 7, 1234, 56789, 1_200_000)]
        ['0', '0.4', '7', '1.2k', '57k', '1.2M']
    """
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:.0f}{unit}"
    return f"{value:.1f}" if 0 < value < 1 else f"{value:.0f}"


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
