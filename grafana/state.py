"""State and its recovery: how much there is, what a restore would cost, how one goes, and the processes."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.models import dashboard as models

from grafana.boards import dashboard, row
from grafana.panels import Column, graph, listing, number
from grafana.queries import RATE, RECENT, of_workers, quantile

_REMAINING = "streamframe_restore_remaining_records"


def state() -> models.Dashboard:
    """Return the dashboard for restores, memory and disks."""
    return dashboard(
        "streamframe-state",
        "StreamFrame / state and recovery",
        "How much state there is, what a restore would cost, how one goes, and what the processes take.",
        [
            *_numbers(),
            row("State"),
            *_state(),
            row("Recovery"),
            *_recovery(),
            row("Local databases"),
            *_databases(),
            row("Processes"),
            *_processes(),
        ],
    )


def _numbers() -> Iterator[models.Panel]:
    yield number(
        "State in memory",
        "Tables of all stores; beyond the limit, cold windows are dropped from memory and read again when touched.",
        [("sum(streamframe_state_memory_bytes)", "")],
        unit="bytes",
    )
    yield number(
        "State on disk",
        "Files and write buffers of the local databases of all workers.",
        [("sum(streamframe_state_disk_bytes)", "")],
        unit="bytes",
    )
    yield number(
        "Entries on disk",
        "As RocksDB estimates them, all workers.",
        [("sum(streamframe_state_disk_entries)", "")],
        unit="short",
    )
    yield number(
        "Workers restoring",
        "Their partitions stand still until their state is complete.",
        [('sum(streamframe_worker_state{state="restoring"})', "")],
        unit="short",
        steps=[(None, "green"), (1, "orange")],
    )
    yield number(
        "Left to restore",
        "Changelog records that workers still have to read.",
        [(f"sum({_REMAINING}) or vector(0)", "")],
        unit="short",
        steps=[(None, "green"), (1, "orange")],
    )
    yield number(
        "Restore done in",
        "What is left at the pace of the last minutes; a dash: nothing is restored. Long, and the state directory was "
        "lost: keep it on a volume.",
        [(f"sum({_REMAINING}) / (sum(rate(streamframe_restore_records_total{RECENT})) > 0)", "")],
        unit="s",
        no_value="–",
        decimals=0,
    )


def _state() -> Iterator[models.Panel]:
    yield graph(
        "State in memory by store",
        "A store that only grows has no windows, or keys that never come back.",
        [("sum by (store) (streamframe_state_memory_bytes)", "{{store}}")],
        unit="bytes",
    )
    yield graph(
        "State on disk by worker",
        "Compare it with the volume: a full disk stops the worker.",
        [("sum by (instance) (streamframe_state_disk_bytes)", "{{instance}}")],
        unit="bytes",
    )
    yield graph(
        "Changelog records written",
        "What a restore would have to read, before compaction.",
        [(f"sum by (store) (rate(streamframe_changelog_records_total{RATE}))", "{{store}}")],
        unit="recps",
    )


def _recovery() -> Iterator[models.Panel]:
    yield listing(
        "Restoring now",
        "Partitions whose state is not complete; the one with most left is ready last.",
        rows={"instance": "Worker", "store": "Store", "partition": "Partition"},
        columns=[Column("Left", f"sum by (instance, store, partition) ({_REMAINING})")],
        no_value="nothing is restored",
        width=8,
        height=7,
    )
    yield graph(
        "Left to restore",
        "Falls to nothing; a line that stays level is a restore that does not move.",
        [(f"sum by (store) ({_REMAINING})", "{{store}}")],
        unit="short",
        no_value="nothing is restored",
    )
    yield graph(
        "Restored records",
        "Records read from changelogs into local stores; slow, and the broker or the disk is.",
        [(f"sum by (store) (rate(streamframe_restore_records_total{RATE}))", "{{store}}")],
        unit="recps",
    )
    yield graph(
        "How long partitions stand still, p95",
        "When they move: rebalances restore what the new owner lacks.",
        [
            (quantile(0.95, "streamframe_restore_duration_seconds", RECENT), "restore"),
            (quantile(0.95, "streamframe_rebalance_duration_seconds", RECENT), "rebalance"),
        ],
        unit="s",
    )
    yield graph(
        "Workers by state",
        "What they do; restoring for long means much state and a directory that was lost.",
        [("sum by (state) (streamframe_worker_state) > 0", "{{state}}")],
        unit="short",
        stacking="normal",
        colors={"running": "green", "restoring": "orange", "rebalancing": "yellow", "failed": "red"},
    )
    yield graph(
        "Partitions that do not process",
        "Assigned, but waiting for their state or for the worker's turn.",
        [("sum by (topic) (streamframe_paused_partitions)", "{{topic}}")],
        unit="short",
    )


def _databases() -> Iterator[models.Panel]:
    yield graph(
        "Write buffers",
        "What a crash of the machine would lose locally; the changelog has it. Steady, unless writes outrun the disk.",
        [("sum by (instance) (streamframe_state_memtable_bytes)", "{{instance}}")],
        unit="bytes",
    )
    yield graph(
        "Left to compact",
        "Rising for long: the disk is too slow, and writes will be slowed down.",
        [("sum by (instance) (streamframe_state_pending_compaction_bytes)", "{{instance}}")],
        unit="bytes",
    )
    yield graph(
        "Errors in the background",
        "Above 0: the disk is full or broken, and the database takes no more writes.",
        [("sum by (instance) (streamframe_state_background_errors)", "{{instance}}")],
        unit="short",
    )


def _processes() -> Iterator[models.Panel]:
    yield graph(
        "Memory by worker",
        "Resident memory: interpreter, batches, tables, RocksDB. Near the limit of the container: lower state.memory.",
        [(of_workers("process_resident_memory_bytes"), "{{instance}}")],
        unit="bytes",
    )
    yield graph(
        "Processor by worker",
        "1 is a whole core; a worker cannot use much more.",
        [(of_workers(f"rate(process_cpu_seconds_total{RATE})"), "{{instance}}")],
        unit="short",
    )
    yield graph(
        "Open files by worker",
        "Rising for ever: a leak.",
        [(of_workers("process_open_fds"), "{{instance}}")],
        unit="short",
    )
