"""The list of metrics, in three forms."""

import json
from pathlib import Path

from streamframe.app.json_forms import reference
from streamframe.cli.main import main
from streamframe.core.metric_catalogue import METRICS

ROOT = Path(__file__).resolve().parents[2]


def test_every_metric_is_listed_in_every_form(capsys):
    for form in ("text", "json", "markdown"):
        assert main(["metrics", "list", "--format", form]) == 0
        shown = capsys.readouterr().out
        assert all(metric.name in shown for metric in METRICS)


def test_json_has_the_same_keys_in_every_line(capsys):
    assert main(["metrics", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {tuple(row) for row in rows} == {("name", "type", "labels", "process", "meaning", "buckets")}


def test_the_page_of_what_is_printed_as_json_is_up_to_date():
    assert (ROOT / "docs" / "cli-json.md").read_text() == reference(), (
        "run: python -m streamframe.app.json_forms > docs/cli-json.md"
    )
