"""The pieces of a dashboard as plain JSON: panels, queries, variables, and a grid that places them.

Classic dashboard JSON (schemaVersion 42), so that Grafana 10 and later load it. Only stat, timeseries, bargauge, table
and text panels are used. Every query goes through ``chosen``, which adds the variables of the dashboard to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

Json = dict[str, Any]

DATASOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24

_METRIC: Final = re.compile(r"\b(streamframe_\w+|process_\w+|ALERTS)\b(\{[^}]*\})?")
_NO_APPLICATION: Final = ("process_",)


def chosen(expression: str) -> str:
    """Add the variables of the dashboard to every metric of an expression.

    Example:
        >>> chosen('streamframe_tasks{state="x"}')
        'streamframe_tasks{job=~"$job", application=~"$application", instance=~"$instance", state="x"}'
    """

    def with_variables(match: re.Match[str]) -> str:
        name, own = match[1], (match[2] or "{}")[1:-1]
        if name == "ALERTS":
            return match[0]
        parts = ['job=~"$job"']
        if not name.startswith(_NO_APPLICATION):
            parts.append('application=~"$application"')
        parts += ['instance=~"$instance"', *([own] if own else [])]
        return f"{name}{{{', '.join(parts)}}}"

    return _METRIC.sub(with_variables, expression)


def stat(
    title: str, description: str, expression: str, *, unit: str, steps: Sequence[tuple[float | None, str]]
) -> Json:
    """Return a panel with one number; ``steps`` are its thresholds, the first one without a bound."""
    panel = _panel("stat", title, description, [(expression, "")], unit=unit, width=4, height=4)
    panel["targets"][0]["instant"] = True
    panel["targets"][0]["range"] = False
    panel["fieldConfig"]["defaults"]["thresholds"] = _thresholds(steps)
    panel["fieldConfig"]["defaults"]["color"] = {"mode": "thresholds"}
    panel["options"] = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    }
    return panel


def graph(
    title: str,
    description: str,
    queries: Sequence[tuple[str, str]],
    *,
    unit: str,
    width: int = 8,
    stacked: bool = False,
) -> Json:
    """Return a panel with lines over time; ``queries`` are pairs of expression and legend."""
    panel = _panel("timeseries", title, description, queries, unit=unit, width=width, height=8)
    defaults = panel["fieldConfig"]["defaults"]
    defaults["color"] = {"mode": "palette-classic"}
    defaults["min"] = 0
    defaults["custom"] = {
        "lineWidth": 1,
        "fillOpacity": 60 if stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    panel["options"] = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel


def bars(title: str, description: str, expression: str, legend: str, *, unit: str, width: int = 8) -> Json:
    """Return a panel with a bar per series, as of now."""
    panel = _panel("bargauge", title, description, [(expression, legend)], unit=unit, width=width, height=8)
    panel["targets"][0]["instant"] = True
    panel["targets"][0]["range"] = False
    panel["fieldConfig"]["defaults"]["color"] = {"mode": "palette-classic"}
    panel["fieldConfig"]["defaults"]["min"] = 0
    panel["options"] = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "displayMode": "gradient",
        "orientation": "horizontal",
        "showUnfilled": True,
    }
    return panel


def table(title: str, description: str, expression: str, *, unit: str, width: int = 8) -> Json:
    """Return a panel with a row per series, as of now."""
    panel = _panel("table", title, description, [(expression, "")], unit=unit, width=width, height=8)
    panel["targets"][0] |= {"instant": True, "range": False, "format": "table"}
    panel["options"] = {"showHeader": True, "cellHeight": "sm"}
    panel["transformations"] = [
        {"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "job": True}}}
    ]
    return panel


def text(title: str, content: str, *, width: int = 8) -> Json:
    """Return a panel with Markdown."""
    return {
        "type": "text",
        "title": title,
        "description": "What to do.",
        "options": {"mode": "markdown", "content": content},
        "gridPos": {"w": width, "h": 8, "x": 0, "y": 0},
    }


def row(title: str) -> Json:
    """Return a heading across the dashboard."""
    return {
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"w": WIDTH, "h": 1, "x": 0, "y": 0},
    }


def dashboard(uid: str, title: str, description: str, panels: Iterable[Json]) -> Json:
    """Return a whole dashboard."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["streamframe"],
        "schemaVersion": 42,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "title": "streamframe",
                "type": "dashboards",
                "tags": ["streamframe"],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": list(_variables())},
        "annotations": {"list": [_rebalances()]},
        "panels": _placed(panels),
    }


def as_text(value: Json) -> str:
    """Return JSON as it is committed."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _panel(  # noqa: PLR0913 - as above
    kind: str,
    title: str,
    description: str,
    queries: Sequence[tuple[str, str]],
    *,
    unit: str,
    width: int,
    height: int,
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height, "x": 0, "y": 0},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [
            {
                "datasource": DATASOURCE,
                "expr": chosen(expression),
                "legendFormat": legend or "__auto",
                "refId": chr(ord("A") + number),
                "range": True,
                "instant": False,
            }
            for number, (expression, legend) in enumerate(queries)
        ],
    }


def _thresholds(steps: Sequence[tuple[float | None, str]]) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def _placed(panels: Iterable[Json]) -> list[Json]:
    """Place panels from the left to the right, and below when a line is full; give each a number that stays."""
    placed, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        size = panel["gridPos"]
        if x + size["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        placed.append({**panel, "id": number, "gridPos": {**size, "x": x, "y": y}})
        x, height = x + size["w"], max(height, size["h"])
    return placed


def _variables() -> Iterable[Json]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}
    yield _variable("job", "label_values(streamframe_build_info, job)", "Job")
    yield _variable("application", 'label_values(streamframe_build_info{job=~"$job"}, application)', "Application")
    yield _variable(
        "instance",
        'label_values(streamframe_build_info{job=~"$job", application=~"$application"}, instance)',
        "Worker",
    )


def _variable(name: str, query: str, label: str) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
        "hide": 0,
    }


def _rebalances() -> Json:
    return {
        "name": "rebalances",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": chosen("changes(streamframe_rebalances_total[1m]) > 0"),
        "titleFormat": "rebalance",
        "textFormat": "{{kind}} {{instance}}",
    }
