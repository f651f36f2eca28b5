"""A whole dashboard: variables, links to the others, marks of what happened, and a grid that places the panels.

Classic dashboard JSON (schemaVersion 42), so that Grafana 10 and later load it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.panels import DATASOURCE
from grafana.queries import chosen

WIDTH: Final = 24
TAG: Final = "streamframe"
ALL: Final = models.VariableOption(text=["All"], value=["$__all"])


def row(title: str) -> models.RowPanel:
    """Return a heading across the dashboard."""
    built = board.Row(title).build()
    built.grid_pos = models.GridPos(w=WIDTH, h=1)
    return built


def dashboard(
    uid: str, title: str, description: str, panels: Iterable[models.Panel | models.RowPanel]
) -> models.Dashboard:
    """Return a dashboard of the panels, in this order."""
    built = (
        board.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .version(1)
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .links(
            [
                board.DashboardLink("StreamFrame")
                .type(models.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .include_vars(include_vars=True)
                .keep_time(keep_time=True)
            ]
        )
        .variables(list(_variables()))
        .annotations(list(_marks()))
        .build()
    )
    built.panels = _placed(panels)
    return built


def as_json(built: models.Dashboard) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    found: dict[str, Any] = json.loads(json.dumps(built, cls=JSONEncoder))
    # The models put both into a menu that is closed at first; without a place they are seen above the panels.
    for shown in (*found["links"], *found["annotations"]["list"]):
        shown.pop("placement", None)
    return found


def as_text(built: models.Dashboard) -> str:
    """Return a dashboard as it is committed."""
    return json.dumps(as_json(built), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _placed(panels: Iterable[models.Panel | models.RowPanel]) -> list[models.Panel | models.RowPanel]:
    """Place panels from the left to the right, and below when a line is full; give each a number that stays."""
    placed: list[models.Panel | models.RowPanel] = []
    x, y, height = 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        at = panel.grid_pos
        assert at is not None, "panels of this package have a size"
        if x + at.w > WIDTH:
            x, y, height = 0, y + height, 0
        panel.id_val = number
        panel.grid_pos = models.GridPos(w=at.w, h=at.h, x=x, y=y)
        placed.append(panel)
        x, height = x + at.w, max(height, at.h)
    return placed


def _variables() -> Iterable[board.DatasourceVariable | board.QueryVariable]:
    yield board.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    yield _variable("job", "label_values(streamframe_build_info, job)", "Job")
    yield _variable("application", 'label_values(streamframe_build_info{job=~"$job"}, application)', "Application")
    yield _variable(
        "instance",
        'label_values(streamframe_build_info{job=~"$job", application=~"$application"}, instance)',
        "Worker",
    )


def _variable(name: str, query: str, label: str) -> board.QueryVariable:
    return (
        board.QueryVariable(name)
        .label(label)
        .query({"query": query, "refId": name})
        .definition(query)
        .datasource(DATASOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(ALL)
    )


def _marks() -> Iterable[board.AnnotationQuery]:
    yield _mark(
        "Rebalances", "blue", "changes(streamframe_rebalances_total[1m]) > 0", "rebalance", "{{kind}} {{instance}}"
    )
    revisions = "count by (application, fingerprint) (streamframe_topology_info{offset})"
    appeared = f"{revisions.format(offset='')} unless {revisions.format(offset=' offset 2m')}"
    yield _mark("Revisions", "purple", appeared, "new revision", "{{application}} {{fingerprint}}")
    yield _mark("Alerts", "red", 'ALERTS{alertname=~"StreamFrame.*", alertstate="firing"}', "{{alertname}}", "")


def _mark(name: str, color: str, expression: str, title: str, text: str) -> board.AnnotationQuery:
    return (
        board.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(enable=True)
        .hide(hide=False)
        .icon_color(color)
        .expr(chosen(expression))
        .title_format(title)
        .text_format(text)
    )
