"""Recording and alert rules for Prometheus. ``make dashboards`` writes them to ``deploy/prometheus/``; a test compares.

An alert says what is wrong in words of the operator, and where the runbook is. Every one has a test with promtool
that makes it fire, and all of them together one in which none may.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

FILE: Final = Path(__file__).parents[1] / "deploy" / "prometheus" / "streamframe.rules.yml"
RUNBOOKS: Final = "docs/runbooks.md"
"""In this repository; put the address of your copy in front when the alerts leave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A series that is computed ahead."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert.

    Attributes:
        name: Without the common prefix.
        expression: It fires while this has a result.
        lasting: For so long.
        severity: ``critical`` wakes somebody up, ``warning`` waits for the morning.
        summary: One line; labels in double braces.
        description: What it means, and the first step.
    """

    name: str
    expression: str
    lasting: str
    severity: Literal["critical", "warning"]
    summary: str
    description: str

    @property
    def full_name(self) -> str:
        """The name in Prometheus."""
        return f"StreamFrame{self.name}"

    @property
    def anchor(self) -> str:
        """The heading of its runbook, as a link."""
        return self.full_name.lower()


SLOW_SHARE: Final = (
    '1 - sum by (application) (rate(streamframe_end_to_end_latency_seconds_bucket{{le=~"5([.]0)?"}}[{window}])) '
    "/ (sum by (application) (rate(streamframe_end_to_end_latency_seconds_count[{window}])) > 0)"
)
"""Share of the records that took longer than 5 s, an edge of the histogram; Prometheus 3 writes its label otherwise."""

RECORDINGS: Final = (
    Recording(
        name="application:streamframe_records_consumed:rate1m",
        expression="sum by (application) (rate(streamframe_records_consumed_total[1m]))",
    ),
    Recording(
        name="application_topic:streamframe_consumer_lag_records:sum",
        expression="sum by (application, topic) (streamframe_consumer_lag_records)",
    ),
    Recording(
        name="application_topic:streamframe_consumer_lag_seconds:max",
        expression="max by (application, topic) (streamframe_consumer_lag_seconds)",
    ),
    Recording(
        name="application:streamframe_end_to_end_latency_seconds:p99_5m",
        expression="histogram_quantile(0.99, sum by (application, le) "
        "(rate(streamframe_end_to_end_latency_seconds_bucket[5m])))",
    ),
    Recording(
        name="application:streamframe_end_to_end_latency_seconds:slow_ratio5m",
        expression=SLOW_SHARE.format(window="5m"),
    ),
    Recording(
        name="application:streamframe_end_to_end_latency_seconds:slow_ratio1h",
        expression=SLOW_SHARE.format(window="1h"),
    ),
    Recording(
        name="application:streamframe_transactions:rolled_back_ratio5m",
        expression='sum by (application) (rate(streamframe_transactions_total{outcome="rolled_back"}[5m])) '
        "/ sum by (application) (rate(streamframe_transactions_total[5m]))",
    ),
)

ALERTS: Final = (
    Alert(
        name="WorkerDown",
        expression='up{job=~"streamframe.*"} == 0',
        lasting="2m",
        severity="critical",
        summary="worker {{ $labels.instance }} does not answer",
        description="Prometheus has not reached the worker for two minutes. Its partitions move to the others when its "
        "session ends. Look whether the process lives.",
    ),
    Alert(
        name="NoProgress",
        expression="time() - streamframe_last_progress_timestamp_seconds > 60",
        lasting="1m",
        severity="critical",
        summary="the loop of worker {{ $labels.instance }} stands still",
        description="Idling and restoring are progress; this worker is inside a call that does not return. The "
        "watchdog ends it. Look at the stacks in its log.",
    ),
    Alert(
        name="Failed",
        expression='streamframe_worker_state{state="failed"} == 1',
        lasting="0m",
        severity="critical",
        summary="worker {{ $labels.instance }} of {{ $labels.application }} has failed",
        description="Its log and the status page say why, and what to do; docs/errors.md lists the exit codes.",
    ),
    Alert(
        name="Behind",
        expression="application_topic:streamframe_consumer_lag_seconds:max > 300",
        lasting="10m",
        severity="warning",
        summary="{{ $labels.application }} is {{ $value | humanizeDuration }} behind on {{ $labels.topic }}",
        description="It reads, but records are more than five minutes old when they are processed. The overview shows "
        "whether it catches up and where the time goes.",
    ),
    Alert(
        name="FarBehind",
        expression="application_topic:streamframe_consumer_lag_seconds:max > 1200",
        lasting="10m",
        severity="critical",
        summary="{{ $labels.application }} is {{ $value | humanizeDuration }} behind on {{ $labels.topic }}",
        description="Four times as late as the warning. Results are twenty minutes old; find out whether it catches up "
        "at all.",
    ),
    Alert(
        name="FallingBehind",
        expression="application_topic:streamframe_consumer_lag_seconds:max > 60 and on (application, topic) "
        "deriv(application_topic:streamframe_consumer_lag_records:sum[30m]) > 0",
        lasting="15m",
        severity="warning",
        summary="{{ $labels.application }} gets further behind on {{ $labels.topic }}",
        description="More comes in than is processed, for half an hour. Add workers up to the number of partitions, or "
        "make the busiest step cheaper.",
    ),
    Alert(
        name="PartitionsUnassigned",
        expression="sum by (application) (streamframe_assigned_partitions) < "
        "max_over_time(sum by (application) (streamframe_assigned_partitions)[1h:1m])",
        lasting="5m",
        severity="critical",
        summary="{{ $labels.application }} reads fewer partitions than before",
        description="Some input partitions have no worker. Look for workers that are down or rebalancing.",
    ),
    Alert(
        name="WatermarkStalled",
        expression="min by (application, sub_topology) (changes(streamframe_watermark_timestamp_seconds[10m])) == 0 "
        "and on (application) sum by (application) (rate(streamframe_records_consumed_total[10m])) > 0",
        lasting="5m",
        severity="warning",
        summary="windows of {{ $labels.application }} do not close",
        description="Records come in but the watermark stands still: a partition is silent and holds the windows open. "
        "Set idle_timeout on its topic, or find out why it is silent.",
    ),
    Alert(
        name="LatencySlo",
        expression="application:streamframe_end_to_end_latency_seconds:slow_ratio1h > 0.0144 "
        "and application:streamframe_end_to_end_latency_seconds:slow_ratio5m > 0.0144",
        lasting="2m",
        severity="warning",
        summary="{{ $value | humanizePercentage }} of the records of {{ $labels.application }} take longer than 5 s",
        description="The aim is 99.9 % within 5 s; at this pace a month's allowance is used up within two days. The "
        "overview shows whether the pauses come from rebalances, commits, or work.",
    ),
    Alert(
        name="NotCommitting",
        expression="time() - max by (application, instance) (streamframe_last_commit_timestamp_seconds) > 300 "
        "and on (application, instance) "
        "sum by (application, instance) (rate(streamframe_records_consumed_total[5m])) > 0",
        lasting="1m",
        severity="critical",
        summary="worker {{ $labels.instance }} reads but has not committed for {{ $value | humanizeDuration }}",
        description="What it processed does not count yet, and would be read again. Its log says why commits fail.",
    ),
    Alert(
        name="RollingBack",
        expression="application:streamframe_transactions:rolled_back_ratio5m > 0.05",
        lasting="10m",
        severity="warning",
        summary="{{ $value | humanizePercentage }} of the transactions of {{ $labels.application }} are rolled back",
        description="Results stay right, but work is done twice. The reason is in the log with each rollback.",
    ),
    Alert(
        name="CommitSlow",
        expression="histogram_quantile(0.95, sum by (application, le) "
        "(rate(streamframe_commit_duration_seconds_bucket[5m]))) > 10",
        lasting="10m",
        severity="warning",
        summary="commits of {{ $labels.application }} take {{ $value | humanizeDuration }}",
        description="The broker is slow, or a commit is too large. Beyond the transaction timeout it is aborted.",
    ),
    Alert(
        name="DeadLetters",
        expression="sum by (application, operator) (increase(streamframe_dead_letters_total[10m])) > 0",
        lasting="0m",
        severity="warning",
        summary="{{ $labels.application }} sets records aside in {{ $labels.operator }}",
        description="Somebody writes what the program cannot use. `streamframe dead-letters show` says where and why.",
    ),
    Alert(
        name="ManyDeadLetters",
        expression="sum by (application) (rate(streamframe_dead_letters_total[10m])) "
        "/ (sum by (application) (rate(streamframe_rows_in_total[10m])) > 0) > 0.01",
        lasting="5m",
        severity="critical",
        summary="{{ $value | humanizePercentage }} of the records of {{ $labels.application }} are set aside",
        description="Not a stray record: a writer has changed its format, or the program is wrong. Results lack these "
        "records until they are replayed.",
    ),
    Alert(
        name="DroppingLate",
        expression='sum by (application) (rate(streamframe_rows_dropped_total{reason="late"}[15m])) '
        "/ sum by (application) (rate(streamframe_rows_in_total[15m])) > 0.01",
        lasting="15m",
        severity="warning",
        summary="{{ $value | humanizePercentage }} of the rows of {{ $labels.application }} are late",
        description="They are in no window. The grace is too short, or the clock of a writer is wrong.",
    ),
    Alert(
        name="RebalanceStorm",
        expression="sum by (application, instance) (increase(streamframe_rebalances_total[15m])) > 10",
        lasting="0m",
        severity="warning",
        summary="the group of {{ $labels.application }} does not come to rest",
        description="Workers join and leave all the time: they crash, are restarted too soon, or are too slow to poll.",
    ),
    Alert(
        name="RestoreSlow",
        expression="sum by (application, instance) (streamframe_restore_remaining_records) > 0",
        lasting="15m",
        severity="warning",
        summary="worker {{ $labels.instance }} has been restoring for a quarter of an hour",
        description="Its partitions stand still meanwhile. Keep the state directory over restarts, so that only the "
        "rest of the changelog has to be read.",
    ),
    Alert(
        name="StateDisk",
        expression='predict_linear(kubelet_volume_stats_available_bytes{persistentvolumeclaim=~"state-.*"}[6h], '
        "24 * 3600) < 0",
        lasting="1h",
        severity="warning",
        summary="volume {{ $labels.persistentvolumeclaim }} is full within a day",
        description="At the growth of the last six hours. A full disk stops the worker. Needs the metrics of the "
        "kubelet; on hosts, watch the file system of state.directory.",
    ),
    Alert(
        name="DatabaseErrors",
        expression="sum by (application, instance) (streamframe_state_background_errors) > 0",
        lasting="0m",
        severity="critical",
        summary="the local databases of worker {{ $labels.instance }} have {{ $value }} errors",
        description="RocksDB could not write in the background: the disk is full or broken. What counts is in the "
        "changelogs.",
    ),
    Alert(
        name="Restarting",
        expression="increase(streamframe_supervisor_restarts_total[15m]) > 3",
        lasting="0m",
        severity="warning",
        summary="workers of {{ $labels.application }} at {{ $labels.instance }} are restarted again and again",
        description="They crash or hang. Nothing is lost, but after 60 restarts within ten minutes the run ends.",
    ),
    Alert(
        name="WorkersMissing",
        expression="streamframe_supervisor_workers - streamframe_supervisor_workers_alive > 0",
        lasting="2m",
        severity="critical",
        summary="{{ $value }} workers of {{ $labels.application }} at {{ $labels.instance }} give no sign of life",
        description="The supervisor kills and restarts them after two minutes of silence; they do not come back.",
    ),
    Alert(
        name="MixedRevisions",
        expression="count by (application) (count by (application, fingerprint) (streamframe_topology_info)) > 1",
        lasting="30m",
        severity="warning",
        summary="workers of {{ $labels.application }} run different programs",
        description="A roll-out that has not finished, or a forgotten worker.",
    ),
)


def rules_text() -> str:
    """Return the file of rules as it is committed."""
    return "\n".join(_lines()) + "\n"


def write(file: Path = FILE) -> None:
    """Write the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(rules_text(), encoding="utf-8")


def _lines() -> Iterator[str]:
    yield "# Made by `make dashboards` from grafana/rules.py; do not edit."
    yield "groups:"
    yield "  - name: streamframe.recordings"
    yield "    rules:"
    for recording in RECORDINGS:
        yield f"      - record: {recording.name}"
        yield f"        expr: {_quoted(recording.expression)}"
    yield "  - name: streamframe.alerts"
    yield "    rules:"
    for alert in ALERTS:
        yield f"      - alert: {alert.full_name}"
        yield f"        expr: {_quoted(alert.expression)}"
        yield f"        for: {alert.lasting}"
        yield "        labels:"
        yield f"          severity: {alert.severity}"
        yield "        annotations:"
        yield f"          summary: {_quoted(alert.summary)}"
        yield f"          description: {_quoted(alert.description)}"
        yield f"          runbook_url: {_quoted(f'{RUNBOOKS}#{alert.anchor}')}"


def _quoted(text: str) -> str:
    """A JSON string is a YAML string."""
    return json.dumps(text, ensure_ascii=False)
