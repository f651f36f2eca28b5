"""The status page: one HTML document with everything on it, complete without a script.

Each part has an id and ``data-part``: the script replaces those that have changed. What came from outside is escaped
by ``markup``, ``graph`` and ``charts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from streamframe.core.sizes import format_bytes
from streamframe.observe import documents
from streamframe.observe.charts import Line, level_bar, line_chart, stacked_bar
from streamframe.observe.fleet import Fleet, Identity
from streamframe.observe.flow import rows_by_stage
from streamframe.observe.graph import Load, draw, short_number
from streamframe.observe.history import POINT_SECONDS, POINTS_KEPT
from streamframe.observe.markup import Html, badge, clock, folded, number, part, scrolled, section, table
from streamframe.observe.verdict import BEHIND_SECONDS

SECTIONS: Final = (
    ("plan", "Plan"),
    ("trends", "Trends"),
    ("partitions", "Partitions"),
    ("state", "State"),
    ("batches", "Commits"),
    ("errors", "Errors"),
    ("workers", "Workers"),
)
"""In the order of the page: id and heading."""

_BEHIND_LEVELS: Final = (0.0, 1.0, BEHIND_SECONDS, 60.0)
"""Seconds behind at which an input topic gets the next darker shade."""

_ROWS_SHOWN: Final = 20


def status_page(fleet: Fleet, identity: Identity, plan: Mapping[str, Any] | None) -> str:
    """Return the page.

    Args:
        fleet: What is known.
        identity: Who serves it.
        plan: The described topology, or ``None`` while nobody can tell it.
    """
    found = documents.status(fleet, identity)
    bodies = {
        "plan": _plan(fleet, identity, plan),
        "trends": _trends(fleet, identity),
        "partitions": _partitions(fleet, identity),
        "state": _stores(fleet, identity),
        "batches": _batches(fleet, identity),
        "errors": _errors(fleet, identity),
        "workers": _workers(fleet, identity),
    }
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in SECTIONS)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(identity.application)}: {escape(found['verdict'])}</title>"
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">'
        '<noscript><meta http-equiv="refresh" content="5"></noscript>'
        '<script src="/page.js" defer></script></head><body>'
        '<a class="skip" href="#main">skip to the content</a>'
        f"<header><h1>{escape(identity.application)}</h1><nav aria-label='sections'>{links}</nav>"
        f"<span class='about'>{escape(identity.guarantee.replace('_', ' '))}</span></header>"
        f'<main id="main">{part("overview", _overview(found))}'
        f"{''.join(section(name, title, bodies[name]) for name, title in SECTIONS)}</main>"
        f"<footer>streamframe {escape(identity.version)} · "
        "<span id='freshness' role='status'>as of the last load</span>"
        ' · <a href="/metrics">metrics</a> · <a href="/api">JSON</a></footer></body></html>\n'
    )


def _overview(found: Mapping[str, Any]) -> str:
    # The word decides the colour; the sentence says it without one.
    word = found["verdict"].replace(" ", "-")
    facts = [
        ("state", badge(found["state"])),
        ("workers", f"{len(found['workers'])} of {found['workers_wanted']}"),
        ("records behind", number(found["lag_records"])),
        ("seconds behind", f"{found['lag_seconds']:,.1f}"),
        ("rows in", number(found["rows_in"])),
        ("rows out", number(found["rows_out"])),
        ("late", number(found["rows_late"])),
        ("dead letters", number(found["dead_letters"])),
        ("restarts", number(found["restarts"])),
    ]
    tiles = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts)
    return f'<p class="verdict {word}" role="status">{escape(found["verdict_text"])}</p><dl class="facts">{tiles}</dl>'


# -- the plan ------------------------------------------------------------------------------------------


def _plan(fleet: Fleet, identity: Identity, plan: Mapping[str, Any] | None) -> str:
    steps: list[dict[str, Any]] = documents.operators(fleet, identity)["operators"]
    phases = {row["phase"]: row["share"] for row in documents.loop(fleet, identity)["phases"]}
    drawing = "<p>The plan is not known yet: no worker has told it.</p>"
    if plan is not None:
        load = Load(
            busy={row["operator"]: row["busy_share"] for row in steps},
            behind=_behind(fleet, identity),
            waiting=phases.get("produce", 0.0) + phases.get("commit", 0.0),
            rows=rows_by_stage(plan, documents.rates_by_step(fleet)),
        )
        drawing = scrolled("plan", draw(plan, load)) + _LEGEND
    rows = [
        {
            "step": row["operator"],
            "busy": Html(level_bar(row["busy_share"], f"busy {row['busy_share']:.0%}")),
            "share": f"{row['busy_share']:.1%}",
            "seconds": round(row["seconds"], 1),
            "rows": ", ".join(f"{what.removeprefix('rows_')} {count:,}" for what, count in row["rows"].items()),
        }
        for row in steps
    ]
    shown = {name: share for name, share in phases.items() if share >= 0.005}
    return (
        drawing
        + (stacked_bar("Where the time of the workers goes", shown) if shown else "")
        + table("Steps: share of the workers' time lately, seconds in all, and what became of rows", rows)
    )


_LEGEND: Final = (
    '<p class="legend"><span class="key">steps by their share of the workers\' time:</span>'
    + "".join(
        f'<span class="key"><svg class="swatch busy{level}" width="14" height="14" aria-hidden="true">'
        f'<rect class="box" x="1" y="1" width="12" height="12" rx="3"/></svg> {text}</span>'
        for level, text in enumerate(("below 5 %", "5 %", "20 %", "40 %", "70 % and more"))
    )
    + '<span class="key">waiting: share of the time that goes into handing results to the broker (back-pressure)'
    "</span></p>"
)


def _behind(fleet: Fleet, identity: Identity) -> dict[str, tuple[str, int]]:
    found = {}
    for row in documents.lag(fleet, identity)["topics"]:
        seconds = row["lag_seconds"]
        level = sum(seconds > limit for limit in _BEHIND_LEVELS) if row["lag"] else 0
        text = f"{short_number(row['lag'])} behind, {seconds:,.0f} s" if row["lag"] else "nothing waits"
        found[row["topic"]] = (text, level)
    return found


# -- trends --------------------------------------------------------------------------------------------


def _trends(fleet: Fleet, identity: Identity) -> str:
    # The last point is still growing and would look like a fall.
    points: list[dict[str, Any]] = documents.history(fleet, identity)["points"][:-1]
    if len(points) < 2:
        return '<p class="none">Trends: none yet, a point is taken every 5 seconds.</p>'
    seconds = POINT_SECONDS * (len(points) - 1)

    def line(name: str, column: str) -> Line:
        return Line(name=name, values=[point[column] for point in points])

    charts = [
        line_chart("Throughput", "/s", [line("in", "records_in_per_second"), line("out", "records_out_per_second")],
                   seconds),
        line_chart("Behind", "", [line("records", "lag_records")], seconds),
        line_chart("End-to-end latency", "s", [line("half of the records", "latency_p50_seconds"),
                                               line("99 %", "latency_p99_seconds")], seconds),
    ]  # fmt: skip
    rows = [
        {
            "at": clock(point["at"], _today(fleet)),
            "in per second": round(point["records_in_per_second"]),
            "out per second": round(point["records_out_per_second"]),
            "behind": point["lag_records"],
            "p50 s": _rounded(point["latency_p50_seconds"]),
            "p99 s": _rounded(point["latency_p99_seconds"]),
        }
        for point in points[::-1][:_ROWS_SHOWN]
    ]
    kept = f"{POINT_SECONDS * POINTS_KEPT // 60} minutes"
    return f'<div class="charts">{"".join(charts)}</div>' + folded(
        "trends-table",
        f"the latest of the last {kept} as a table",
        table("Points of 5 seconds, the newest first", rows),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


# -- partitions and state ------------------------------------------------------------------------------


def _partitions(fleet: Fleet, identity: Identity) -> str:
    rows: list[dict[str, Any]] = documents.partitions(fleet, identity)["partitions"]
    most = max((row["lag"] or 0 for row in rows), default=0) or 1
    today = _today(fleet)
    shown = [
        {
            "partition": f"{row['topic']}[{row['partition']}]",
            "worker": str(row["worker"]),
            "task": row["task"],
            "behind": Html(level_bar((row["lag"] or 0) / most, f"{number(row['lag'] or 0)} behind")),
            "records": row["lag"],
            "seconds": _rounded(row["lag_seconds"]),
            "position": row["position"],
            "committed": row["committed"],
            "stream time": clock(row["stream_time"], today),
            "watermark": clock(row["watermark"], today),
            "state": "running" if row["running"] else "restoring",
        }
        for row in rows
    ]
    return table("Input partitions, the one that is furthest behind first", shown)


def _stores(fleet: Fleet, identity: Identity) -> str:
    found = documents.stores(fleet, identity)
    rows: list[dict[str, Any]] = found["stores"]
    tasks: list[dict[str, Any]] = documents.tasks(fleet, identity)["tasks"]
    today = _today(fleet)
    most = max((row["memory_bytes"] for row in rows), default=0) or 1
    shown = [
        {
            "store": row["store"],
            "partition": str(row["partition"]),
            "worker": str(row["worker"]),
            "size": Html(level_bar(row["memory_bytes"] / most, format_bytes(row["memory_bytes"]))),
            "memory": format_bytes(row["memory_bytes"]),
            "left to restore": row["remaining"],
        }
        for row in rows
    ]
    bars = "".join(_restore_bar(task) for task in tasks if task["state"] != "running" and task["restore_total"])
    rows_of_tasks = [
        {
            "task": task["task"],
            "worker": str(task["worker"]),
            "state": task["state"],
            "watermark": clock(task["watermark"], today),
        }
        for task in tasks
    ]
    size = format_bytes(found["disk_bytes"])
    disk = f"<p>On disk: {size} in about {number(found['disk_entries'])} entries.</p>"
    return (
        bars
        + f'<div class="pair"><div>{table("Stores", shown)}{disk if shown else ""}</div>'
        + f"<div>{table('Tasks', rows_of_tasks)}</div></div>"
    )


def _restore_bar(task: Mapping[str, Any]) -> str:
    done, total = task["restored"], task["restore_total"]
    return (
        f'<p class="restore"><label>task {escape(task["task"])} restores '
        f'<progress max="{total}" value="{done}"></progress> '
        f"{number(done)} of {number(total)} changelog records, {done / total:.0%}</label></p>"
    )


# -- commits, errors, workers --------------------------------------------------------------------------


def _batches(fleet: Fleet, identity: Identity) -> str:
    rows: list[dict[str, Any]] = documents.batches(fleet, identity)["commits"]
    oldest_first = rows[::-1]
    lines = (
        ("Records per commit", "", [Line(name="records", values=[row["records"] for row in oldest_first])]),
        (
            "Time of a commit",
            "s",
            [
                Line(name="nothing is processed", values=[row["stall_seconds"] for row in oldest_first]),
                Line(name="of it at the broker", values=[row["commit_seconds"] for row in oldest_first]),
            ],
        ),
    )
    seconds = _span(fleet)
    charts = "".join(line_chart(title, unit, drawn, seconds) for title, unit, drawn in lines)
    shown = [
        {
            "at": clock(row["at"], _today(fleet)),
            "worker": str(row["worker"]),
            "records": row["records"],
            "batches": row["batches"],
            "process ms": round(row["process_seconds"] * 1e3, 1),
            "seal ms": round(row["seal_seconds"] * 1e3, 1),
            "broker ms": round(row["commit_seconds"] * 1e3, 1),
            "stall ms": round(row["stall_seconds"] * 1e3, 1),
        }
        for row in rows[:_ROWS_SHOWN]
    ]
    if not rows:
        return table("The latest commits", shown)
    return f'<div class="charts">{charts}</div>' + folded(
        "commits-table", "the latest commits as a table", table("The latest commits", shown)
    )


def _span(fleet: Fleet) -> int:
    """Return over how many seconds the commits reach back that are known."""
    first = min((s.measured.commits[0].at for s in fleet.snapshots.values() if s.measured.commits), default=0)
    return max(1, round(fleet.now - first / 1e6))


def _errors(fleet: Fleet, identity: Identity) -> str:
    found = documents.errors(fleet, identity)
    remarks: list[dict[str, Any]] = found["errors"]
    letters: list[dict[str, Any]] = found["dead_letters"]
    shown = [
        {
            "at": clock(row["at"], _today(fleet)),
            "worker": "–" if row["worker"] is None else str(row["worker"]),
            "level": row["level"],
            "text": row["text"],
            "facts": " ".join(f"{name}={value}" for name, value in row["facts"].items()),
        }
        for row in remarks[:_ROWS_SHOWN]
    ]
    today = _today(fleet)
    placed = [
        {
            "at": clock(row["at"], today),
            "record": f"{row['topic']}[{row['partition']}]@{row['offset']}" if row["topic"] else "–",
            "step": row["step"],
            "reason": row["error"],
            "worker": str(row["worker"]),
        }
        for row in letters[:_ROWS_SHOWN]
    ]
    return table("Warnings and errors", shown) + table("Dead letters: where the record is", placed)


def _workers(fleet: Fleet, identity: Identity) -> str:
    rows: list[dict[str, Any]] = documents.status(fleet, identity)["workers"]
    today = _today(fleet)
    shown = [
        {
            "worker": str(row["worker"]),
            "name": row["name"],
            "state": row["state"],
            "tasks": row["tasks"],
            "commits": row["commits"],
            "rollbacks": row["rollbacks"],
            "last commit": clock(row["last_commit"], today),
            "last progress": clock(row["last_progress"], today),
        }
        for row in rows
    ]
    return table("Worker processes; times are UTC", shown)


def _today(fleet: Fleet) -> str:
    return documents.moment(fleet.now)[:10]
