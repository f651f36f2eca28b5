"""What Prometheus itself says about our metrics (Debian package: prometheus)."""

import subprocess
from pathlib import Path

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


def test_promtool_counts_the_series_of_a_worker_and_complains_about_nothing():
    checked = promtool("check", "metrics", "--extended", text=page_of(WorkerCollector(IDENTITY, snapshot))().decode())

    assert (checked.returncode, checked.stderr) == (0, "")
    rows = [line.split() for line in checked.stdout.splitlines()]
    assert ["streamframe_worker_state", "7"] in [row[:2] for row in rows]


def test_promtool_finds_nothing_to_complain_about_in_the_metrics_of_a_supervisor():
    checked = promtool("check", "metrics", text=page_of(SupervisorCollector(IDENTITY, fleet))().decode())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


# -- dashboards and rules --------------------------------------------------------------------------------

WORKER = 'application="shop", job="streamframe", instance="w0"'
OTHER = WORKER.replace("w0", "w1")
SUPERVISOR = 'application="shop", job="streamframe-supervisor", instance="w0:9464"'
MOMENT_SECONDS = 6000
"""When it is looked which alerts fire."""


def of(metric: str, labels: str = "", worker: str = WORKER) -> str:
    """A series of a worker."""
    return f"streamframe_{metric}{{{worker}{', ' if labels else ''}{labels}}}"


CLICKS = 'topic="clicks", partition="0"'
LAG_SECONDS, LAG = of("consumer_lag_seconds", CLICKS), of("consumer_lag_records", CLICKS)
ASSIGNED = of("assigned_partitions", 'topic="clicks"')
COMMITTED = of("last_commit_timestamp_seconds")
PROGRESS = of("last_progress_timestamp_seconds")
FAILED = of("worker_state", 'state="failed"')
WATERMARK = of("watermark_timestamp_seconds", 'sub_topology="0"')
ROLLED_BACK = of("transactions_total", 'outcome="rolled_back"')
QUICK_COMMITS = of("commit_duration_seconds_bucket", 'le="0.1"')
QUICK_RECORDS = of("end_to_end_latency_seconds_bucket", 'topic="clicks", le="5.0"')
LETTERS = of("dead_letters_total", 'operator="clicks"')
LATE = of("rows_dropped_total", 'operator="totals", reason="late"')
REBALANCES = of("rebalances_total", 'kind="assigned"')
RESTORING = of("restore_remaining_records", 'store="totals", partition="0"')
DATABASE_ERRORS = of("state_background_errors")
RESTARTS = of("supervisor_restarts_total", worker=SUPERVISOR)
ALIVE = of("supervisor_workers_alive", worker=SUPERVISOR)
OTHER_REVISION = of("topology_info", 'fingerprint="b"', OTHER)
UP = 'up{job="streamframe", instance="w0"}'
VOLUME = 'kubelet_volume_stats_available_bytes{job="kubelet", namespace="x", persistentvolumeclaim="state-clicks-0"}'

HEALTHY = {
    UP: "1x150",
    PROGRESS: "0+60x150",
    FAILED: "0x150",
    LAG_SECONDS: "2x150",
    LAG: "100x150",
    ASSIGNED: "4x150",
    WATERMARK: "0+60x150",
    of("records_consumed_total", 'topic="clicks"'): "0+6000x150",
    of("rows_in_total", 'operator="clicks"'): "0+6000x150",
    LATE: "0+4x150",
    of("transactions_total", 'outcome="committed"'): "0+60x150",
    ROLLED_BACK: "0x150",
    COMMITTED: "0+60x150",
    QUICK_COMMITS: "0+60x150",
    of("commit_duration_seconds_bucket", 'le="30.0"'): "0+60x150",
    of("commit_duration_seconds_bucket", 'le="+Inf"'): "0+60x150",
    QUICK_RECORDS: "0+6000x150",
    of("end_to_end_latency_seconds_bucket", 'topic="clicks", le="+Inf"'): "0+6000x150",
    of("end_to_end_latency_seconds_count", 'topic="clicks"'): "0+6000x150",
    LETTERS: "7x150",
    REBALANCES: "1x150",
    of("topology_info", 'fingerprint="a"'): "1x150",
    of("supervisor_workers", worker=SUPERVISOR): "1x150",
    ALIVE: "1x150",
    DATABASE_ERRORS: "0x150",
    RESTARTS: "0x150",
    VOLUME: "1e10-4000x150",
}
"""A worker with a sample each minute, for 2 h 30, to which nothing happens."""

FAULTS = {
    "WorkerDown": {UP: "0x150"},
    "NoProgress": {PROGRESS: "0x150"},
    "Failed": {FAILED: "1x150"},
    "Behind": {LAG_SECONDS: "400x150"},
    "FarBehind": {LAG_SECONDS: "1300x150"},
    "FallingBehind": {LAG_SECONDS: "70x150", LAG: "0+400x150"},
    "PartitionsUnassigned": {ASSIGNED: "4x75 2x75"},
    "WatermarkStalled": {WATERMARK: "100x150"},
    "LatencySlo": {QUICK_RECORDS: "0+5800x150"},
    "NotCommitting": {COMMITTED: "0+60x92 5550x58"},
    "RollingBack": {ROLLED_BACK: "0+8x150"},
    "CommitSlow": {QUICK_COMMITS: "0x150"},
    "DeadLetters": {LETTERS: "7+4x150"},
    "ManyDeadLetters": {LETTERS: "7+120x150"},
    "DroppingLate": {LATE: "0+200x150"},
    "RebalanceStorm": {REBALANCES: "0+4x150"},
    "RestoreSlow": {RESTORING: "900x150"},
    "StateDisk": {VOLUME: "1e10-24000000x150"},
    "DatabaseErrors": {DATABASE_ERRORS: "1x150"},
    "Restarting": {RESTARTS: "0+4x150"},
    "WorkersMissing": {ALIVE: "0x150"},
    "MixedRevisions": {OTHER_REVISION: "1x150"},
}
"""What happens to make an alert fire."""

TOGETHER = {"FarBehind": {"Behind"}, "ManyDeadLetters": {"DeadLetters"}}
"""Alerts that their smaller siblings come with."""

NEAR_MISSES = {
    "WorkerDown": {UP: "1x99 0x51"},
    "NoProgress": {PROGRESS: "0+60x100 5970x50"},
    "Failed": {FAILED: "1x75 0x75"},
    "Behind": {LAG_SECONDS: "2x92 400x58"},
    "FarBehind": {LAG_SECONDS: "299x150"},
    "FallingBehind": {LAG_SECONDS: "70x150", LAG: "60000-400x150"},
    "PartitionsUnassigned": {ASSIGNED: "4x98 2x52"},
    "WatermarkStalled": {WATERMARK: "100x150", of("records_consumed_total", 'topic="clicks"'): "0x150"},
    "LatencySlo": {QUICK_RECORDS: "0+5960x150"},
    "NotCommitting": {COMMITTED: "0+60x96 5775x54"},
    "RollingBack": {ROLLED_BACK: "0x95 100x54"},
    "CommitSlow": {QUICK_COMMITS: "0+60x95 5700x55"},
    "DeadLetters": {LETTERS: "7+4x85 347x64"},
    "ManyDeadLetters": {LETTERS: "7+120x85 10207x65"},
    "DroppingLate": {LATE: "0+56x150"},
    "RebalanceStorm": {REBALANCES: "1x95 11x54"},
    "RestoreSlow": {RESTORING: "_x90 900x60"},
    "StateDisk": {VOLUME: "1e10-4000000x150"},
    "DatabaseErrors": {DATABASE_ERRORS: "1x80 0x70"},
    "Restarting": {RESTARTS: "0x95 3x54"},
    "WorkersMissing": {ALIVE: "1x99 0x51"},
    "MixedRevisions": {OTHER_REVISION: "_x75 1x75"},
}
"""What almost makes it fire: below its limit, over already, or not for long enough."""


def outcomes(cases: dict[str, tuple[dict[str, str], set[str]]], tmp_path: Path) -> dict[str, str]:
    """Let promtool say for each case whether exactly the expected alerts fire; return those for which they do not."""
    tests = []
    for name, (series, expected) in cases.items():
        samples = [{"labels": f'{{alertname="StreamFrame{alert}"}}', "value": 1} for alert in sorted(expected)]
        tests.append(
            {
                "name": name,
                "interval": "1m",
                "input_series": [{"series": each, "values": values} for each, values in (HEALTHY | series).items()],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{MOMENT_SECONDS}s",
                        "exp_samples": samples,
                    }
                ],
            }
        )
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(FILE)], "evaluation_interval": "1m", "tests": tests}))
    checked = promtool("test", "rules", str(file))
    said = checked.stdout + checked.stderr
    assert checked.returncode == 0 or "FAILED" in said, said
    return {} if checked.returncode == 0 else {"promtool": said}


def test_the_rules_are_rules():
    checked = promtool("check", "rules", str(FILE))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_fault_and_a_near_miss():
    names = [alert.name for alert in ALERTS]
    assert list(FAULTS) == names
    assert list(NEAR_MISSES) == names


def test_no_alert_fires_while_nothing_happens(tmp_path):
    assert outcomes({"quiet": ({}, set())}, tmp_path) == {}


def test_each_alert_fires_on_its_fault_and_no_other_does(tmp_path):
    cases = {name: (fault, {name} | TOGETHER.get(name, set())) for name, fault in FAULTS.items()}
    assert outcomes(cases, tmp_path) == {}


def test_no_alert_fires_on_what_is_almost_its_fault(tmp_path):
    assert outcomes({name: (series, set()) for name, series in NEAR_MISSES.items()}, tmp_path) == {}


def test_a_fault_that_is_missed_is_noticed(tmp_path):
    assert outcomes({"nothing fires": ({}, {"Behind"})}, tmp_path) != {}


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
