"""Dashboards and alerts on real workers: docker-compose.yml as processes, a real Prometheus, and real trouble.

A minute or two, so ``make live`` runs it and CI does not. What alerts wait for is divided by sixty.
"""

import time

import pytest

from grafana.live.answers import asked, ever, is_sane, panels
from grafana.live.compose import Stack, can_rehearse
from grafana.live.prometheus import Prometheus
from grafana.live.story import told

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SCRAPE_SECONDS = 1
PACE_SECONDS = 4
TARGETS = [
    pytest.param(name, panel, target, id=f"{name}: {panel['title']}: {target['refId']}")
    for name, panel in panels()
    for target in panel["targets"]
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What Prometheus saw of the story, and which alerts fired in each part of it."""
    assert can_rehearse(), "this system has one loopback address only"
    scratch = tmp_path_factory.mktemp("live")
    prometheus = Prometheus(scratch / "prometheus", scrape_seconds=SCRAPE_SECONDS)
    alerts: dict[str, set[str]] = {}
    with told(Stack(scratch / "stack"), prometheus, pace=PACE_SECONDS) as story:
        _, second = story.begin()
        alerts["quiet"] = prometheus.alerts("firing") | prometheus.alerts("pending")
        story.overload()
        story.trouble()
        story.wait_for("late rows are noticed", lambda: "StreamFrameDroppingLate" in prometheus.alerts("firing"))
        alerts["trouble"] = prometheus.alerts("firing")
        story.power_cut(second)
        story.wait_for("the loss is noticed", lambda: "StreamFrameWorkerDown" in prometheus.alerts("firing"))
        alerts["power cut"] = prometheus.alerts("firing")
        story.comeback(2)
        story.wait_for("the return is noticed", lambda: "StreamFrameWorkerDown" not in prometheus.alerts("firing"))
        yield prometheus, story.moments["begin"], time.time(), alerts


@pytest.mark.parametrize(("name", "panel", "target"), TARGETS)
def test_a_panel_has_data_and_they_can_be(seen, name, panel, target):
    prometheus, start, end, _ = seen
    values = ever(prometheus, target["expr"], scrape_seconds=SCRAPE_SECONDS, start=start, end=end)
    assert values, asked(target["expr"], SCRAPE_SECONDS)
    assert is_sane(panel["fieldConfig"]["defaults"]["unit"], values), (min(values), max(values))


def test_alerts_fire_on_real_faults_and_on_no_others(seen):
    *_, alerts = seen
    assert alerts["quiet"] == set()
    assert {"StreamFrameDeadLetters", "StreamFrameDroppingLate"} <= alerts["trouble"]
    assert alerts["trouble"] <= {
        "StreamFrameDeadLetters", "StreamFrameManyDeadLetters", "StreamFrameDroppingLate", "StreamFrameLatencySlo",
    }  # fmt: skip
    assert "StreamFrameWorkerDown" in alerts["power cut"]
