"""Snapshots as Prometheus metrics. Names, types and labels come from the catalogue; nothing else can be exposed.

A page is made from a snapshot that was taken before, so a scrape costs the working thread nothing but the time that
this thread holds the interpreter: about 10 microseconds per series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamframe.core import metric_catalogue as catalogue
from streamframe.core import metrics as rows
from streamframe.core.metric_values import HistogramSnapshot, UserMetricSnapshot
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.engine.snapshot import Snapshot
from streamframe.observe.fleet import Fleet, Identity

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[tuple[str, ...], float]
"""Values of the labels behind ``application``, and the value."""

_ROW_COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    rows.ROWS_IN: ("rows_in_total", ()),
    rows.ROWS_FILTERED: ("rows_filtered_total", ()),
    rows.ROWS_AGGREGATED: ("rows_aggregated_total", ()),
    rows.ROWS_EMITTED: ("rows_emitted_total", ()),
    rows.ROWS_OUT: ("rows_out_total", ()),
    rows.ROWS_NULL_VALUE: ("rows_dropped_total", ("null_value",)),
    rows.ROWS_SKIPPED: ("rows_dropped_total", ("skipped",)),
    rows.ROWS_NULL_KEY: ("rows_dropped_total", ("null_key",)),
    rows.ROWS_OUTSIDE: ("rows_dropped_total", ("outside",)),
    rows.ROWS_LATE: ("rows_dropped_total", ("late",)),
    rows.ROWS_LATE_PARTLY: ("rows_late_partly_total", ()),
    rows.ROWS_DEAD_LETTER: ("dead_letters_total", ()),
    rows.ROWS_ADDED: ("rows_added", ()),
    rows.WINDOWS_CLOSED: ("windows_closed_total", ()),
    rows.WINDOWS_MISSED: ("windows_missed_total", ()),
    rows.PARTIALS_MERGED: ("partials_merged_total", ()),
    rows.PARTIALS_DROPPED: ("partials_dropped_total", ()),
}


class WorkerCollector(Collector):
    """The metrics of one worker.

    Args:
        identity: Who it is.
        latest: Returns its last snapshot, or ``None`` before the first.
    """

    def __init__(self, identity: Identity, latest: Callable[[], Snapshot | None]) -> None:
        self._identity = identity
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the last snapshot."""
        snapshot = self._latest()
        if snapshot is None:
            return
        samples = _samples(snapshot, self._identity)
        for metric in catalogue.METRICS:
            if metric.process != "worker":
                continue
            if metric.kind == "histogram":
                yield _histogram(metric, snapshot, self._identity)
            elif metric.name in samples:
                yield _family(metric, samples[metric.name], self._identity.application)
        for own in snapshot.user:
            yield _user_family(own, self._identity.application)


class SupervisorCollector(Collector):
    """The metrics of a supervisor: how many workers live. Those of the workers are scraped from them."""

    def __init__(self, identity: Identity, fleet: Callable[[], Fleet]) -> None:
        self._identity = identity
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        fleet = self._fleet()
        values = {
            "streamframe_supervisor_workers": self._identity.workers,
            "streamframe_supervisor_workers_alive": len(fleet.snapshots),
            "streamframe_supervisor_restarts_total": fleet.restarts,
        }
        for name, value in values.items():
            yield _family(catalogue.METRIC_BY_NAME[name], [((), float(value))], self._identity.application)


def page_of(collector: Collector) -> Callable[[], bytes]:
    """Return a function that makes the page of a collector and of the process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return lambda: generate_latest(registry)


def _samples(snapshot: Snapshot, identity: Identity) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)

    def add(name: str, value: float, *labels: str) -> None:
        found[catalogue.PREFIX + name].append((labels, value))

    _add_worker(snapshot, identity, add)
    _add_traffic(snapshot, identity, add)
    _add_partitions(snapshot, add)
    _add_rows(snapshot, add)
    _add_state(snapshot, identity, add)
    _add_clients(snapshot, add)
    for name, values in identity.known.items():
        present = {labels[0] for labels, _ in found[name]}
        found[name] += [((value,), 0.0) for value in values if value not in present]
    dropped = found[catalogue.PREFIX + "rows_dropped_total"]
    present_pairs = {labels for labels, _ in dropped}
    dropped += [(pair, 0.0) for pair in identity.known_drops if pair not in present_pairs]
    return found


Add = Callable[..., None]


def _add_worker(snapshot: Snapshot, identity: Identity, add: Add) -> None:
    measured = snapshot.measured
    add("build_info", 1, identity.version, identity.python, identity.librdkafka)
    add("topology_info", 1, identity.fingerprint)
    for state in catalogue.WORKER_STATES:
        add("worker_state", float(state == snapshot.state), state)
    tasks = [task.state for task in snapshot.tasks]
    for state in dict.fromkeys(("running", "restoring", *tasks)):
        add("tasks", tasks.count(state), state)
    if measured.progress_at:
        add("last_progress_timestamp_seconds", measured.progress_at / MICROS_PER_SECOND)
    for phase in catalogue.PHASES:
        add("loop_seconds_total", measured.loop.get(phase, 0) / MICROS_PER_SECOND, phase)
    for level in catalogue.LEVELS:
        add("notices_total", measured.notices.get(level, 0), level)
    for kind in catalogue.REBALANCES:
        add("rebalances_total", measured.rebalances.get(kind, 0), kind)
    add("transactions_total", snapshot.commits, "committed")
    add("transactions_total", snapshot.rollbacks, "rolled_back")
    if measured.commit_at:
        add("last_commit_timestamp_seconds", measured.commit_at / MICROS_PER_SECOND)


def _add_traffic(snapshot: Snapshot, identity: Identity, add: Add) -> None:
    for direction, traffic in (("consumed", snapshot.measured.consumed), ("produced", snapshot.measured.produced)):
        for topic, (records, size) in traffic.items():
            add(f"records_{direction}_total", records, topic)
            add(f"bytes_{direction}_total", size, topic)
    for changelog, records in snapshot.measured.changelog.items():
        add("changelog_records_total", records, identity.changelogs.get(changelog, changelog))
    for store, records in snapshot.restored.items():
        add("restore_records_total", records, store)
    for operator, micros in snapshot.operators.items():
        add("operator_seconds_total", micros / MICROS_PER_SECOND, operator)


def _add_partitions(snapshot: Snapshot, add: Add) -> None:
    assigned: dict[str, int] = defaultdict(int)
    paused: dict[str, int] = defaultdict(int)
    for each in snapshot.partitions:
        place = (each.topic, str(each.partition))
        assigned[each.topic] += 1
        paused[each.topic] += not each.running
        if each.lag is not None:
            add("consumer_lag_records", each.lag, *place)
            age = lag_seconds(snapshot.now, each.lag, each.record_time)
            if age is not None:
                add("consumer_lag_seconds", age, *place)
        if each.stream_time is not None:
            add("stream_time_timestamp_seconds", each.stream_time / MICROS_PER_SECOND, *place)
    for topic, count in assigned.items():
        add("assigned_partitions", count, topic)
        add("paused_partitions", paused[topic], topic)
    watermarks: dict[str, list[int]] = defaultdict(list)
    for task in snapshot.tasks:
        if task.state == "running":
            watermarks[task.task.partition("_")[0]].append(task.watermark)
    for sub, moments in watermarks.items():
        # Before the first row, and behind a flush, it is no moment that a clock can show.
        if abs(min(moments)) < _NO_MOMENT:
            add("watermark_timestamp_seconds", min(moments) / MICROS_PER_SECOND, sub)


_NO_MOMENT: Final = 1 << 60


def lag_seconds(now: int, lag: int, record_time: int | None) -> float | None:
    """Return the age of the record processed last, or 0 when there is nothing more to read; ``None``: not known.

    Example:
        >>> lag_seconds(5_000_000, 3, 2_000_000), lag_seconds(5_000_000, 0, 2_000_000), lag_seconds(5_000_000, 3, None)
        (3.0, 0.0, None)
    """
    if lag == 0:
        return 0.0
    return None if record_time is None else max(0, now - record_time) / MICROS_PER_SECOND


def _add_rows(snapshot: Snapshot, add: Add) -> None:
    for name, count in snapshot.counts.items():
        what, operator = rows.split_counter(name)
        if what in _ROW_COUNTERS:
            metric, labels = _ROW_COUNTERS[what]
            add(metric, count, operator, *labels)


def _add_state(snapshot: Snapshot, identity: Identity, add: Add) -> None:
    memory = dict.fromkeys(identity.changelogs.values(), 0)
    for each in snapshot.stores:
        memory[each.store] = memory.get(each.store, 0) + each.memory_bytes
        if each.remaining is not None:
            add("restore_remaining_records", each.remaining, each.store, str(each.partition))
    for store, size in memory.items():
        add("state_memory_bytes", size, store)
    if snapshot.disk is not None:
        add("state_disk_bytes", snapshot.disk.size)
        add("state_disk_entries", snapshot.disk.entries)
        add("state_memtable_bytes", snapshot.disk.memtables)
        add("state_pending_compaction_bytes", snapshot.disk.pending)
        add("state_background_errors", snapshot.disk.errors)


def _add_clients(snapshot: Snapshot, add: Add) -> None:
    for each in snapshot.clients:
        values = {
            "client_broker_rtt_seconds": each.rtt_seconds,
            "client_fetch_queue_bytes": each.fetch_queue_bytes,
            "client_producer_queue_records": each.queue_records,
        }
        for name, value in values.items():
            if value is not None:
                add(name, value, each.client)


def _family(metric: catalogue.MetricSpec, samples: Iterable[Sample], application: str) -> Metric:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name.removesuffix("_total"), metric.meaning, labels=metric.labels)
    for labels, value in samples:
        family.add_metric([application, *labels], value)
    return family


def _histogram(metric: catalogue.MetricSpec, snapshot: Snapshot, identity: Identity) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    short = metric.name.removeprefix(catalogue.PREFIX)
    shown = {}
    for name, histogram in snapshot.measured.histograms.items():
        found, _, label = name.partition(":")
        if found == short:
            shown[label] = (histogram.counts, histogram.total)
    for label in identity.known.get(metric.name, ("",) if len(metric.labels) == 1 else ()):
        shown.setdefault(label, ((0,) * (len(metric.edges) + 1), 0.0))
    for label, (counts, total) in shown.items():
        labels = [identity.application] if len(metric.labels) == 1 else [identity.application, label]
        family.add_metric(labels, _buckets(metric.edges, counts), total)
    return family


def _buckets(edges: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    bounds = [*(f"{edge:g}" if edge % 1 else f"{edge:.1f}" for edge in edges), "+Inf"]
    return [(bound, float(count)) for bound, count in zip(bounds, accumulate(counts), strict=True)]


def _user_family(own: UserMetricSnapshot, application: str) -> Metric:
    labels = (catalogue.APPLICATION, *own.labels)
    if own.kind == "histogram":
        histogram = HistogramMetricFamily(own.name, own.meaning, labels=labels)
        for values, found in own.values:
            if isinstance(found, HistogramSnapshot):
                histogram.add_metric([application, *values], _buckets(own.edges, found.counts), found.total)
        return histogram
    kind = CounterMetricFamily if own.kind == "counter" else GaugeMetricFamily
    family = kind(own.name.removesuffix("_total"), own.meaning, labels=labels)
    for values, found in own.values:
        if not isinstance(found, HistogramSnapshot):
            family.add_metric([application, *values], found)
    return family
