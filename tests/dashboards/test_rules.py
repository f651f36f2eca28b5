"""Rules are what their source makes, ask for nothing that does not exist, and lead to a runbook."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from grafana.boards import as_json
from grafana.dashboards import DASHBOARDS
from grafana.rules import ALERTS, FILE, RECORDINGS, rules_text
from streamframe.cli.main import build_parser, command_modules
from tests.dashboards.queries import labels_of, result_labels, selectors

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks.md"
EVERY = [pytest.param(each.expression, id=getattr(each, "name", "")) for each in (*RECORDINGS, *ALERTS)]


def test_the_file_is_what_the_source_makes_and_is_yaml():
    assert FILE.read_text() == rules_text(), "run: make dashboards"
    groups = yaml.safe_load(FILE.read_text())["groups"]
    assert [len(group["rules"]) for group in groups] == [len(RECORDINGS), len(ALERTS)]


@pytest.mark.parametrize("expression", EVERY)
def test_a_rule_asks_for_series_and_labels_that_exist(expression):
    for name, labels in selectors(expression):
        assert labels <= labels_of(name), name


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_the_name_of_a_recorded_series_says_which_labels_it_has(recording):
    level, metric, _ = recording.name.split(":")
    assert set(level.split("_")) == result_labels(recording.expression)
    assert any(name.startswith(metric) for name, _ in selectors(recording.expression))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_leads_to_its_runbook(alert):
    headings = re.findall(r"^## (.+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert alert.full_name in headings
    assert alert.anchor == alert.full_name.lower()
    assert len(alert.description) > 40


def test_every_runbook_belongs_to_an_alert():
    headings = re.findall(r"^## (.+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert headings == [alert.full_name for alert in ALERTS]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_texts_of_an_alert_name_labels_that_its_expression_keeps(alert):
    used = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))
    assert used <= result_labels(alert.expression)


# -- runbooks ----------------------------------------------------------------------------------------

TEXT = RUNBOOKS.read_text()
PARTS = {part.split("\n", 1)[0]: part for part in TEXT.split("\n## ")[1:]}
REFERENCE = (RUNBOOKS.parent / "configuration.md").read_text()
COMMANDS = sorted(set(re.findall(r"`(streamframe [^`]+)`", TEXT)))
TITLES = {
    title
    for make in DASHBOARDS.values()
    for panel in as_json(make())["panels"]
    for title in (
        panel["title"],
        *(panel["transformations"][1]["options"]["renameByName"].values() if panel["type"] == "table" else ()),
    )
}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_runbook_says_when_it_fires_how_to_see_it_and_what_to_do(alert):
    part = PARTS[alert.full_name]
    assert f"*{alert.severity}, after {alert.lasting}.*" in part
    assert "\n**See it.** " in part
    assert "\n1. " in part


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_panels_and_columns_that_a_runbook_names_exist(alert):
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", PARTS[alert.full_name]))
    assert named - {"Fenced"} <= TITLES | {each.full_name for each in ALERTS}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_a_runbook_is_one(command):
    parsed, unknown = build_parser().parse_known_args(shlex.split(command)[1:])
    assert parsed.command in command_modules()
    assert not unknown


def test_runbooks_name_settings_that_exist():
    for name in re.findall(r"`((?:kafka|commit|state|limits|telemetry)\.\w+)`", TEXT):
        assert name in REFERENCE, name
