"""What a page says, as plain values for JSON: pure functions of a fleet.

Nothing in them comes from the content of a record, and no setting is shown: there is nothing to hide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from streamframe.core import metrics as rows
from streamframe.core.metric_values import HistogramSnapshot
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.engine.snapshot import Snapshot
from streamframe.observe.exposition import lag_seconds
from streamframe.observe.fleet import Fleet, Identity
from streamframe.observe.history import POINT_SECONDS, quantile
from streamframe.observe.verdict import Facts, verdict

Document = dict[str, Any]


def status(fleet: Fleet, identity: Identity) -> Document:
    """Return the whole at a glance, and a row per worker."""
    workers = [_worker(slot, snapshot) for slot, snapshot in sorted(fleet.snapshots.items())]
    records, seconds = _behind(fleet)
    word, text = verdict(_facts(fleet, identity))
    return {
        "application": identity.application,
        "version": identity.version,
        "guarantee": identity.guarantee,
        "state": fleet_state(fleet, identity),
        "verdict": word,
        "verdict_text": text,
        "time": moment(fleet.now),
        "workers_wanted": identity.workers or 1,
        "restarts": fleet.restarts,
        "rows_in": _total(fleet, rows.ROWS_IN),
        "rows_out": _total(fleet, rows.ROWS_OUT),
        "rows_late": _total(fleet, rows.ROWS_LATE),
        "dead_letters": _total(fleet, rows.ROWS_DEAD_LETTER),
        "lag_records": records,
        "lag_seconds": seconds,
        "workers": workers,
    }


def _behind(fleet: Fleet) -> tuple[int, float]:
    lags = [row for snapshot in fleet.snapshots.values() for row in _partition_rows(snapshot)]
    return (
        sum(row["lag"] for row in lags if row["lag"] is not None),
        max((row["lag_seconds"] for row in lags if row["lag_seconds"] is not None), default=0.0),
    )


def _facts(fleet: Fleet, identity: Identity) -> Facts:
    records, seconds = _behind(fleet)
    restoring = [task for snapshot in fleet.snapshots.values() for task in snapshot.tasks if task.state != "running"]
    return Facts(
        state=fleet_state(fleet, identity),
        restored=(sum(task.restored for task in restoring), sum(task.restore_total for task in restoring)),
        lag_records=records,
        lag_seconds=seconds,
        points=fleet.points,
        phases={row["phase"]: row["share"] for row in loop(fleet, identity)["phases"]},
        operators={row["operator"]: row["busy_share"] for row in operators(fleet, identity)["operators"]},
    )


def fleet_state(fleet: Fleet, identity: Identity) -> str:
    """Return the state of all workers together: that of the one that is furthest from running."""
    states = [snapshot.state for snapshot in fleet.snapshots.values()]
    if len(states) < (identity.workers or 1):
        states.append("starting")
    order = ("failed", "stopped", "draining", "starting", "rebalancing", "restoring", "running")
    return min(states, key=order.index)


def tasks(fleet: Fleet, _identity: Identity) -> Document:
    """Return a row per task."""
    found = []
    for slot, snapshot in sorted(fleet.snapshots.items()):
        for task in snapshot.tasks:
            found.append(
                {
                    "task": task.task,
                    "worker": slot,
                    "state": task.state,
                    "watermark": _event_moment(task.watermark) if task.state == "running" else None,
                    "state_bytes": task.state_bytes,
                    "restored": task.restored,
                    "restore_total": task.restore_total,
                }
            )
    return {"tasks": found}


def partitions(fleet: Fleet, _identity: Identity) -> Document:
    """Return a row per input partition, the one that is furthest behind first."""
    found = []
    for slot, snapshot in sorted(fleet.snapshots.items()):
        found += [{"worker": slot, **row} for row in _partition_rows(snapshot)]
    found.sort(key=lambda row: (-(row["lag"] or 0), row["topic"], row["partition"]))
    return {"partitions": found}


def lag(fleet: Fleet, _identity: Identity) -> Document:
    """Return a row per input topic."""
    topics: dict[str, Document] = {}
    for snapshot in fleet.snapshots.values():
        for row in _partition_rows(snapshot):
            name = row["topic"]
            fresh = {"topic": name, "partitions": 0, "unknown": 0, "lag": 0, "lag_seconds": 0.0}
            entry = topics.setdefault(name, fresh)
            entry["partitions"] += 1
            entry["unknown"] += row["lag"] is None
            entry["lag"] += row["lag"] or 0
            entry["lag_seconds"] = max(entry["lag_seconds"], row["lag_seconds"] or 0.0)
    return {"topics": [topics[name] for name in sorted(topics)]}


def stores(fleet: Fleet, _identity: Identity) -> Document:
    """Return a row per store and task."""
    found = []
    for slot, snapshot in sorted(fleet.snapshots.items()):
        for each in snapshot.stores:
            found.append(
                {
                    "store": each.store,
                    "partition": each.partition,
                    "worker": slot,
                    "memory_bytes": each.memory_bytes,
                    "restoring": each.remaining is not None,
                    "remaining": each.remaining,
                }
            )
    disk = [snapshot.disk for snapshot in fleet.snapshots.values() if snapshot.disk is not None]
    return {
        "stores": found,
        "disk_bytes": sum(each.size for each in disk),
        "disk_entries": sum(each.entries for each in disk),
        "disk_pending_bytes": sum(each.pending for each in disk),
        "disk_errors": sum(each.errors for each in disk),
    }


def batches(fleet: Fleet, _identity: Identity) -> Document:
    """Return the latest commits of all workers, the newest first."""
    found: list[tuple[int, Document]] = []
    for slot, snapshot in sorted(fleet.snapshots.items()):
        for each in snapshot.measured.commits:
            row: Document = {
                "at": moment(each.at / MICROS_PER_SECOND),
                "worker": slot,
                "records": each.records,
                "batches": each.batches,
                "process_seconds": each.processing / MICROS_PER_SECOND,
                "seal_seconds": each.sealing / MICROS_PER_SECOND,
                "commit_seconds": each.committing / MICROS_PER_SECOND,
                "stall_seconds": each.stalled / MICROS_PER_SECOND,
            }
            found.append((each.at, row))
    found.sort(key=lambda entry: -entry[0])
    return {"commits": [row for _, row in found]}


def history(fleet: Fleet, _identity: Identity) -> Document:
    """Return the last minutes, the oldest point first; the last point may still be growing."""
    points: list[Document] = [
        {
            "at": moment(point.at),
            "records_in_per_second": point.records_in / POINT_SECONDS,
            "records_out_per_second": point.records_out / POINT_SECONDS,
            "lag_records": point.lag,
            "latency_p50_seconds": quantile(point.latency, 0.5),
            "latency_p99_seconds": quantile(point.latency, 0.99),
        }
        for point in fleet.points
    ]
    return {"point_seconds": POINT_SECONDS, "points": points}


def operators(fleet: Fleet, _identity: Identity) -> Document:
    """Return a row per step: its share of the workers' time lately, its time, and what became of its rows."""
    lately: dict[str, int] = {}
    seconds: dict[str, float] = {}
    counts: dict[str, dict[str, int]] = {}
    rates = rates_by_step(fleet)
    for slot, snapshot in fleet.snapshots.items():
        before = fleet.earlier.get(slot)
        for name, micros in snapshot.operators.items():
            seconds[name] = seconds.get(name, 0.0) + micros / MICROS_PER_SECOND
            recent = micros - (before.operators.get(name, 0) if before else 0)
            lately[name] = lately.get(name, 0) + recent
        for name, count in snapshot.counts.items():
            what, operator = rows.split_counter(name)
            entry = counts.setdefault(operator, {})
            entry[what] = entry.get(what, 0) + count
    total = sum(_loop_lately(fleet).values())
    share = {name: round(micros / total, 4) if total else 0.0 for name, micros in lately.items()}
    names = sorted({**seconds, **counts}, key=lambda name: -share.get(name, 0.0))
    return {
        "operators": [
            {
                "operator": name,
                "busy_share": share.get(name, 0.0),
                "seconds": round(seconds.get(name, 0.0), 6),
                "rows": counts.get(name, {}),
                "rows_per_second": {what: round(rate, 3) for what, rate in rates.get(name, {}).items()},
            }
            for name in names
        ]
    }


def rates_by_step(fleet: Fleet) -> dict[str, dict[str, float]]:
    """Return what steps counted lately, per second: by step and what was counted."""
    rates: dict[str, dict[str, float]] = {}
    for slot, snapshot in fleet.snapshots.items():
        before = fleet.earlier.get(slot)
        # Every moment of a worker belongs to a phase, so their sum is its life.
        seconds = sum(snapshot.measured.loop.values()) - (sum(before.measured.loop.values()) if before else 0)
        if seconds <= 0:
            continue
        for name, count in snapshot.counts.items():
            what, step = rows.split_counter(name)
            recent = count - (before.counts.get(name, 0) if before else 0)
            entry = rates.setdefault(step, {})
            entry[what] = entry.get(what, 0.0) + recent * MICROS_PER_SECOND / seconds
    return rates


def loop(fleet: Fleet, _identity: Identity) -> Document:
    """Return where the time of the workers goes lately."""
    phases = _loop_lately(fleet)
    total = sum(phases.values())
    return {
        "phases": [
            {"phase": name, "seconds": micros / MICROS_PER_SECOND, "share": round(micros / total, 4) if total else 0.0}
            for name, micros in phases.items()
        ]
    }


def _loop_lately(fleet: Fleet) -> dict[str, int]:
    phases: dict[str, int] = {}
    for slot, snapshot in fleet.snapshots.items():
        before = fleet.earlier.get(slot)
        for phase, micros in snapshot.measured.loop.items():
            recent = micros - (before.measured.loop.get(phase, 0) if before else 0)
            phases[phase] = phases.get(phase, 0) + recent
    return phases


def errors(fleet: Fleet, _identity: Identity) -> Document:
    """Return recent warnings and errors, and where the latest dead letters came from."""
    letters = []
    for slot, snapshot in sorted(fleet.snapshots.items()):
        for each in snapshot.measured.dead_letters:
            letters.append(
                {
                    "at": moment(each.at / MICROS_PER_SECOND),
                    "worker": slot,
                    "step": each.step,
                    "topic": each.topic,
                    "partition": _number(each.partition),
                    "offset": _number(each.offset),
                    "error": each.error,
                }
            )
    letters.sort(key=lambda row: str(row["at"]), reverse=True)
    remarks = [
        {
            "at": moment(each.at),
            "worker": each.worker,
            "level": each.level,
            "text": each.text,
            "facts": dict(each.facts),
        }
        for each in fleet.remarks
    ]
    return {"errors": remarks, "dead_letters": letters}


def _number(text: str) -> int | None:
    """Return what a header of a dead letter says; rows that were made by a step have no place in a topic."""
    return int(text) if text.isdecimal() else None


def program_metrics(fleet: Fleet, _identity: Identity) -> Document:
    """Return the program's own metrics, a row per worker and combination of label values."""
    found = []
    for slot, snapshot in sorted(fleet.snapshots.items()):
        for metric in snapshot.user:
            for values, value in metric.values:
                histogram = value if isinstance(value, HistogramSnapshot) else None
                found.append(
                    {
                        "metric": metric.name,
                        "type": metric.kind,
                        "labels": dict(zip(metric.labels, values, strict=True)),
                        "worker": slot,
                        "value": value if histogram is None else None,
                        "count": None if histogram is None else sum(histogram.counts),
                        "sum": None if histogram is None else histogram.total,
                    }
                )
    return {"metrics": found}


DOCUMENTS: Final[Mapping[str, Callable[[Fleet, Identity], Document]]] = {
    "status": status,
    "tasks": tasks,
    "partitions": partitions,
    "lag": lag,
    "stores": stores,
    "batches": batches,
    "history": history,
    "operators": operators,
    "loop": loop,
    "errors": errors,
    "program_metrics": program_metrics,
}
"""``/api/<name>``; ``/api/plan`` and ``/api/stores/<store>`` are answered by whoever knows the program."""


def moment(seconds: float) -> str:
    """Return a moment as RFC 3339, UTC.

    Example:
        >>> moment(0)
        '1970-01-01T00:00:00.000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_LATEST: Final = 253_402_300_799
"""The last second of the year 9999: what is behind it is no event time."""


def _event_moment(micros: int) -> str | None:
    seconds = micros / MICROS_PER_SECOND
    return moment(seconds) if -_LATEST / 10 < seconds < _LATEST else None


def _partition_rows(snapshot: Snapshot) -> list[Document]:
    watermark = {task.task: task.watermark for task in snapshot.tasks if task.state == "running"}
    return [
        {
            "topic": each.topic,
            "partition": each.partition,
            "task": each.task,
            "running": each.running,
            "position": each.position,
            "committed": each.committed,
            "lag": each.lag,
            "lag_seconds": None if each.lag is None else lag_seconds(snapshot.now, each.lag, each.record_time),
            "stream_time": None if each.stream_time is None else _event_moment(each.stream_time),
            "watermark": _event_moment(watermark[each.task]) if each.task in watermark else None,
        }
        for each in snapshot.partitions
    ]


def _worker(slot: int, snapshot: Snapshot) -> Document:
    return {
        "worker": slot,
        "name": snapshot.worker,
        "state": snapshot.state,
        "address": snapshot.address,
        "tasks": len(snapshot.tasks),
        "commits": snapshot.commits,
        "rollbacks": snapshot.rollbacks,
        "last_commit": moment(snapshot.measured.commit_at / MICROS_PER_SECOND) if snapshot.measured.commit_at else None,
        "last_progress": (
            moment(snapshot.measured.progress_at / MICROS_PER_SECOND) if snapshot.measured.progress_at else None
        ),
    }


def _total(fleet: Fleet, what: str) -> int:
    return sum(
        count
        for snapshot in fleet.snapshots.values()
        for name, count in snapshot.counts.items()
        if rows.split_counter(name)[0] == what
    )
