"""The status page: one HTML document with everything on it, complete without a script.

Every text that came from outside is escaped, here, in ``_cell`` and ``_e``. Each part has an id and ``data-part``: the
script replaces those that have changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from streamframe.core.sizes import format_bytes
from streamframe.observe import documents
from streamframe.observe.fleet import Fleet, Identity
from streamframe.observe.graph import draw, sparkline

_NUMBERS = (int, float)


def status_page(fleet: Fleet, identity: Identity, plan: Mapping[str, Any] | None) -> str:
    """Return the page.

    Args:
        fleet: What is known.
        identity: Who serves it.
        plan: The described topology, or ``None`` while nobody can tell it.
    """
    title = f"{identity.application}: {documents.fleet_state(fleet, identity)}"
    parts = [
        _part("overview", _overview(fleet, identity)),
        _section("plan", "Plan", _plan(fleet, identity, plan)),
        _section("partitions", "Partitions", _partitions(fleet, identity)),
        _section("state", "State", _stores(fleet, identity)),
        _section("batches", "Commits", _batches(fleet, identity)),
        _section("errors", "Errors", _errors(fleet, identity)),
        _section("workers", "Workers", _workers(fleet, identity)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">'
        '<noscript><meta http-equiv="refresh" content="5"></noscript>'
        '<script src="/page.js" defer></script></head><body>'
        '<a class="skip" href="#main">skip to the content</a>'
        f"<header><h1>{escape(identity.application)}</h1><nav aria-label='sections'>"
        '<a href="#plan">Plan</a><a href="#partitions">Partitions</a><a href="#state">State</a>'
        '<a href="#batches">Commits</a><a href="#errors">Errors</a><a href="#workers">Workers</a></nav></header>'
        f'<main id="main">{"".join(parts)}</main>'
        f"<footer>streamframe {escape(identity.version)} · "
        "<span id='freshness' role='status'>as of the last load</span>"
        ' · <a href="/metrics">metrics</a> · <a href="/api/status">JSON</a></footer></body></html>\n'
    )


def _part(name: str, body: str) -> str:
    return f'<div id="{name}" data-part>{body}</div>'


def _section(name: str, title: str, body: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{_part(f"{name}-part", body)}</section>'


def _overview(fleet: Fleet, identity: Identity) -> str:
    found = documents.status(fleet, identity)
    state = found["state"]
    facts = [
        ("state", f'<span class="{state}" role="status">{state}</span>'),
        ("workers", f"{len(found['workers'])} of {found['workers_wanted']}"),
        ("lag", _number(found["lag_records"])),
        ("behind by", f"{found['lag_seconds']:.1f} s"),
        ("rows in", _number(found["rows_in"])),
        ("rows out", _number(found["rows_out"])),
        ("late", _number(found["rows_late"])),
        ("dead letters", _number(found["dead_letters"])),
        ("restarts", _number(found["restarts"])),
        ("guarantee", escape(str(found["guarantee"]).replace("_", " "))),
    ]
    return '<dl class="facts">' + "".join(f"<div><dt>{n}</dt><dd>{text}</dd></div>" for n, text in facts) + "</dl>"


def _plan(fleet: Fleet, identity: Identity, plan: Mapping[str, Any] | None) -> str:
    steps: list[dict[str, Any]] = documents.operators(fleet, identity)["operators"]
    share = {row["operator"]: row["busy_share"] for row in steps}
    drawing = (
        ""
        if plan is None
        else f'<div class="scroll" tabindex="0" role="region" aria-label="plan">{draw(plan, share)}</div>'
    )
    rows = [
        {
            "step": row["operator"],
            "busy": f"{share[row['operator']]:.1%}",
            "seconds": f"{row['seconds']:.2f}",
            "rows": ", ".join(f"{what.removeprefix('rows_')} {count:,}" for what, count in row["rows"].items()),
        }
        for row in steps
    ]
    phases: list[dict[str, Any]] = documents.loop(fleet, identity)["phases"]
    time_rows = [
        {"phase": row["phase"], "share": f"{row['share']:.1%}", "seconds": f"{row['seconds']:.1f}"} for row in phases
    ]
    return (
        drawing
        + _table("Steps: share of the workers' time lately, seconds in all, and what became of rows", rows)
        + _table("Where the time of the workers went lately", time_rows)
    )


def _partitions(fleet: Fleet, identity: Identity) -> str:
    rows: list[dict[str, Any]] = documents.partitions(fleet, identity)["partitions"]
    shown = [
        {
            "partition": f"{row['topic']}[{row['partition']}]",
            "worker": row["worker"],
            "task": row["task"],
            "lag": row["lag"],
            "seconds behind": None if row["lag_seconds"] is None else round(row["lag_seconds"], 1),
            "position": row["position"],
            "committed": row["committed"],
            "stream time": row["stream_time"],
            "processing": "yes" if row["running"] else "no, being restored",
        }
        for row in rows
    ]
    return _table("Input partitions, the one that is furthest behind first", shown)


def _stores(fleet: Fleet, identity: Identity) -> str:
    found = documents.stores(fleet, identity)
    rows: list[dict[str, Any]] = found["stores"]
    shown = [
        {
            "store": row["store"],
            "partition": row["partition"],
            "worker": row["worker"],
            "memory": format_bytes(row["memory_bytes"]),
            "left to restore": row["remaining"],
        }
        for row in rows
    ]
    tasks: list[dict[str, Any]] = documents.tasks(fleet, identity)["tasks"]
    bars = "".join(
        f'<p><label>task {escape(task["task"])} <progress max="{task["restore_total"]}" value="{task["restored"]}">'
        f"</progress> {_number(task['restored'])} of {_number(task['restore_total'])}</label></p>"
        for task in tasks
        if task["state"] != "running" and task["restore_total"]
    )
    rows_of_tasks = [
        {"task": task["task"], "worker": task["worker"], "state": task["state"], "watermark": task["watermark"]}
        for task in tasks
    ]
    size = format_bytes(found["disk_bytes"])
    disk = f"<p>On disk: {size} in about {_number(found['disk_entries'])} entries.</p>"
    return bars + _table("Stores", shown) + (disk if shown else "") + _table("Tasks", rows_of_tasks)


def _batches(fleet: Fleet, identity: Identity) -> str:
    rows: list[dict[str, Any]] = documents.batches(fleet, identity)["commits"]
    oldest_first = rows[::-1]
    lines = (("records", "records per commit"), ("commit_seconds", "seconds at the broker per commit"))
    drawn = "".join(
        f"<div><p>{label}</p>{sparkline([row[name] for row in oldest_first], label)}</div>" for name, label in lines
    )
    charts = f'<div class="charts">{drawn}</div>'
    shown = [
        {
            "at": row["at"],
            "worker": row["worker"],
            "records": row["records"],
            "batches": row["batches"],
            "process ms": round(row["process_seconds"] * 1e3, 1),
            "seal ms": round(row["seal_seconds"] * 1e3, 1),
            "commit ms": round(row["commit_seconds"] * 1e3, 1),
        }
        for row in rows[:20]
    ]
    return (charts if rows else "") + _table("The latest commits", shown)


def _errors(fleet: Fleet, identity: Identity) -> str:
    found = documents.errors(fleet, identity)
    remarks: list[dict[str, Any]] = found["errors"]
    letters: list[dict[str, Any]] = found["dead_letters"]
    shown = [
        {
            "at": row["at"],
            "worker": row["worker"],
            "level": row["level"],
            "text": row["text"],
            "facts": " ".join(f"{name}={value}" for name, value in row["facts"].items()),
        }
        for row in remarks[:20]
    ]
    return _table("Warnings and errors", shown) + _table("Dead letters: where the record is", letters[:20])


def _workers(fleet: Fleet, identity: Identity) -> str:
    rows: list[dict[str, Any]] = documents.status(fleet, identity)["workers"]
    return _table("Worker processes", [{key: value for key, value in row.items() if key != "address"} for row in rows])


def _table(caption: str, rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return f"<p>{escape(caption)}: none.</p>"
    numeric = {name for name in rows[0] if all(isinstance(row[name], _NUMBERS) or row[name] is None for row in rows)}
    head = "".join(f'<th scope="col"{_class(name, numeric)}>{escape(name.replace("_", " "))}</th>' for name in rows[0])
    body = "".join("<tr>" + "".join(_cell(name, row[name], numeric) for name in rows[0]) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _class(name: str, numeric: set[str]) -> str:
    return ' class="number"' if name in numeric else ""


def _cell(name: str, value: object, numeric: set[str]) -> str:
    if value is None:
        return f"<td{_class(name, numeric)}>–</td>"
    if name == "state":
        return f'<td class="{escape(str(value))}">{escape(str(value))}</td>'
    text = _number(value) if isinstance(value, _NUMBERS) and name in numeric else str(value)
    return f"<td{_class(name, numeric)}>{escape(text)}</td>"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, _NUMBERS) else str(value)
