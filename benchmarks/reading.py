"""Reading what was committed: a ``read_committed`` reader from the first record to the end of each partition."""

from __future__ import annotations

import io
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.json as paj
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

LIMIT_SECONDS = 180


def reader(bootstrap: str, **properties: str | int | bool) -> Consumer:
    """Return a consumer that sees what is committed and nothing else."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "benchmark-reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
            **properties,
        }
    )


def read_rows(bootstrap: str, topic: str) -> pd.DataFrame:
    """Return every committed row of a JSON topic, in the order of each partition.

    The columns are those of the records; records of one partition keep their order.
    """
    consumer = reader(bootstrap)
    numbers = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    parts: dict[int, list[bytes]] = {number: [] for number in numbers}
    ended: set[int] = set()
    deadline = time.monotonic() + LIMIT_SECONDS
    while len(ended) < len(numbers):
        assert time.monotonic() < deadline, "the output cannot be read to its end: an open transaction?"
        for message in consumer.consume(5_000, 0.5):
            number = message.partition()
            assert number is not None
            failure = message.error()
            if failure is None:
                parts[number].append(message.value() or b"{}")
            elif failure.code() == KafkaError._PARTITION_EOF:
                ended.add(number)
            else:
                raise KafkaException(failure)
    consumer.close()
    return decoded([value for number in numbers for value in parts[number]])


def decoded(values: list[bytes]) -> pd.DataFrame:
    """Return JSON objects as a frame."""
    if not values:
        return pd.DataFrame()
    options = paj.ReadOptions(block_size=64 << 20)
    table = paj.read_json(io.BytesIO(b"\n".join(values)), read_options=options)
    for position, column in enumerate(table.column_names):
        # Times are numbers in the records; a reader that guesses must not make dates of text.
        assert not pa.types.is_timestamp(table.schema.field(position).type), column
    return table.to_pandas()


def end_offsets(bootstrap: str, topic: str) -> int:
    """Return the sum of the end offsets of a topic, transaction markers included."""
    consumer = reader(bootstrap)
    total = 0
    for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        total += consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
    consumer.close()
    return total


def values_of(messages: list[Message]) -> list[bytes]:
    """Return the values of a poll, notes of the client left out."""
    return [message.value() or b"{}" for message in messages if message.error() is None]


def checksum(values: pd.Series) -> int:
    """Return a number that depends on every value of a column, not on their order."""
    return int(np.bitwise_xor.reduce(pd.util.hash_array(values.to_numpy())))
