"""Points of the last minutes: what each worker's counters rose by, and what the page makes of them."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Histogram

from streamframe.core.metric_catalogue import LATENCY_EDGES
from streamframe.core.metric_values import HistogramSnapshot
from streamframe.observe.history import POINT_SECONDS, POINTS_KEPT, History, quantile
from tests.observe.fleets import NOW, SECOND, snapshot

FIRST = NOW // SECOND // POINT_SECONDS * POINT_SECONDS * SECOND


def seen(at: int, records: int, latency=(), lag: int = 0):
    measured = replace(
        snapshot().measured,
        consumed={"clicks": (records, 0)},
        produced={"counts": (records // 10, 0)},
        histograms={"end_to_end_latency_seconds:clicks": HistogramSnapshot(counts=tuple(latency), total=0.0)},
    )
    return snapshot(now=FIRST + at * SECOND, measured=measured, lag={"clicks[0]": lag})


def test_a_point_is_what_the_counters_of_all_workers_rose_by():
    history = History()
    history.take(0, seen(0, 100, (1, 0)))
    history.take(1, seen(1, 50, (0, 2)))
    history.take(0, seen(6, 160, (1, 5), lag=7))
    history.take(1, seen(6, 50, (0, 2), lag=3))

    first, second = history.points()
    assert (first.records_in, first.records_out, first.latency) == (150, 15, (1, 2))
    assert (second.records_in, second.records_out, second.latency) == (60, 6, (0, 5))
    assert second.lag == 10


def test_a_worker_that_was_started_again_counts_from_zero():
    history = History()
    history.take(0, seen(0, 100))
    history.forget(0)
    history.take(0, seen(6, 30))
    assert [point.records_in for point in history.points()] == [100, 30]


def test_a_worker_whose_clock_is_behind_adds_to_the_last_point():
    history = History()
    history.take(0, seen(10, 100))
    history.take(1, seen(0, 5))
    assert [point.records_in for point in history.points()] == [105]


def test_old_points_are_forgotten():
    history = History()
    for number in range(POINTS_KEPT + 5):
        history.take(0, seen(number * POINT_SECONDS, number))
    assert len(history.points()) == POINTS_KEPT
    assert history.points()[0].at == FIRST // SECOND + 5 * POINT_SECONDS


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
def test_a_quantile_lies_in_the_bucket_of_its_rank(share):
    values = sorted([0.02] * 40 + [0.3] * 59 + [4.0])
    histogram = Histogram("h", "h", buckets=LATENCY_EDGES, registry=CollectorRegistry())
    for value in values:
        histogram.observe(value)
    sums = [sample.value for sample in next(iter(histogram.collect())).samples if sample.name == "h_bucket"]
    counts = [int(b - a) for a, b in zip([0, *sums], sums, strict=False)]

    found = quantile(counts, share)
    exact = values[max(0, round(share * len(values)) - 1)]
    above = next(edge for edge in LATENCY_EDGES if edge >= exact)
    assert found is not None
    assert found <= above


def test_latencies_beyond_the_last_edge_are_given_as_that_edge():
    assert quantile([0] * len(LATENCY_EDGES) + [3], 0.5) == LATENCY_EDGES[-1]
