"""Writing records again, as they are: for somebody who repairs, not for the engine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException, Message, Producer

from streamframe.core.batch import Headers
from streamframe.core.errors import Unavailable
from streamframe.core.settings import KafkaSettings, Limits
from streamframe.kafka.client_config import producer_properties
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.errors import as_error

FLUSH_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRecord:
    """One record with everything that a writer decides.

    Attributes:
        topic: Where it goes.
        partition: And into which partition.
        key: Raw key.
        value: Raw value.
        headers: Its headers.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def write_back(settings: KafkaSettings, limits: Limits, records: Sequence[WholeRecord]) -> None:
    """Write records in order and return when all of them are safe.

    Raises:
        Unavailable: Not all of them could be written; how many were is not known.
        ConfigError: The broker refuses us.
    """
    failures: list[KafkaException] = []

    def delivered(error: object, _message: Message) -> None:
        if error is not None:
            failures.append(KafkaException(error))

    producer = Producer(
        producer_properties(settings, limits, transactional_id=None),
        logger=ClientLog(logging.getLogger("streamframe.kafka")),
    )
    try:
        for record in records:
            producer.produce(
                record.topic,
                record.value,
                record.key,
                partition=record.partition,
                headers=list(record.headers),
                on_delivery=delivered,
            )
            producer.poll(0)
        left = producer.flush(FLUSH_SECONDS)
    except KafkaException as error:
        raise as_error(error, "cannot write records back") from error
    if failures:
        raise as_error(failures[0], "cannot write records back", failed=len(failures))
    if left:
        raise Unavailable(
            "records could not be written in time", hint="repeat: some may then be there twice", left=left
        )
