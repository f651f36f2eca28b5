"""Dashboards are what their source makes, ask for nothing that does not exist, and obey the rules of the house."""

import json
import re
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import as_json, as_text
from grafana.dashboards import DASHBOARDS, FOLDER
from grafana.queries import chosen
from streamframe.core.metric_catalogue import METRICS
from tests.dashboards.queries import PROCESS, labels_of, nodes, parametrized, parsed, result_labels, selectors

UNITS = {"short", "recps", "cps", "s", "bytes", "percentunit", "Bps"}
KINDS = {"stat", "timeseries", "bargauge", "table", "text"}
TITLE_WORDS = {
    "commit": "commit",
    "lag": "lag",
    "restore": "restore",
    "watermark": "watermark",
    "dead letters": "dead_letters",
    "rebalance": "rebalance",
    "latency": "latency",
    "memory": "memory",
    "batch": "batch",
    "late": "dropped",
}
"""A panel whose title has the word asks for a series whose name, or a label's value, has the other one."""

BOARDS = {name: as_json(make()) for name, make in DASHBOARDS.items()}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
TARGETS = [
    (panel["title"], panel, target)
    for board in BOARDS.values()
    for panel in board["panels"]
    for target in panel.get("targets", [])
]
QUERIES = parametrized([(title, target["expr"]) for title, _, target in TARGETS])
MARKS = [mark["expr"] for board in BOARDS.values() for mark in board["annotations"]["list"]]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_file_is_what_the_source_makes(name):
    assert (FOLDER / name).read_text() == as_text(DASHBOARDS[name]()), "run: make dashboards"


def test_there_is_no_file_without_a_source():
    assert {path.name for path in FOLDER.iterdir()} == set(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_file_goes_unchanged_through_the_models_of_grafana(name):
    # Keys that Grafana does not know are dropped by its models, and are missing afterwards.
    register_default_plugins()
    file = json.loads((FOLDER / name).read_text())
    assert as_json(Dashboard.from_json(file)) == file


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_and_what_a_bad_value_means(panel):
    assert panel["type"] in KINDS
    assert panel["title"]
    assert len(panel["description"]) > 10
    if panel["type"] == "text":
        return
    assert panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in UNITS
    assert panel["datasource"]["uid"] == "${datasource}"
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"]
    else:
        assert defaults["thresholds"]["steps"][0]["value"] is None, "Grafana's own: red from 80 on"
        assert all(target["instant"] for target in panel["targets"])
    if panel["type"] in ("stat", "bargauge"):
        assert panel["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_panels_have_numbers_of_their_own_and_do_not_overlap(board):
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_lines_of_panels_are_full(board):
    width: dict[int, int] = {}
    for panel in board["panels"]:
        width[panel["gridPos"]["y"]] = width.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(width.values()) == {24}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_series_and_labels_that_exist(query):
    for name, labels in selectors(query):
        assert labels <= labels_of(name), name


@pytest.mark.parametrize(("title", "panel", "target"), TARGETS, ids=[f"{i}: {t[0]}" for i, t in enumerate(TARGETS)])
def test_a_legend_and_a_column_name_labels_that_the_query_keeps(title, panel, target):
    kept = result_labels(target["expr"])
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept
    if panel["type"] == "table":
        assert kept <= set(panel["transformations"][1]["options"]["renameByName"]), "an unnamed column"


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_obeys_the_variables(query):
    for name, labels in selectors(query):
        if name != "ALERTS":
            assert {"job", "instance"} <= labels
            assert name in PROCESS or "application" in labels


@pytest.mark.parametrize("query", QUERIES)
def test_counters_are_shown_as_rates_and_histograms_as_quantiles(query):
    for name, _ in selectors(query):
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            assert re.search(rf"(rate|increase|changes)\({name}", query), query
    for window in re.findall(r"\[([$\w]+)\]", query):
        assert window in ("$__rate_interval", "5m", "1h"), "an open range is $__rate_interval"


def test_no_query_matches_a_bucket_by_its_text():
    # Prometheus 3 writes le="1.0" where version 2 has le="1".
    assert not [query for _, _, target in TARGETS if (query := target["expr"]) and "le=" in query]


@pytest.mark.parametrize(("title", "panel", "target"), TARGETS, ids=[f"{i}: {t[0]}" for i, t in enumerate(TARGETS)])
def test_a_title_is_about_what_is_asked(title, panel, target):
    everything = " ".join(each["expr"] for each in panel["targets"])
    for word, part in TITLE_WORDS.items():
        if re.search(rf"\b{word}\b", title.lower()):
            assert part in everything


@pytest.mark.parametrize("query", MARKS)
def test_a_mark_is_a_query_for_what_exists(query):
    for name, labels in selectors(query):
        assert labels <= labels_of(name)
    assert result_labels(query)


UNSHOWN = {
    "streamframe_build_info": "it fills the variables",
    "streamframe_tasks": "the states of the worker and the paused partitions say it",
    "streamframe_rows_added": "part of the equation of rows; the status page has it",
    "streamframe_windows_missed_total": "late rows in another unit",
    "streamframe_partials_merged_total": "how a repartition is done inside",
    "streamframe_partials_dropped_total": "how a repartition is done inside",
}


def test_every_metric_is_on_a_dashboard():
    shown = {name for _, _, target in TARGETS for name, _ in selectors(target["expr"])}
    missing = {metric.name for metric in METRICS if metric.process == "worker" and not set(metric.series) & shown}
    assert missing == UNSHOWN.keys()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboards_lead_to_each_other_and_keep_what_was_chosen(name):
    (link,) = BOARDS[name]["links"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == (
        "dashboards", BOARDS[name]["tags"], True, True,
    )  # fmt: skip
    assert "placement" not in link
    chosen_by = [variable["name"] for variable in BOARDS[name]["templating"]["list"]]
    assert chosen_by == ["datasource", "job", "application", "instance"]


def test_variables_are_added_before_what_a_query_says_itself():
    assert chosen("process_open_fds") == 'process_open_fds{job=~"$job", instance=~"$instance"}'
    assert chosen('ALERTS{a="b"}') == 'ALERTS{a="b"}'


def test_the_parser_refuses_what_is_no_query():
    with pytest.raises(ValueError, match="expected type matrix"):
        parsed("rate(streamframe_rows_in_total)")
    assert len(list(nodes(parsed("sum(rate(a[5m])) / 2")))) == 6


def test_the_components_that_draw_the_pictures_are_pinned():
    draw = FOLDER.parent / "live" / "draw"
    wanted = json.loads((draw / "package.json").read_text())["dependencies"]
    locked = json.loads((draw / "package-lock.json").read_text())["packages"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert locked[""]["dependencies"] == wanted, "run: npm install --package-lock-only --legacy-peer-deps"
    assert len({version for name, version in wanted.items() if name.startswith("@grafana/")}) == 1


def test_grafana_is_given_the_folder_and_a_datasource_that_cannot_be_edited():
    root = Path(FOLDER).parent / "provisioning"
    (source,) = yaml.safe_load((root / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert set(source) == {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"}
    assert (source["uid"], source["type"], source["isDefault"]) == ("prometheus", "prometheus", True)
    assert (source["editable"], source["jsonData"]["httpMethod"]) == (False, "POST")
    (provider,) = yaml.safe_load((root / "dashboards" / "streamframe.yml").read_text())["providers"]
    assert {
        "name", "type", "folder", "disableDeletion", "allowUiUpdates", "updateIntervalSeconds", "options",
    } == set(provider)  # fmt: skip
    assert provider["type"] == "file"
