"""The Kafka client and the broker behind it: what is fetched, written and committed, and how the group is doing."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.models import dashboard as models

from grafana.boards import dashboard, row
from grafana.overview import PHASE_COLORS
from grafana.panels import graph
from grafana.queries import RATE, RECENT, quantile

_ONLY_DEBUG = "only with telemetry.metrics = debug"
_OF_THE_BROKER = "produce|commit|restore"


def client() -> models.Dashboard:
    """Return the dashboard that tells a slow broker from a slow program."""
    return dashboard(
        "streamframe-client",
        "StreamFrame / client and broker",
        "What is fetched, written and committed, how long the broker takes, and how the group is doing.",
        [
            row("Fetched and written"),
            *_traffic(),
            row("Commits"),
            *_commits(),
            row("Group"),
            *_group(),
            row("Inside the client (telemetry.metrics = debug)"),
            *_inside(),
        ],
    )


def _traffic() -> Iterator[models.Panel]:
    yield graph(
        "Bytes in by topic",
        "Values of the records that were processed.",
        [(f"sum by (topic) (rate(streamframe_bytes_consumed_total{RATE}))", "{{topic}}")],
        unit="Bps",
        width=12,
    )
    yield graph(
        "Bytes out by topic",
        "Values of the records that were written, changelogs and repartition topics included.",
        [(f"sum by (topic) (rate(streamframe_bytes_produced_total{RATE}))", "{{topic}}")],
        unit="Bps",
        width=12,
    )


def _commits() -> Iterator[models.Panel]:
    yield graph(
        "Commit duration",
        "Changelog, flush, offsets, transaction. Near the transaction timeout, transactions are aborted by the broker.",
        [
            (quantile(share, "streamframe_commit_duration_seconds"), name)
            for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
        ],
        unit="s",
    )
    yield graph(
        "Transactions",
        "Rolled back ones are work done twice; the log names the reason of each.",
        [(f"sum by (outcome) (rate(streamframe_transactions_total{RATE}))", "{{outcome}}")],
        unit="cps",
        colors={"committed": "green", "rolled_back": "orange"},
    )
    yield graph(
        "Stall of the loop by a commit",
        "From the decision to commit until the loop goes on: sealing, producing, the broker, the local stores. "
        "Meanwhile nothing is read; the share of it that is the broker is on the left.",
        [(quantile(share, "streamframe_commit_stall_seconds"), name) for share, name in ((0.5, "p50"), (0.95, "p95"))],
        unit="s",
    )
    yield graph(
        "Time at the broker",
        "Seconds per second of all workers in calls to the client. Much commit or produce: the broker is slow. Lag "
        "with workers that idle: it delivers slowly, or the records are in few partitions.",
        [
            (
                f'sum by (phase) (rate(streamframe_loop_seconds_total{{phase=~"{_OF_THE_BROKER}"}}{RATE}))',
                "{{phase}}",
            )
        ],
        unit="short",
        stacking="normal",
        colors={name: PHASE_COLORS[name] for name in _OF_THE_BROKER.split("|")},
        width=12,
    )
    yield graph(
        "Age of the last commit by worker",
        "Rises while there is nothing to commit. Rising with records coming in: commits fail.",
        [("time() - max by (instance) (streamframe_last_commit_timestamp_seconds)", "{{instance}}")],
        unit="s",
        width=12,
    )


def _group() -> Iterator[models.Panel]:
    yield graph(
        "Assigned partitions by worker",
        "Uneven: another worker count divides the partitions better. A worker with none is a spare.",
        [("sum by (instance) (streamframe_assigned_partitions)", "{{instance}}")],
        unit="short",
        stacking="normal",
    )
    yield graph(
        "Rebalances",
        "Changes of the assignment in five minutes. Lost: the session ended before the worker knew.",
        [("round(sum by (kind) (increase(streamframe_rebalances_total[5m])))", "{{kind}}")],
        unit="short",
        colors={"assigned": "blue", "revoked": "yellow", "lost": "red"},
    )
    yield graph(
        "Rebalance duration p95",
        "From a change until every task processes again, restoring included.",
        [(quantile(0.95, "streamframe_rebalance_duration_seconds", RECENT), "rebalance")],
        unit="s",
    )


def _inside() -> Iterator[models.Panel]:
    yield graph(
        "Round trip to the broker",
        "Mean time between a request and its answer. Much more than the network takes: the broker is busy.",
        [("max by (client) (streamframe_client_broker_rtt_seconds)", "{{client}}")],
        unit="s",
        no_value=_ONLY_DEBUG,
    )
    yield graph(
        "Fetched and not taken",
        "Near limits.prefetch_kib of every partition: the program is slower than the broker. 0 with lag: the broker is "
        "the slow one.",
        [("sum by (client) (streamframe_client_fetch_queue_bytes)", "{{client}}")],
        unit="bytes",
        no_value=_ONLY_DEBUG,
    )
    yield graph(
        "Produced and not acknowledged",
        "Rising: the broker takes less than the program writes.",
        [("sum by (client) (streamframe_client_producer_queue_records)", "{{client}}")],
        unit="short",
        no_value=_ONLY_DEBUG,
    )
