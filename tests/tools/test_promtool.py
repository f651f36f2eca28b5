"""What Prometheus itself says about our metrics (Debian package: prometheus)."""

import subprocess
from pathlib import Path

import pytest
import yaml

from grafana.boards import as_json
from grafana.dashboards import DASHBOARDS
from grafana.rules import ALERTS, FILE
from streamframe.observe.exposition import SupervisorCollector, WorkerCollector, page_of
from tests.dashboards.queries import filled_in
from tests.observe.fleets import IDENTITY, fleet, snapshot


def promtool(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], input=text, capture_output=True, text=True, check=False)


def test_promtool_finds_nothing_to_complain_about_in_the_metrics_of_a_worker():
    checked = promtool("check", "metrics", text=page_of(WorkerCollector(IDENTITY, snapshot))().decode())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_promtool_finds_nothing_to_complain_about_in_the_metrics_of_a_supervisor():
    checked = promtool("check", "metrics", text=page_of(SupervisorCollector(IDENTITY, fleet))().decode())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


# -- dashboards and rules --------------------------------------------------------------------------------

WORKER = 'application="shop", job="streamframe", instance="w0"'
OTHER = WORKER.replace("w0", "w1")

HEALTHY = {
    'up{job="streamframe", instance="w0"}': "1x600",
    f"streamframe_last_progress_timestamp_seconds{{{WORKER}}}": "0+15x600",
    f'streamframe_worker_state{{{WORKER}, state="failed"}}': "0x600",
    f'streamframe_consumer_lag_seconds{{{WORKER}, topic="clicks", partition="0"}}': "2x600",
    f'streamframe_consumer_lag_records{{{WORKER}, topic="clicks", partition="0"}}': "100x600",
    f'streamframe_assigned_partitions{{{WORKER}, topic="clicks"}}': "4x600",
    f'streamframe_watermark_timestamp_seconds{{{WORKER}, sub_topology="0"}}': "0+15x600",
    f'streamframe_records_consumed_total{{{WORKER}, topic="clicks"}}': "0+1500x600",
    f'streamframe_rows_in_total{{{WORKER}, operator="clicks"}}': "0+1500x600",
    f'streamframe_rows_dropped_total{{{WORKER}, operator="totals", reason="late"}}': "0+1x600",
    f'streamframe_transactions_total{{{WORKER}, outcome="committed"}}': "0+15x600",
    f'streamframe_transactions_total{{{WORKER}, outcome="rolled_back"}}': "0x600",
    f'streamframe_commit_duration_seconds_bucket{{{WORKER}, le="0.1"}}': "0+15x600",
    f'streamframe_commit_duration_seconds_bucket{{{WORKER}, le="30.0"}}': "0+15x600",
    f'streamframe_commit_duration_seconds_bucket{{{WORKER}, le="+Inf"}}': "0+15x600",
    f'streamframe_dead_letters_total{{{WORKER}, operator="clicks"}}': "7x600",
    f'streamframe_rebalances_total{{{WORKER}, kind="assigned"}}': "1x600",
    f'streamframe_topology_info{{{WORKER}, fingerprint="a"}}': "1x600",
}
"""A worker with a sample each 15 s, for 2 h 30, to which nothing happens."""

FAULTS = {
    "WorkerDown": {'up{job="streamframe", instance="w0"}': "0x600"},
    "NoProgress": {f"streamframe_last_progress_timestamp_seconds{{{WORKER}}}": "0x600"},
    "Failed": {f'streamframe_worker_state{{{WORKER}, state="failed"}}': "1x600"},
    "Behind": {f'streamframe_consumer_lag_seconds{{{WORKER}, topic="clicks", partition="0"}}': "400x600"},
    "FallingBehind": {
        f'streamframe_consumer_lag_seconds{{{WORKER}, topic="clicks", partition="0"}}': "70x600",
        f'streamframe_consumer_lag_records{{{WORKER}, topic="clicks", partition="0"}}': "0+100x600",
    },
    "PartitionsUnassigned": {f'streamframe_assigned_partitions{{{WORKER}, topic="clicks"}}': "4x300 2x300"},
    "WatermarkStalled": {f'streamframe_watermark_timestamp_seconds{{{WORKER}, sub_topology="0"}}': "100x600"},
    "RollingBack": {f'streamframe_transactions_total{{{WORKER}, outcome="rolled_back"}}': "0+2x600"},
    "CommitSlow": {f'streamframe_commit_duration_seconds_bucket{{{WORKER}, le="0.1"}}': "0x600"},
    "DeadLetters": {f'streamframe_dead_letters_total{{{WORKER}, operator="clicks"}}': "7+1x600"},
    "DroppingLate": {f'streamframe_rows_dropped_total{{{WORKER}, operator="totals", reason="late"}}': "0+50x600"},
    "RebalanceStorm": {f'streamframe_rebalances_total{{{WORKER}, kind="assigned"}}': "0+1x600"},
    "RestoreSlow": {f'streamframe_restore_remaining_records{{{WORKER}, store="totals", partition="0"}}': "900x600"},
    "MixedRevisions": {f'streamframe_topology_info{{{OTHER}, fingerprint="b"}}': "1x600"},
}


def firing(tmp_path: Path, series: dict[str, str], expected: set[str]) -> subprocess.CompletedProcess[str]:
    """Let promtool say whether exactly these alerts fire after 1 h 40."""
    query = 'count by (alertname) (ALERTS{alertstate="firing"})'
    samples = [{"labels": f'{{alertname="StreamFrame{name}"}}', "value": 1} for name in sorted(expected)]
    test = {
        "rule_files": [str(FILE)],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [{"expr": query, "eval_time": "100m", "exp_samples": samples}],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(test))
    return promtool("test", "rules", str(file))


def test_the_rules_are_rules():
    checked = promtool("check", "rules", str(FILE))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_alert_fires_while_nothing_happens(tmp_path):
    checked = firing(tmp_path, HEALTHY, set())
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_fault():
    assert list(FAULTS) == [alert.name for alert in ALERTS]


@pytest.mark.parametrize("name", FAULTS)
def test_an_alert_fires_on_its_fault_and_no_other_does(name, tmp_path):
    checked = firing(tmp_path, {**HEALTHY, **FAULTS[name]}, {name})
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_query_of_the_dashboards_is_promql(tmp_path):
    rules: list[dict[str, str]] = []
    for make in DASHBOARDS.values():
        for panel in as_json(make())["panels"]:
            for target in panel.get("targets", []):
                rules.append({"record": f"query:number:{len(rules)}", "expr": filled_in(target["expr"])})
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    checked = promtool("check", "rules", str(file))
    assert len(rules) > 40
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_configuration_of_prometheus_is_one():
    checked = promtool("check", "config", "--syntax-only", str(FILE.parent / "prometheus.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
