"""A histogram that takes arrays counts as one that takes values one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as Reference

from streamframe.core.histogram import BatchHistogram
from streamframe.core.metric_catalogue import LATENCY_EDGES


@given(st.lists(st.floats(0, 5_000), max_size=50), st.lists(st.sampled_from(LATENCY_EDGES), max_size=10))
def test_an_array_is_counted_as_the_client_of_prometheus_counts_its_values(values, edges):
    ours = BatchHistogram(LATENCY_EDGES)
    ours.observe(np.array([*values, *edges]))
    theirs = Reference("h", "h", buckets=LATENCY_EDGES, registry=CollectorRegistry())
    for value in [*values, *edges]:
        theirs.observe(value)

    sums = [sample.value for sample in next(iter(theirs.collect())).samples if sample.name == "h_bucket"]
    assert list(np.cumsum(ours.snapshot().counts)) == sums
