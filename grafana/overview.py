"""The overview: does it keep up, where does the time go, what is late, dropped or restoring, who works.

The order is that of the questions of somebody who was called: numbers that are green or not, then each question in a
line of its own, then the workers and the alerts with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from grafana.boards import dashboard, row
from grafana.panels import Column, bars, graph, listing, number, words_of
from grafana.queries import (
    RATE,
    RECENT,
    arriving,
    busy,
    consumed,
    kept_up,
    of_workers,
    quantile,
    seconds_to_catch_up,
    share,
)

PHASE_COLORS: Final = {
    "process": "green",
    "seal": "dark-green",
    "poll": "blue",
    "produce": "purple",
    "commit": "orange",
    "state": "yellow",
    "restore": "red",
    "other": "#606060",
    "idle": "#3a3f46",
}
"""Of the phases of the loop, on every dashboard; idle hardly seen, restoring not to be overlooked."""

STATE_COLORS: Final = {
    "starting": "blue",
    "restoring": "orange",
    "rebalancing": "orange",
    "running": "green",
    "draining": "blue",
    "stopped": "text",
    "failed": "red",
}

_WHAT_TO_DO: Final = """\
**Falls behind?** *Where time goes*: much `idle` means slow input or missing partitions, much `process` a slow step, \
which *Busy steps* names, much `commit` or `produce` the broker. Busy near 100 %: add workers, up to the number of \
partitions.

**Late rows?** *Watermark delay* and the topology dashboard: a clock that is ahead, or a grace that is too short.

**Not running?** *Workers* says which; `streamframe status` and its own page say why.

**Alerts** link to their runbook in `docs/runbooks.md`.
"""


def overview() -> models.Dashboard:
    """Return the dashboard to open first."""
    return dashboard(
        "streamframe-overview",
        "StreamFrame / overview",
        "Does it keep up, where does the time go, what is late, dropped, restoring, and who works.",
        [
            *_health(),
            *_harm(),
            row("Does it keep up?"),
            *_keeping_up(),
            row("Where does the time go?"),
            *_time(),
            row("What is late, dropped, restoring?"),
            *_damage(),
            row("In and out"),
            *_throughput(),
            row("Who works?"),
            _workers(),
            *_alerts(),
        ],
    )


def _health() -> Iterator[models.Panel]:
    yield number(
        "Workers",
        "Workers whose tasks all process, and the others: they restore, rebalance, stop or have failed.",
        [
            ('sum(streamframe_worker_state{state="running"})', "running"),
            ('sum(streamframe_worker_state{state!="running"})', "not"),
        ],
        unit="short",
        steps=[(None, "text")],
        decimals=0,
    )
    yield number(
        "Keeps up",
        "Share of what arrives that is processed, over five minutes. Below 100 %: it falls behind; above: it catches "
        "up.",
        [(kept_up(RECENT), "")],
        unit="percentunit",
        steps=[(None, "red"), (0.9, "orange"), (0.98, "green")],
        decimals=0,
    )
    yield number(
        "Behind by",
        "Age of the record processed last in the partition that is furthest behind, 0 when all is read; large during "
        "a replay of old records.",
        [("max(streamframe_consumer_lag_seconds)", "")],
        unit="s",
        steps=[(None, "green"), (60, "orange"), (300, "red")],
    )
    yield number(
        "Time to catch up",
        "Present lag at the present pace, over five minutes. A dash: there is nothing to catch up, or the lag does not "
        "shrink.",
        [(seconds_to_catch_up(RECENT), "")],
        unit="s",
        no_value="–",
        decimals=0,
    )
    yield number(
        "Latency p99",
        "From the timestamp of a record to the commit that made it count.",
        [(quantile(0.99, "streamframe_end_to_end_latency_seconds"), "")],
        unit="s",
        steps=[(None, "green"), (5, "orange"), (30, "red")],
        no_value="–",
        decimals=1,
    )
    yield number(
        "Alerts firing",
        "Alerts of these dashboards' rules that fire now; they are listed below.",
        [('count(ALERTS{alertname=~"StreamFrame.*", alertstate="firing"}) or vector(0)', "")],
        unit="short",
        steps=[(None, "green"), (1, "red")],
    )


def _harm() -> Iterator[models.Panel]:
    yield number(
        "Busy",
        "Share of the time in which the workers do not wait for records. Near 100 %: there is no reserve.",
        [(busy(RECENT), "")],
        unit="percentunit",
        steps=[(None, "green"), (0.8, "orange"), (0.95, "red")],
        decimals=0,
    )
    yield number(
        "Late rows",
        "Share of the rows of the last five minutes that came too late for every window.",
        [(share('streamframe_rows_dropped_total{reason="late"}', "streamframe_rows_in_total"), "")],
        unit="percentunit",
        steps=[(None, "green"), (0.001, "orange"), (0.01, "red")],
        decimals=2,
    )
    yield number(
        "Dead letters, 1 h",
        "Records set aside in the last hour. Above 0: somebody writes what the program cannot use.",
        [("round(sum(increase(streamframe_dead_letters_total[1h])))", "")],
        unit="short",
        steps=[(None, "green"), (1, "orange"), (1000, "red")],
    )
    yield number(
        "Left to restore",
        "Changelog records that workers still have to read; their partitions stand still meanwhile.",
        [("sum(streamframe_restore_remaining_records) or vector(0)", "")],
        unit="short",
        steps=[(None, "green"), (1, "orange")],
    )
    yield number(
        "Rolled back",
        "Share of transactions that were aborted or lost, over five minutes. A few at a rebalance are normal; many: "
        "work done twice.",
        [(share('streamframe_transactions_total{outcome="rolled_back"}', "streamframe_transactions_total"), "")],
        unit="percentunit",
        steps=[(None, "green"), (0.05, "orange"), (0.2, "red")],
        decimals=1,
    )
    yield number(
        "Last commit",
        "Age of the latest commit of the worker whose latest one is oldest; no commit while records come in: see the "
        "client dashboard.",
        [("time() - min(streamframe_last_commit_timestamp_seconds)", "")],
        unit="s",
        steps=[(None, "green"), (60, "orange"), (300, "red")],
        no_value="–",
        decimals=0,
    )


def _keeping_up() -> Iterator[models.Panel]:
    yield graph(
        "Arriving and processed",
        "Lines apart: above is what arrives, below what is processed; the difference becomes lag.",
        [(arriving(RATE), "arriving"), (consumed(RATE), "processed")],
        unit="recps",
        colors={"arriving": "orange", "processed": "green"},
    )
    yield graph(
        "Behind by, by topic",
        "Age of the record processed last in the partition that is furthest behind. Rising as fast as the clock: it "
        "stands still.",
        [("max by (topic) (streamframe_consumer_lag_seconds)", "{{topic}}")],
        unit="s",
    )
    yield graph(
        "Lag by topic",
        "Records that are there and not processed. Rising: the program is slower than its input.",
        [("sum by (topic) (streamframe_consumer_lag_records)", "{{topic}}")],
        unit="short",
    )


def _time() -> Iterator[models.Panel]:
    yield graph(
        "Where time goes",
        "Share of the time of all workers by phase. Little idle: no reserve. Restoring: partitions stand still.",
        [(f"sum by (phase) (rate(streamframe_loop_seconds_total{RATE}))", "{{phase}}")],
        unit="short",
        stacking="percent",
        colors=PHASE_COLORS,
    )
    yield bars(
        "Busy steps",
        "Share of one worker that each step takes, over five minutes; the longest bar is where to look when the "
        "program is too slow.",
        (
            f"sort_desc(topk(8, sum by (operator) (rate(streamframe_operator_seconds_total{RECENT})))) "
            '/ scalar(clamp_min(sum(streamframe_worker_state{state="running"}), 1))',
            "{{operator}}",
        ),
        unit="percentunit",
    )
    yield graph(
        "End-to-end latency",
        "From record to commit. p99 far above p50: pauses (rebalances, slow commits), not slow work.",
        [
            (quantile(share, "streamframe_end_to_end_latency_seconds"), name)
            for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
        ],
        unit="s",
    )


def _damage() -> Iterator[models.Panel]:
    yield graph(
        "Late, dropped, set aside",
        "Rows that are in no result, by reason. Late ones that rise: the grace is too short, or a writer's clock is "
        "wrong.",
        [
            (f"sum by (reason) (rate(streamframe_rows_dropped_total{RATE})) > 0", "{{reason}}"),
            (f"sum(rate(streamframe_dead_letters_total{RATE}))", "dead letters"),
        ],
        unit="recps",
        colors={"late": "orange", "dead letters": "red"},
    )
    yield graph(
        "Watermark delay",
        "How far event time is behind the clock: windows close so much later. Rising: a partition is silent, or the "
        "program is behind.",
        [("time() - min by (sub_topology) (streamframe_watermark_timestamp_seconds)", "part {{sub_topology}}")],
        unit="s",
    )
    yield graph(
        "Left to restore",
        "Changelog records still to be read. A line that stays level is a restore that does not move.",
        [("sum by (store) (streamframe_restore_remaining_records)", "{{store}}")],
        unit="short",
        no_value="nothing is restored",
    )


def _throughput() -> Iterator[models.Panel]:
    yield graph(
        "Records in by topic",
        "A topic that falls to 0 while others flow has lost its writer.",
        [(f"sum by (topic) (rate(streamframe_records_consumed_total{RATE}))", "{{topic}}")],
        unit="recps",
    )
    yield graph(
        "Records out by topic",
        "0 with records in: rows are filtered, late, or wait for their window.",
        [(f"sum by (topic) (rate(streamframe_records_produced_total{RATE}))", "{{topic}}")],
        unit="recps",
    )
    yield graph(
        "Rebalances and rollbacks",
        "In five minutes. A few when workers come and go; a steady stream: they crash, or are too slow to poll.",
        [
            ("round(sum by (kind) (increase(streamframe_rebalances_total[5m])))", "{{kind}}"),
            ('round(sum(increase(streamframe_transactions_total{outcome="rolled_back"}[5m])))', "rolled back"),
        ],
        unit="short",
        colors={"rolled back": "orange", "lost": "red"},
    )


def _workers() -> models.Panel:
    by_worker = "by (instance)"
    return listing(
        "Workers",
        "A worker with no partitions is a spare; one that is busy while the others idle has a hot key; a last turn "
        "long ago is a call that does not return.",
        rows={"instance": "Worker", "state": "State"},
        columns=[
            Column("", "max by (instance, state) (streamframe_worker_state) == 1"),
            Column("Partitions", f"sum {by_worker} (streamframe_assigned_partitions)"),
            Column("Records in", f"sum {by_worker} (rate(streamframe_records_consumed_total{RATE}))", unit="recps"),
            Column("Lag", f"sum {by_worker} (streamframe_consumer_lag_records)"),
            Column(
                "Behind by",
                f"max {by_worker} (streamframe_consumer_lag_seconds)",
                unit="s",
                steps=[(None, "green"), (60, "orange"), (300, "red")],
            ),
            Column(
                "Busy",
                busy(RATE, "instance"),
                unit="percentunit",
                steps=[(None, "green"), (0.8, "orange"), (0.95, "red")],
            ),
            Column("Memory", f"max {by_worker} ({of_workers('process_resident_memory_bytes')})", unit="bytes"),
            Column(
                "Last turn",
                f"time() - max {by_worker} (streamframe_last_progress_timestamp_seconds)",
                unit="s",
                steps=[(None, "green"), (30, "orange"), (60, "red")],
            ),
        ],
        mappings={"State": STATE_COLORS},
    )


def _alerts() -> Iterator[models.Panel]:
    yield listing(
        "Alerts",
        "Alerts of these dashboards' rules that fire, or are about to.",
        rows={"alertname": "Alert", "alertstate": "State", "severity": "Severity", "instance": "Worker"},
        columns=[
            Column(
                "",
                'max by (alertname, alertstate, severity, instance) (ALERTS{alertname=~"StreamFrame.*"})',
            )
        ],
        mappings={
            "State": {"firing": "red", "pending": "orange"},
            "Severity": {"critical": "red", "warning": "orange"},
        },
        no_value="no alert",
        width=8,
        height=7,
    )
    yield listing(
        "Revisions",
        "Fingerprint of the stored state of the workers; two at once are a roll-out or a mistake.",
        rows={"application": "Application", "fingerprint": "Fingerprint"},
        columns=[Column("Workers", "count by (application, fingerprint) (streamframe_topology_info)")],
        width=8,
        height=7,
    )
    yield words_of("What to do", _WHAT_TO_DO, width=8)
