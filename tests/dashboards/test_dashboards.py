"""Dashboards are what their source makes, and ask for nothing that does not exist."""

import json
import re
from pathlib import Path

import pytest

from grafana.dashboards import DASHBOARDS, FOLDER
from grafana.panels import as_text, chosen
from streamframe.core.metric_catalogue import METRICS, labels_of_series
from tests.dashboards.queries import aggregated_labels, selectors, series_of

UNITS = {"short", "recps", "cps", "s", "bytes", "percentunit"}
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
TARGET_LABELS = {"job", "instance"}

ALL_PANELS = [
    (name, panel) for name, make in DASHBOARDS.items() for panel in make()["panels"] if panel["type"] != "row"
]
ALL_QUERIES = [(panel, target["expr"]) for _, panel in ALL_PANELS for target in panel.get("targets", [])]
PANELS = [pytest.param(panel, id=f"{name}: {panel['title']}") for name, panel in ALL_PANELS]
QUERIES = [
    pytest.param(panel, query, id=f"{panel['title']}: {number}") for number, (panel, query) in enumerate(ALL_QUERIES)
]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_file_is_what_the_source_makes(name):
    assert (FOLDER / name).read_text() == as_text(DASHBOARDS[name]()), "run: make dashboards"


def test_there_is_no_file_without_a_source():
    assert {path.name for path in FOLDER.iterdir()} == set(DASHBOARDS)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_and_what_a_bad_value_means(panel):
    assert panel["title"]
    assert len(panel["description"]) > 10
    if panel["type"] == "text":
        return
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"]["uid"] == "${datasource}"
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"]
    if panel["type"] in ("stat", "bargauge"):
        assert panel["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]


@pytest.mark.parametrize("make", DASHBOARDS.values(), ids=list(DASHBOARDS))
def test_panels_have_numbers_of_their_own_and_do_not_overlap(make):
    panels = make()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(("panel", "query"), QUERIES)
def test_a_query_asks_for_series_and_labels_that_exist(panel, query):
    for name, labels in selectors(query):
        if name == "ALERTS":
            continue
        known = labels_of_series(name)
        assert known is not None or name in PROCESS, name
        assert labels <= {*(known or ()), *TARGET_LABELS}, (name, labels)
    reachable = {label for name in series_of(query) for label in labels_of_series(name) or ()} | TARGET_LABELS
    assert aggregated_labels(query) <= reachable
    (legend,) = (target["legendFormat"] for target in panel["targets"] if target["expr"] == query)
    assert set(re.findall(r"{{(\w+)}}", legend)) <= reachable


@pytest.mark.parametrize(("panel", "query"), QUERIES)
def test_a_query_obeys_the_variables(panel, query):
    for name, labels in selectors(query):
        if name != "ALERTS":
            assert {"job", "instance"} <= labels
            assert name in PROCESS or "application" in labels


@pytest.mark.parametrize(("panel", "query"), QUERIES)
def test_counters_are_shown_as_rates_and_histograms_as_quantiles(panel, query):
    for name in series_of(query):
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            assert re.search(rf"(rate|increase|changes)\({name}", query), query
    for window in re.findall(r"\[(\w+)\]", query):
        assert window in ("5m", "1h"), "an open range is $__rate_interval"


def test_every_metric_that_tells_about_trouble_is_on_a_dashboard():
    shown = {name for _, query in ALL_QUERIES for name in series_of(query)}
    for name in ("consumer_lag_seconds", "dead_letters_total", "rows_dropped_total", "restore_remaining_records"):
        assert f"streamframe_{name}" in shown
    assert len({metric.name for metric in METRICS if set(metric.series) & shown}) > 25


def test_variables_are_added_before_what_a_query_says_itself():
    assert chosen("process_open_fds") == 'process_open_fds{job=~"$job", instance=~"$instance"}'
    assert chosen('ALERTS{a="b"}') == 'ALERTS{a="b"}'


def test_grafana_is_given_the_folder_and_a_datasource_of_the_name_that_panels_use():
    root = Path(FOLDER).parent / "provisioning"
    text = (root / "datasources" / "prometheus.yml").read_text()
    assert "type: prometheus" in text
    assert json.loads((FOLDER / "overview.json").read_text())["templating"]["list"][0]["query"] == "prometheus"
    assert "type: file" in (root / "dashboards" / "streamframe.yml").read_text()
