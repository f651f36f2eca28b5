"""The catalogue keeps the rules it states, and the page of the documentation is printed from it."""

import re
from pathlib import Path

import pytest

from streamframe.core.metric_catalogue import METRIC_BY_NAME, METRICS, labels_of_series, markdown_table

ROOT = Path(__file__).resolve().parents[2]
BOUNDED = {
    "application", "topic", "partition", "operator", "store", "sub_topology", "state", "phase", "level", "kind",
    "reason", "outcome", "version", "python", "librdkafka", "fingerprint", "client",
}  # fmt: skip


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_tells_type_and_unit(metric):
    assert re.fullmatch(r"streamframe_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|millis|micros|kb|mb|percent)(_|$)", metric.name)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_labels_are_bounded_and_begin_with_the_application(metric):
    assert metric.labels[0] == "application"
    assert set(metric.labels) <= BOUNDED


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_only_histograms_have_edges_and_they_ascend(metric):
    assert bool(metric.edges) == (metric.kind == "histogram")
    assert list(metric.edges) == sorted(set(metric.edges))


def test_names_are_distinct():
    assert len(METRIC_BY_NAME) == len(METRICS)


def test_a_series_has_the_labels_of_its_metric():
    assert labels_of_series("streamframe_batch_size_records_bucket") == ("application", "le")
    assert labels_of_series("streamframe_batch_size_records_sum") == ("application",)
    assert labels_of_series("streamframe_batch_size_records") is None
    assert labels_of_series("streamframe_consumer_lag_records") == ("application", "topic", "partition")


def test_the_page_holds_the_table():
    page = (ROOT / "docs" / "metrics.md").read_text()

    assert markdown_table() in page, "print it: streamframe metrics list --format markdown"
