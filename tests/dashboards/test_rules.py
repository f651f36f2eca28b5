"""Rules are what their source makes, ask for nothing that does not exist, and lead to a runbook."""

import re
from pathlib import Path

import pytest
import yaml

from grafana.rules import ALERTS, FILE, RECORDINGS, rules_text
from streamframe.core.metric_catalogue import labels_of_series
from tests.dashboards.queries import aggregated_labels, selectors, series_of

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks.md"
EVERY = [pytest.param(each.expression, id=getattr(each, "name", "")) for each in (*RECORDINGS, *ALERTS)]
TARGET_LABELS = {"job", "instance"}


def test_the_file_is_what_the_source_makes_and_is_yaml():
    assert FILE.read_text() == rules_text(), "run: make dashboards"
    groups = yaml.safe_load(FILE.read_text())["groups"]
    assert [len(group["rules"]) for group in groups] == [len(RECORDINGS), len(ALERTS)]


@pytest.mark.parametrize("expression", EVERY)
def test_a_rule_asks_for_series_and_labels_that_exist(expression):
    for name, labels in selectors(expression):
        if name != "up":
            known = labels_of_series(name)
            assert known is not None, name
            assert labels <= {*known, *TARGET_LABELS}, name
    recorded = set(re.findall(r"\b\w+:\w+:\w+", expression))
    assert recorded <= {recording.name for recording in RECORDINGS}
    if series_of(expression):
        reachable = {label for name in series_of(expression) for label in labels_of_series(name) or ()}
        assert aggregated_labels(expression) - {"topic"} <= reachable | TARGET_LABELS


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
    kept = aggregated_labels(alert.expression)
    for name, _ in selectors(alert.expression):
        kept |= set(labels_of_series(name) or ()) if "by (" not in alert.expression else set()
    for recorded in re.findall(r"\b(\w+):\w+:\w+", alert.expression):
        kept |= set(recorded.split("_"))
    assert used <= kept | TARGET_LABELS
