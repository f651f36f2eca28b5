"""Kafka's own facts about a row as columns: topic, partition, offset, timestamp, key and headers of its record.

Rows without a record (results of an aggregate) have no topic, timestamp, key or headers; behind a repartition
topic a row still knows topic, partition and offset.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.operators.rows import Rows, lane_partition, lane_source
from streamframe.plan.nodes import MetaColumn


def meta_column(what: MetaColumn, rows: Rows, dtype: pa.DataType, topics: tuple[str, ...]) -> pa.Array:
    """Return a column of metadata.

    Args:
        what: Which.
        rows: The rows.
        dtype: Type of the column.
        topics: Names of the source topics, by number.
    """
    lanes = rows.marks.lane_array
    match what:
        case MetaColumn.OFFSET:
            return pc.cast(pa.array(rows.marks.offsets), dtype)
        case MetaColumn.PARTITION:
            return pc.cast(pa.array(lane_partition(lanes)), dtype)
        case MetaColumn.TOPIC:
            numbers = lane_source(lanes)
            return pa.array(topics, dtype).take(pa.array(numbers, mask=numbers >= len(topics)))
        case _:
            pass
    return _record_column(what, rows, dtype)


def _record_column(what: MetaColumn, rows: Rows, dtype: pa.DataType) -> pa.Array:
    origin = rows.marks.origin
    if origin is None:
        return pa.nulls(len(rows), dtype)
    batch = origin.batch
    positions = np.arange(len(rows)) if origin.positions is None else origin.positions
    match what:
        case MetaColumn.KEY:
            return pc.cast(pa.array(origin.keys(), pa.large_binary()), dtype)
        case MetaColumn.TIMESTAMP:
            stamps = batch.timestamps()[positions]
            return pc.cast(pa.array(stamps, mask=stamps < 0).cast(pa.timestamp("ms")), dtype)
        case _:
            # Looked at only when somebody asks for it: headers are Python objects, row by row.
            headers = [batch.headers(position) for position in positions.tolist()]
            return pa.array([[{"name": name, "value": value} for name, value in each] for each in headers], dtype)
