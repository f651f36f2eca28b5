"""What a real Prometheus answers to the queries of the dashboards, panel by panel.

The variables of Grafana are filled in as Grafana does when everything is chosen. An answer is kept as Prometheus gave
it, so that what is drawn and what is tested are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from grafana.boards import as_json
from grafana.dashboards import DASHBOARDS
from grafana.live.prometheus import Prometheus

POINTS_MAX: Final = 240
SCRAPES_PER_RATE: Final = 4
"""Grafana's least ``$__rate_interval``, in scrape intervals."""

Panel = dict[str, Any]


def panels() -> Iterator[tuple[str, Panel]]:
    """Yield every panel that asks for something, with the file of its dashboard."""
    for name, make in DASHBOARDS.items():
        for panel in as_json(make())["panels"]:
            if panel.get("targets"):
                yield name, panel


def asked(expression: str, scrape_seconds: float, step: float = 0.0) -> str:
    """Return a query as Grafana sends it when everything is chosen."""
    rate = max(SCRAPES_PER_RATE * scrape_seconds, step + scrape_seconds)
    values = {"$__rate_interval": f"{rate:g}s", "$job": ".*", "$application": ".*", "$instance": ".*"}
    for variable, value in values.items():
        expression = expression.replace(variable, value)
    return expression


def step_seconds(scrape_seconds: float, start: float, end: float) -> float:
    """Return the distance of the points of a graph."""
    return max(scrape_seconds, (end - start) // POINTS_MAX)


def answer(prometheus: Prometheus, panel: Panel, *, scrape_seconds: float, start: float, end: float) -> list[Panel]:
    """Return for each query of a panel its letter, its legend and what Prometheus says."""
    step = step_seconds(scrape_seconds, start, end)
    answers = []
    for target in panel["targets"]:
        query = asked(target["expr"], scrape_seconds, step)
        result = prometheus.instant(query, end) if target["instant"] else prometheus.over_time(query, start, end, step)
        answers.append({"refId": target["refId"], "legendFormat": target["legendFormat"], "result": result})
    return answers


def ever(prometheus: Prometheus, expression: str, *, scrape_seconds: float, start: float, end: float) -> list[float]:
    """Return all values that a query had at any time, looking four times a second."""
    found = prometheus.over_time(asked(expression, scrape_seconds), start, end, 0.25)
    return numbers([{"result": found}])


def numbers(answers: list[Panel]) -> list[float]:
    """Return the values of all samples of answers; a quantile of nothing is none."""
    found = [
        float(value)
        for each in answers
        for series in each["result"]
        for _, value in (series["values"] if "values" in series else [series["value"]])
    ]
    return [value for value in found if not math.isnan(value)]


def is_sane(unit: str, values: list[float]) -> bool:
    """Tell whether all values can be: finite, not negative, no share of ten thousand percent."""
    most = 100.0 if unit == "percentunit" else math.inf
    return all(math.isfinite(value) and -1e-3 <= value <= most for value in values)
