"""Metrics of a program's own: bounded, named as all others, and used with whole columns."""

import numpy as np
import pandas as pd
import pytest

from streamframe.core.errors import PlanError
from streamframe.core.metric_values import HistogramSnapshot
from streamframe.core.user_metrics import CHILDREN_MAX, METRICS_MAX, OTHER, UserMetrics


def test_each_kind_is_named_and_counted_as_it_says():
    metrics = UserMetrics()
    refunds = metrics.counter("refunds", "Refunds.", labels=("currency",))
    waiting = metrics.gauge("waiting_requests", "Requests that wait.")
    sizes = metrics.histogram("order_euro", "Sizes.", buckets=(10, 100))
    refunds.add(2, currency="EUR")
    refunds.add(currency="USD")
    waiting.set(5)
    waiting.set(3)
    sizes.observe(pd.Series([1.0, 10.0, None, 99.0, 1_000.0]))
    sizes.observe(7)

    found = {each.name: each for each in metrics.snapshot()}
    assert list(found) == [
        "streamframe_user_refunds_total",
        "streamframe_user_waiting_requests",
        "streamframe_user_order_euro",
    ]
    assert found["streamframe_user_refunds_total"].values == ((("EUR",), 2.0), (("USD",), 1.0))
    assert found["streamframe_user_waiting_requests"].values == (((), 3.0),)
    assert found["streamframe_user_order_euro"].values == (((), HistogramSnapshot(counts=(3, 1, 1), total=1_117.0)),)


def test_labels_without_a_bound_end_in_other():
    metrics = UserMetrics()
    seen = metrics.counter("seen", "Seen.", labels=("user",))
    for number in range(CHILDREN_MAX + 500):
        seen.add(user=f"u{number}")
    (picture,) = metrics.snapshot()
    assert len(picture.values) == CHILDREN_MAX + 1
    assert dict(picture.values)[(OTHER,)] == 500
    seen.add(user="u0")
    assert seen.value(user="u0") == 2


def test_what_was_counted_while_the_program_was_declared_is_forgotten():
    metrics = UserMetrics()
    plain, labelled = metrics.counter("a", "A."), metrics.counter("b", "B.", labels=("x",))
    plain.add()
    labelled.add(x=1)
    metrics.begin()
    assert [each.values for each in metrics.snapshot()] == [(((), 0.0),), ()]


@pytest.mark.parametrize("name", ["", "Big", "a-b", "requests_total", "9lives", "x_bucket"])
def test_a_name_that_prometheus_would_not_take_is_refused(name):
    with pytest.raises(PlanError, match="cannot be the name"):
        UserMetrics().counter(name, "Meaning.")


@pytest.mark.parametrize("labels", [("application",), ("le",), ("a", "a"), ("A",), ("instance",)])
def test_labels_that_are_taken_are_refused(labels):
    with pytest.raises(PlanError, match="cannot be the labels"):
        UserMetrics().gauge("x", "Meaning.", labels=labels)


def test_declaring_twice_or_too_much_is_refused():
    metrics = UserMetrics()
    metrics.counter("x", "X.")
    with pytest.raises(PlanError, match="twice"):
        metrics.gauge("x", "X.")
    for number in range(METRICS_MAX - 1):
        metrics.gauge(f"y{number}", "Y.")
    with pytest.raises(PlanError, match="too many"):
        metrics.gauge("z", "Z.")


@pytest.mark.parametrize("buckets", [(), (1, 1), (2, 1)])
def test_buckets_rise(buckets):
    with pytest.raises(PlanError, match="rise"):
        UserMetrics().histogram("x", "X.", buckets=buckets)


def test_wrong_use_is_an_error_of_the_function_that_does_it():
    counter = UserMetrics().counter("x", "X.", labels=("a",))
    with pytest.raises(ValueError, match="has the labels"):
        counter.add()
    with pytest.raises(ValueError, match="counts up"):
        counter.add(-1, a=1)


def test_an_array_of_integers_can_be_observed():
    histogram = UserMetrics().histogram("x", "X.", buckets=(1, 2))
    histogram.observe(np.array([1, 2, 3]))
    assert histogram.value() == HistogramSnapshot(counts=(1, 1, 1), total=6.0)
