"""Kafka metadata of a row, on request: ``frame.assign(source=sf.meta.partition)``."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from streamframe.core.schema import inner_type
from streamframe.plan.nodes import MetaColumn

partition: Final = MetaColumn.PARTITION
"""Partition that the record was read from; ``int32``."""

offset: Final = MetaColumn.OFFSET
"""Offset of the record in its partition; ``int64``."""

timestamp: Final = MetaColumn.TIMESTAMP
"""Timestamp of the record; ``timestamp[ms]``, null when it has none."""

headers: Final = MetaColumn.HEADERS
"""Headers of the record; a list of ``{"name": string, "value": binary}``."""

key: Final = MetaColumn.KEY
"""Key of the record, as bytes; null when it has none."""

topic: Final = MetaColumn.TOPIC
"""Topic that the record was read from; ``string``."""

TYPES: Final[dict[MetaColumn, pa.DataType]] = {
    partition: pa.int32(),
    offset: pa.int64(),
    timestamp: pa.timestamp("ms"),
    headers: inner_type(pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
    key: pa.large_binary(),
    topic: pa.large_string(),
}
"""The type of each metadata column."""
