"""Metadata as columns, with and without a record behind the row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from streamframe.core.batch import ListBatch
from streamframe.core.ids import TopicPartition
from streamframe.operators.kafka_columns import meta_column
from streamframe.operators.rows import Marks, Origin, Rows, lane_of
from streamframe.plan.nodes import MetaColumn

HEADERS = pa.large_list(pa.struct([("name", pa.large_string()), ("value", pa.large_binary())]))
BATCH = ListBatch(
    TopicPartition("t", 3),
    values=[b"0", b"1"],
    keys=[b"k", None],
    offsets=[10, 20],
    timestamps=[5, -1],
    headers=[[("h", b"v"), ("n", None)], []],
)
CASES = {
    MetaColumn.PARTITION: (pa.int32(), [3, 3], [3, 3]),
    MetaColumn.OFFSET: (pa.int64(), [20, 10], [20, 10]),
    MetaColumn.TOPIC: (pa.large_string(), ["u", "u"], ["u", "u"]),
    MetaColumn.KEY: (pa.large_binary(), [None, b"k"], [None, None]),
    MetaColumn.TIMESTAMP: (pa.timestamp("ms"), [None, 5], [None, None]),
    MetaColumn.HEADERS: (HEADERS, [[], [{"name": "h", "value": b"v"}, {"name": "n", "value": None}]], [None, None]),
}


@pytest.mark.parametrize("what", CASES)
def test_metadata_of_rows(what: MetaColumn) -> None:
    dtype, wanted, without_record = CASES[what]
    zeros = np.zeros(2, np.int64)
    for origin, values in ((Origin(BATCH, np.array([1, 0])), wanted), (None, without_record)):
        marks = Marks(times=zeros, observed=zeros, lanes=lane_of(1, 3), offsets=np.array([20, 10]), origin=origin)
        column = meta_column(what, Rows({}, marks), dtype, ("t", "u"))
        assert column.type == dtype
        found = column.cast(pa.int64()) if what is MetaColumn.TIMESTAMP else column
        assert found.to_pylist() == values


def test_results_of_an_aggregate_have_no_topic() -> None:
    zeros = np.zeros(1, np.int64)
    rows = Rows({}, Marks(times=zeros, observed=zeros, lanes=lane_of(9, 0), offsets=zeros))
    assert meta_column(MetaColumn.TOPIC, rows, pa.large_string(), ("t", "u")).to_pylist() == [None]
