"""The dashboards. ``make dashboards`` writes them to ``grafana/dashboards/``; a test compares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from grafana.panels import Json, as_text, bars, dashboard, graph, row, stat, table, text

FOLDER: Final = Path(__file__).parent / "dashboards"
RATE: Final = "[$__rate_interval]"

_RUNBOOK: Final = """\
**Behind?** Look at *Where time goes*: much `idle` means the input is slow or partitions are missing; much `process`
means a step is slow: *Busy steps* names it; much `commit` or `produce` means the broker.

**Not running?** *Worker states* and the status page of the worker say what it waits for.

**Alerts** link to their runbook: `docs/runbooks.md`.
"""


def quantile(share: float, metric: str, by: str = "") -> str:
    """Return a quantile of a histogram, over everything or by a label."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{RATE})))"


def overview() -> Json:
    """One screen: is it healthy, does it keep up, where does the time go."""

    def panels() -> Iterator[Json]:
        yield stat(
            "Workers running",
            "Workers whose tasks all process. Fewer than there are: some restore, stop or have failed.",
            'sum(streamframe_worker_state{state="running"})',
            unit="short",
            steps=[(None, "red"), (1, "green")],
        )
        yield stat(
            "Records in",
            "Records read per second. 0 with lag above 0 means that nothing moves.",
            f"sum(rate(streamframe_records_consumed_total{RATE}))",
            unit="recps",
            steps=[(None, "text")],
        )
        yield stat(
            "Behind by",
            "Age of the oldest record that is next in a partition which is not caught up; large during a replay.",
            "max(streamframe_consumer_lag_seconds)",
            unit="s",
            steps=[(None, "green"), (60, "orange"), (300, "red")],
        )
        yield stat(
            "Latency p99",
            "From the timestamp of a record to the commit that made it count.",
            quantile(0.99, "streamframe_end_to_end_latency_seconds"),
            unit="s",
            steps=[(None, "green"), (5, "orange"), (30, "red")],
        )
        yield stat(
            "Rolled back",
            "Share of transactions that were aborted or lost. A few at a rebalance are normal; many: work done twice.",
            'sum(rate(streamframe_transactions_total{outcome="rolled_back"}[5m])) / '
            "clamp_min(sum(rate(streamframe_transactions_total[5m])), 1e-9)",
            unit="percentunit",
            steps=[(None, "green"), (0.05, "orange"), (0.2, "red")],
        )
        yield stat(
            "Dead letters, 1 h",
            "Records set aside in the last hour. Above 0: somebody writes what the program cannot use.",
            "round(sum(increase(streamframe_dead_letters_total[1h])))",
            unit="short",
            steps=[(None, "green"), (1, "orange"), (1000, "red")],
        )
        yield row("Throughput")
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
            "Dropped and set aside",
            "Late rows that rise: the grace is too short, or a writer's clock is wrong.",
            [
                (f"sum by (reason) (rate(streamframe_rows_dropped_total{RATE}))", "{{reason}}"),
                (f"sum(rate(streamframe_dead_letters_total{RATE}))", "dead letters"),
            ],
            unit="recps",
        )
        yield row("Lag and latency")
        yield graph(
            "Lag by topic",
            "Rising: the program is slower than its input.",
            [("sum by (topic) (streamframe_consumer_lag_records)", "{{topic}}")],
            unit="short",
        )
        yield graph(
            "Behind by, by topic",
            "Age of the record processed last in the partition that is furthest behind.",
            [("max by (topic) (streamframe_consumer_lag_seconds)", "{{topic}}")],
            unit="s",
        )
        yield graph(
            "End-to-end latency",
            "p99 far above p50: pauses (rebalances, slow commits), not slow work.",
            [
                (quantile(share, "streamframe_end_to_end_latency_seconds"), name)
                for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ],
            unit="s",
        )
        yield row("Where time goes")
        yield graph(
            "Where time goes",
            "Seconds per second by phase, stacked: as many as there are workers. Little idle: no reserve.",
            [(f"sum by (phase) (rate(streamframe_loop_seconds_total{RATE}))", "{{phase}}")],
            unit="short",
            stacked=True,
        )
        yield bars(
            "Busy steps",
            "Share of a worker that each step takes; the first one is where to look when the program is too slow.",
            "topk(10, sum by (operator) (rate(streamframe_operator_seconds_total[5m])))",
            "{{operator}}",
            unit="percentunit",
        )
        yield graph(
            "Commit duration p95",
            "Near the transaction timeout: transactions will be aborted by the broker.",
            [(quantile(0.95, "streamframe_commit_duration_seconds"), "commit")],
            unit="s",
        )
        yield row("Group")
        yield graph(
            "Assigned partitions by worker",
            "Uneven: another worker count divides the partitions better. A worker with none is a spare.",
            [("sum by (instance) (streamframe_assigned_partitions)", "{{instance}}")],
            unit="short",
        )
        yield table(
            "Worker states",
            "What each worker is doing.",
            "max by (instance, state) (streamframe_worker_state == 1)",
            unit="short",
        )
        yield table(
            "Revisions",
            "Fingerprint of the stored state of each worker; two at once are a roll-out or a mistake.",
            "count by (application, fingerprint) (streamframe_topology_info)",
            unit="short",
        )
        yield table(
            "Alerts firing",
            "Alerts of these dashboards' rules that fire now.",
            'ALERTS{alertname=~"StreamFrame.*", alertstate="firing"}',
            unit="short",
            width=12,
        )
        yield text("What to do", _RUNBOOK, width=12)

    return dashboard("streamframe-overview", "StreamFrame / overview", "Is it healthy, and does it keep up?", panels())


def detail() -> Json:
    """What happens inside: steps, batches, partitions, time."""

    def panels() -> Iterator[Json]:
        yield row("Steps")
        yield graph(
            "Busy share by step",
            "Share of a worker that a step takes.",
            [(f"sum by (operator) (rate(streamframe_operator_seconds_total{RATE}))", "{{operator}}")],
            unit="percentunit",
        )
        yield graph(
            "Rows read, folded, emitted, written",
            "What enters and what leaves: where rows disappear is where to look.",
            [
                (f"sum(rate(streamframe_rows_in_total{RATE}))", "in"),
                (f"sum(rate(streamframe_rows_aggregated_total{RATE}))", "aggregated"),
                (f"sum(rate(streamframe_rows_emitted_total{RATE}))", "emitted"),
                (f"sum(rate(streamframe_rows_out_total{RATE}))", "out"),
                (f"sum(rate(streamframe_rows_filtered_total{RATE}))", "filtered"),
            ],
            unit="recps",
        )
        yield graph(
            "Late rows by step",
            "Rows late for all, or for some, of their windows.",
            [
                (f'sum by (operator) (rate(streamframe_rows_dropped_total{{reason="late"}}{RATE}))', "{{operator}}"),
                (f"sum by (operator) (rate(streamframe_rows_late_partly_total{RATE}))", "{{operator}} partly"),
            ],
            unit="recps",
        )
        yield row("Batches and commits")
        yield graph(
            "Batch size",
            "Near the maximum: the program is busy, and batches are as efficient as they get.",
            [
                (quantile(share, "streamframe_batch_size_records"), name)
                for share, name in ((0.5, "p50"), (0.95, "p95"))
            ],
            unit="short",
        )
        yield graph(
            "Batch duration",
            "Time in the program for one batch.",
            [
                (quantile(share, "streamframe_batch_duration_seconds"), name)
                for share, name in ((0.5, "p50"), (0.95, "p95"))
            ],
            unit="s",
        )
        yield graph(
            "Seal and commit p95",
            "Seal: closing windows and encoding changes. Commit: the broker.",
            [
                (quantile(0.95, "streamframe_seal_duration_seconds"), "seal"),
                (quantile(0.95, "streamframe_commit_duration_seconds"), "commit"),
            ],
            unit="s",
        )
        yield graph(
            "Transactions",
            "Rolled back ones are work done twice.",
            [(f"sum by (outcome) (rate(streamframe_transactions_total{RATE}))", "{{outcome}}")],
            unit="cps",
        )
        yield graph(
            "Rebalances",
            "Changes of the assignment; more than a few in a quarter of an hour is a storm.",
            [("sum by (kind) (increase(streamframe_rebalances_total[5m]))", "{{kind}}")],
            unit="short",
        )
        yield graph(
            "Warnings and errors",
            "Lines of the log per second.",
            [(f"sum by (level) (rate(streamframe_notices_total{RATE}))", "{{level}}")],
            unit="cps",
        )
        yield row("Partitions and time")
        yield bars(
            "Lag by partition, worst 20",
            "One partition far ahead of the others: a hot key, or a slow broker.",
            "topk(20, sum by (topic, partition) (streamframe_consumer_lag_records))",
            "{{topic}}[{{partition}}]",
            unit="short",
        )
        yield graph(
            "Watermark delay",
            "How far event time is behind the clock: windows close so much later. Rising: a partition is silent.",
            [("time() - min by (sub_topology) (streamframe_watermark_timestamp_seconds)", "part {{sub_topology}}")],
            unit="s",
        )
        yield graph(
            "Windows closed",
            "None for long: the watermark stands still.",
            [(f"sum by (operator) (rate(streamframe_windows_closed_total{RATE}))", "{{operator}}")],
            unit="cps",
        )

    return dashboard("streamframe-detail", "StreamFrame / detail", "Steps, batches, partitions, time.", panels())


def state() -> Json:
    """State, restoring, and what the processes take of the machine."""

    def panels() -> Iterator[Json]:
        yield row("State")
        yield graph(
            "State in memory by store",
            "Beyond the limit, cold windows are dropped from memory and read again when touched.",
            [("sum by (store) (streamframe_state_memory_bytes)", "{{store}}")],
            unit="bytes",
        )
        yield graph(
            "State on disk by worker",
            "Compare it with the volume.",
            [("sum by (instance) (streamframe_state_disk_bytes)", "{{instance}}")],
            unit="bytes",
        )
        yield graph(
            "Changelog records written",
            "What a restore would have to read, before compaction.",
            [(f"sum by (store) (rate(streamframe_changelog_records_total{RATE}))", "{{store}}")],
            unit="recps",
        )
        yield row("Restoring")
        yield graph(
            "Left to restore",
            "Falls to nothing; a line that stays is a restore that does not move.",
            [("sum by (store) (streamframe_restore_remaining_records)", "{{store}}")],
            unit="short",
        )
        yield graph(
            "Restored records",
            "Records read from changelogs into local stores.",
            [(f"sum by (store) (rate(streamframe_restore_records_total{RATE}))", "{{store}}")],
            unit="recps",
        )
        yield graph(
            "Duration of restores and rebalances p95",
            "How long partitions stand still when they move.",
            [
                (quantile(0.95, "streamframe_restore_duration_seconds"), "restore"),
                (quantile(0.95, "streamframe_rebalance_duration_seconds"), "rebalance"),
            ],
            unit="s",
        )
        yield row("Processes")
        yield graph(
            "Memory by worker",
            "Resident memory: interpreter, batches, tables, RocksDB.",
            [("process_resident_memory_bytes", "{{instance}}")],
            unit="bytes",
        )
        yield graph(
            "Processor by worker",
            "1 is a whole core; a worker cannot use much more.",
            [(f"rate(process_cpu_seconds_total{RATE})", "{{instance}}")],
            unit="short",
        )
        yield graph(
            "Open files by worker",
            "Rising for ever: a leak.",
            [("process_open_fds", "{{instance}}")],
            unit="short",
        )

    return dashboard("streamframe-state", "StreamFrame / state", "State, restoring, processes.", panels())


DASHBOARDS: Final = {"overview.json": overview, "detail.json": detail, "state.json": state}
"""File to what makes it."""


def write(folder: Path = FOLDER) -> None:
    """Write all dashboards."""
    folder.mkdir(exist_ok=True)
    for name, make in DASHBOARDS.items():
        (folder / name).write_text(as_text(make()), encoding="utf-8")
