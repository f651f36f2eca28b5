"""Reading the first records of a partition, for somebody who only wants to look."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.errors import Unavailable
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import KafkaSettings
from streamframe.engine.ports import Bounds
from streamframe.kafka.client_config import client_properties
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.codes import PARTITION_EOF
from streamframe.kafka.consumed import ConsumedBatch
from streamframe.kafka.deadline import Deadline
from streamframe.kafka.errors import as_error

SLICE: Final = 500
WAIT_SECONDS: Final = 0.5


def read_first(
    settings: KafkaSettings, place: TopicPartition, bounds: Bounds, records_max: int | None = None
) -> Iterator[ConsumedBatch]:
    """Yield committed records from the beginning of a partition, in slices, without group and without commit.

    Args:
        settings: Connection.
        place: The partition.
        bounds: Its bounds; an empty partition is not read.
        records_max: Stop after so many records; ``None``: at the last stable offset.

    Raises:
        Unavailable: The broker does not answer, or no more, within ``request_timeout_ms``.
    """
    if bounds.end <= bounds.begin:
        return
    consumer = Consumer(
        client_properties(settings, "streamframe-reader")
        | {
            "group.id": "streamframe-reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        },
        # Without a logger the client writes to stderr itself, beside whatever the caller prints.
        logger=ClientLog(logging.getLogger("streamframe.kafka")),
    )
    try:
        consumer.assign([ClientPartition(place.topic, place.partition, int(bounds.begin))])
        left = records_max
        ended = False
        patience = Deadline(settings.request_timeout_ms / 1000)
        while not ended and (left is None or left > 0):
            records, ended = _slice(consumer, SLICE if left is None else min(SLICE, left), place)
            if left is not None:
                left -= len(records)
            if not records and not ended and patience.passed:
                raise Unavailable("a partition cannot be read", hint="is the broker up?", partition=str(place))
            if records:
                patience = Deadline(settings.request_timeout_ms / 1000)
                yield ConsumedBatch(place, records)
    except KafkaException as error:
        raise as_error(error, "cannot read a partition", partition=str(place)) from error
    finally:
        consumer.close()


def _slice(consumer: Consumer, count: int, place: TopicPartition) -> tuple[list[Message], bool]:
    records: list[Message] = []
    ended = False
    for message in consumer.consume(count, WAIT_SECONDS):
        error = message.error()
        if error is None:
            records.append(message)
        elif error.code() == PARTITION_EOF:
            ended = True
        else:
            raise as_error(error, "cannot read a partition", partition=str(place))
    return records, ended
