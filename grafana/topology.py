"""What happens inside a topology: steps and their rows, batches, partitions, event time."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.models import dashboard as models

from grafana.boards import dashboard, row
from grafana.panels import Column, bars, graph, listing
from grafana.queries import RATE, RECENT, quantile


def topology() -> models.Dashboard:
    """Return the dashboard that explains a number of the overview."""
    return dashboard(
        "streamframe-topology",
        "StreamFrame / topology",
        "Steps and their rows, batches, partitions, event time.",
        [
            row("Steps"),
            *_steps(),
            row("Rows that are in no result"),
            *_lost_rows(),
            row("Batches"),
            *_batches(),
            row("Partitions and event time"),
            *_partitions(),
        ],
    )


def _per_step(metric: str, selector: str = "") -> str:
    return f"sum by (operator) (rate(streamframe_{metric}_total{selector}{RATE}))"


def _steps() -> Iterator[models.Panel]:
    yield listing(
        "Rows through each step, per second",
        "Where rows disappear is where to look: every row that a source reads is filtered, aggregated, written, "
        "dropped or set aside exactly once on each path behind it.",
        rows={"operator": "Step"},
        columns=[
            Column(
                "Busy",
                _per_step("operator_seconds"),
                unit="percentunit",
                steps=[(None, "green"), (0.5, "orange"), (0.8, "red")],
            ),
            Column("Read", _per_step("rows_in"), unit="recps"),
            Column("Filtered", _per_step("rows_filtered"), unit="recps"),
            Column("Aggregated", _per_step("rows_aggregated"), unit="recps"),
            Column("Emitted", _per_step("rows_emitted"), unit="recps"),
            Column("Written", _per_step("rows_out"), unit="recps"),
            Column("Dropped", _per_step("rows_dropped"), unit="recps", steps=[(None, "green"), (0.001, "orange")]),
            Column("Set aside", _per_step("dead_letters"), unit="recps", steps=[(None, "green"), (0.001, "red")]),
        ],
        height=8,
    )
    yield graph(
        "Busy share by step",
        "Share of a worker that a step takes, all workers added up.",
        [(_per_step("operator_seconds"), "{{operator}}")],
        unit="percentunit",
        stacking="normal",
        width=12,
    )
    yield graph(
        "Rows read, aggregated, emitted, written",
        "What enters and what leaves: far fewer rows emitted than aggregated is what windows are for.",
        [
            (f"sum(rate(streamframe_rows_in_total{RATE}))", "read"),
            (f"sum(rate(streamframe_rows_filtered_total{RATE}))", "filtered"),
            (f"sum(rate(streamframe_rows_aggregated_total{RATE}))", "aggregated"),
            (f"sum(rate(streamframe_rows_emitted_total{RATE}))", "emitted"),
            (f"sum(rate(streamframe_rows_out_total{RATE}))", "written"),
        ],
        unit="recps",
        width=12,
    )


def _lost_rows() -> Iterator[models.Panel]:
    yield graph(
        "Dropped rows by step and reason",
        "No value, a null among the group keys, too late: the reason says whether the writer or the program is wrong.",
        [
            (
                f"sum by (operator, reason) (rate(streamframe_rows_dropped_total{RATE})) > 0",
                "{{operator}}: {{reason}}",
            )
        ],
        unit="recps",
        no_value="none",
    )
    yield graph(
        "Late rows by step",
        "Late for all their windows, or only for some (sliding windows): raise the grace, or look for a clock that is "
        "ahead.",
        [
            (f'sum by (operator) (rate(streamframe_rows_dropped_total{{reason="late"}}{RATE}))', "{{operator}}"),
            (f"sum by (operator) (rate(streamframe_rows_late_partly_total{RATE}))", "{{operator}} partly"),
        ],
        unit="recps",
    )
    yield graph(
        "Dead letters by step",
        "Records that could not be used; `streamframe dead-letters show` says where each came from and why.",
        [(_per_step("dead_letters"), "{{operator}}")],
        unit="recps",
    )


def _batches() -> Iterator[models.Panel]:
    yield graph(
        "Batch size",
        "Near the maximum: the program is busy, and batches are as efficient as they get.",
        [(quantile(share, "streamframe_batch_size_records"), name) for share, name in ((0.5, "p50"), (0.95, "p95"))],
        unit="short",
    )
    yield graph(
        "Batch duration",
        "Time in the program for one batch; seconds mean a slow function.",
        [
            (quantile(share, "streamframe_batch_duration_seconds"), name)
            for share, name in ((0.5, "p50"), (0.95, "p95"))
        ],
        unit="s",
    )
    yield graph(
        "Seal p95",
        "Closing windows and encoding changes for one commit; seconds mean that a commit carries very much state.",
        [(quantile(0.95, "streamframe_seal_duration_seconds"), "seal")],
        unit="s",
    )


def _partitions() -> Iterator[models.Panel]:
    yield bars(
        "Lag by partition, worst 20",
        "One partition far ahead of the others: a hot key, or a slow broker.",
        (
            "sort_desc(topk(20, sum by (topic, partition) (streamframe_consumer_lag_records)))",
            "{{topic}}[{{partition}}]",
        ),
        unit="short",
    )
    yield graph(
        "Event time behind the clock, by partition",
        "The partition that is furthest behind holds back the watermark, and with it every window. Rising as fast as "
        "the clock: nobody writes to it.",
        [
            (
                "topk(20, time() - max by (topic, partition) (streamframe_stream_time_timestamp_seconds))",
                "{{topic}}[{{partition}}]",
            )
        ],
        unit="s",
    )
    yield graph(
        "Windows closed",
        "None for long: the watermark stands still.",
        [(_per_step("windows_closed"), "{{operator}}")],
        unit="cps",
    )
    yield graph(
        "Emit delay p95 by step",
        "From the end of a window to its result; grace is part of it. Minutes: event time stands still, or is written "
        "late.",
        [(quantile(0.95, "streamframe_emit_delay_seconds", RECENT, "operator"), "{{operator}}")],
        unit="s",
    )
    yield graph(
        "Watermark delay by part",
        "How far event time is behind the clock in each part of the topology: a part behind a repartition topic waits "
        "for all that may send to it.",
        [("time() - min by (sub_topology) (streamframe_watermark_timestamp_seconds)", "part {{sub_topology}}")],
        unit="s",
    )
    yield graph(
        "Warnings and errors",
        "Lines of the log per second: what happened is in the log and on the status page.",
        [(f"sum by (level) (rate(streamframe_notices_total{RATE}))", "{{level}}")],
        unit="cps",
        colors={"warning": "orange", "error": "red"},
    )
