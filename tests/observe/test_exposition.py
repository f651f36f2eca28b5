"""Metrics say what the snapshot says, under the names of the catalogue and no others."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamframe.core.metric_catalogue import METRIC_BY_NAME, METRICS
from streamframe.engine.snapshot import PartitionSnapshot, TaskSnapshot
from streamframe.observe.exposition import SupervisorCollector, WorkerCollector, page_of
from tests.observe.fleets import IDENTITY, NOW, fleet, snapshot


def page(seen=None) -> str:
    return page_of(WorkerCollector(IDENTITY, lambda: seen or snapshot()))().decode()


def value(text: str, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == {"application": "shop", **labels}:
                return sample.value
    return None


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("streamframe_worker_state", {"state": "restoring"}, 1),
        ("streamframe_worker_state", {"state": "running"}, 0),
        ("streamframe_tasks", {"state": "running"}, 1),
        ("streamframe_consumer_lag_records", {"topic": "clicks", "partition": "0"}, 4),
        ("streamframe_consumer_lag_seconds", {"topic": "clicks", "partition": "0"}, 2),
        ("streamframe_records_consumed_total", {"topic": "clicks"}, 100),
        ("streamframe_bytes_consumed_total", {"topic": "clicks"}, 5_000),
        ("streamframe_records_consumed_total", {"topic": "views"}, 0),
        ("streamframe_rows_in_total", {"operator": "clicks"}, 100),
        ("streamframe_rows_dropped_total", {"operator": "totals", "reason": "late"}, 3),
        ("streamframe_rows_dropped_total", {"operator": "clicks", "reason": "null_value"}, 0),
        ("streamframe_rows_added", {"operator": "boom"}, -2),
        ("streamframe_transactions_total", {"outcome": "rolled_back"}, 1),
        ("streamframe_changelog_records_total", {"store": "totals"}, 9),
        ("streamframe_restore_records_total", {"store": "totals"}, 30),
        ("streamframe_restore_remaining_records", {"store": "totals", "partition": "1"}, 70),
        ("streamframe_state_memory_bytes", {"store": "totals"}, 1_000),
        ("streamframe_state_disk_bytes", {}, 4_096),
        ("streamframe_operator_seconds_total", {"operator": "totals"}, 6),
        ("streamframe_loop_seconds_total", {"phase": "process"}, 8),
        ("streamframe_loop_seconds_total", {"phase": "commit"}, 0),
        ("streamframe_watermark_timestamp_seconds", {"sub_topology": "0"}, 1_699_999_995),
        ("streamframe_assigned_partitions", {"topic": "clicks"}, 1),
        ("streamframe_paused_partitions", {"topic": "shop-totals-repartition"}, 1),
        ("streamframe_batch_size_records_bucket", {"le": "100.0"}, 3),
        ("streamframe_batch_size_records_bucket", {"le": "+Inf"}, 4),
        ("streamframe_batch_size_records_sum", {}, 60_111),
        ("streamframe_end_to_end_latency_seconds_count", {"topic": "clicks"}, 100),
        ("streamframe_commit_duration_seconds_count", {}, 0),
    ],
)
def test_a_metric_says_what_the_snapshot_says(name, labels, expected):
    assert value(page(), name, **labels) == expected


def test_what_is_not_known_is_left_out():
    text = page()
    assert value(text, "streamframe_consumer_lag_records", topic="shop-totals-repartition", partition="1") is None
    assert value(text, "streamframe_restore_remaining_records", store="totals", partition="0") is None
    assert " -1.0" not in text


def test_before_the_first_snapshot_there_are_only_metrics_of_the_process():
    text = page_of(WorkerCollector(IDENTITY, lambda: None))().decode()
    assert "streamframe_" not in text
    assert "process_cpu_seconds_total" in text


def test_series_of_a_partition_end_when_it_is_revoked():
    moved = snapshot(partitions=(), stores=(), tasks=())
    assert "partition=" not in page(moved)


def test_every_exposed_metric_is_in_the_catalogue_with_its_type_labels_and_meaning():
    for family in text_string_to_metric_families(page()):
        if not family.name.startswith("streamframe_") or family.name.startswith("streamframe_user_"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        spec = METRIC_BY_NAME[name]
        assert (family.type, family.documentation) == (spec.kind, spec.meaning)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(spec.labels), sample


def test_every_metric_of_a_worker_can_be_exposed():
    everything = replace(
        snapshot(),
        counts={
            f"{what}:step": 1
            for what in (
                "rows_in", "rows_filtered", "rows_aggregated", "rows_emitted", "rows_out", "rows_late",
                "rows_late_partly", "rows_dead_letter", "rows_added", "windows_closed", "windows_missed",
                "partials_merged", "partials_dropped",
            )
        },
    )  # fmt: skip
    text = page(everything)
    missing = [m.name for m in METRICS if m.process == "worker" and f"# TYPE {m.name} " not in text]
    assert missing == []


def test_a_supervisor_tells_how_many_workers_live():
    identity = replace(IDENTITY, workers=3)
    text = page_of(SupervisorCollector(identity, fleet))().decode()
    assert value(text, "streamframe_supervisor_workers") == 3
    assert value(text, "streamframe_supervisor_workers_alive") == 1
    assert value(text, "streamframe_supervisor_restarts_total") == 2


def test_metrics_of_the_program_are_exposed_with_the_application():
    text = page_of(WorkerCollector(IDENTITY, snapshot))().decode()
    assert 'streamframe_user_refunds_total{application="shop",currency="EUR"} 3.0' in text
    assert 'streamframe_user_order_euro_bucket{application="shop",le="10.0"} 1.0' in text
    assert 'streamframe_user_order_euro_bucket{application="shop",le="+Inf"} 3.0' in text
    assert 'streamframe_user_order_euro_sum{application="shop"} 30.0' in text


@pytest.mark.parametrize("partitions", [24, 240])
def test_a_partition_costs_three_series_of_its_own_and_nothing_else(partitions):
    """The budget of docs/metrics.md: what grows with partitions is known, everything else stays."""

    def series(count: int) -> int:
        read = PartitionSnapshot(
            topic="clicks", partition=0, task="0_0", running=True, lag=1, record_time=NOW, stream_time=NOW
        )
        tasks = tuple(TaskSnapshot(task=f"0_{number}", state="running", watermark=NOW) for number in range(count))
        places = tuple(replace(read, partition=number, task=f"0_{number}") for number in range(count))
        families = text_string_to_metric_families(page(snapshot(tasks=tasks, partitions=places, stores=())))
        return sum(len(family.samples) for family in families)

    assert series(partitions) - series(1) == 3 * (partitions - 1)
    assert series(24) < 400
