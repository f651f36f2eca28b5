"""``KafkaLog``: the engine's ``Log`` port on a real cluster.

::

    inputs ──▶ InputConsumer ──▶ RecordsRead, EndReached ──┐
    changelogs ─▶ RestoreConsumer ──▶ ChangelogRead ───────┼──▶ poll()
    group ──▶ Rebalance ──▶ barrier                        │
    outputs, changelog, offsets ◀── RecordProducer ◀── produce(), commit()
    everything else ◀── TopicAdmin

Rules:
    1. One thread. The client's consumer lets only one thread in at a time, so does this class.
    2. ``connect`` initialises the producer before it joins the group: a dead predecessor's transaction is ended
       before anything is read that depends on it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer

from streamframe.core.batch import OutputBatch
from streamframe.core.errors import TopologyMismatch, Unavailable
from streamframe.core.ids import Offset, TopicPartition
from streamframe.core.settings import Guarantee, KafkaSettings, Limits
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.engine.events import Event
from streamframe.engine.ports import Bounds, ChangelogBounds, CommitRequest, Committed, OffsetsUndecided
from streamframe.engine.snapshot import ClientSnapshot
from streamframe.kafka.admin import TopicAdmin, refused_properties
from streamframe.kafka.client_config import (
    group_protocols,
    input_properties,
    is_debugging,
    producer_properties,
    restore_properties,
)
from streamframe.kafka.client_log import ClientErrors, ClientLog, ConnectionLog, Lines
from streamframe.kafka.client_stats import INTERVAL_MS, ClientStats
from streamframe.kafka.consumer import InputConsumer
from streamframe.kafka.ends import EndWatch
from streamframe.kafka.native_client import is_available, make_client, native_of
from streamframe.kafka.producers import AtLeastOnceProducer, How, RecordProducer, TransactionalProducer
from streamframe.kafka.rebalance import Barrier
from streamframe.kafka.restore import RestoreConsumer
from streamframe.kafka.watchdog import Watchdog, watched

RESTORE_WAIT_SECONDS: Final = 0.005
"""While changelogs are read, nothing waits longer than this for inputs, and the other way round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What a worker needs to know to take part.

    Attributes:
        group: The application: id of the consumer group.
        member: This worker, ``<app>-<instance>-<slot>``: transactional id, and the member's name under static
            membership. Two living workers must never have the same; a restarted one must have its old one.
        topics: Input topics, repartition topics included.
        kafka: Connection and group.
        limits: Bounds.
        guarantee: ``exactly_once`` or ``at_least_once``.
        partitions: Partitions of all input topics: as many this worker may get.
        headers: Somebody may ask for the headers of input records.
        statistics: Let the clients say every few seconds how they are.
    """

    group: str
    member: str
    topics: tuple[str, ...]
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    limits: Limits = field(default_factory=Limits)
    guarantee: Guarantee = "exactly_once"
    partitions: int = 1
    headers: bool = True
    statistics: bool = False


class KafkaLog:
    """See ``streamframe.engine.ports.Log`` for the contract of each method.

    Args:
        options: Who we are and what we read.
        barrier: Is given ``PartitionsAssigned``, ``PartitionsRevoked`` and ``PartitionsLost`` from inside ``poll``;
            returns when the engine's answer has been performed. It may call everything here but ``poll``
            and ``close``.
        watchdog: Is told of calls that may not come back.
        logger: Takes the client's log lines.
        admin: Administrative client, when there is one already; it is closed with the log.

    Raises:
        ConfigError: The client refuses a property.
    """

    def __init__(
        self,
        options: LogOptions,
        *,
        barrier: Barrier,
        watchdog: Watchdog,
        logger: logging.Logger,
        admin: TopicAdmin | None = None,
    ) -> None:
        self._options = options
        self._watchdog = watchdog
        self._timeout = options.kafka.request_timeout_ms / 1000
        self._patience = max(options.limits.watchdog / MICROS_PER_SECOND, 2 * self._timeout)
        self._log = ClientLog(logger)
        self._connections = ConnectionLog(self._log, debugging=is_debugging(options.kafka))
        self._errors = ClientErrors()
        self._stats = ClientStats()
        self._admin = admin or TopicAdmin(options.kafka, self._log, client_id=f"{options.member}-admin")
        self._ends = EndWatch(self._admin.ask_ends)
        self._consumer = InputConsumer(
            self._make_consumer,
            topics=options.topics,
            barrier=barrier,
            resolve=self._admin.resolve,
            log=self._log,
            protocols=group_protocols(options.kafka),
        )
        self._restore = RestoreConsumer(self._make_restore_consumer, self._log)
        self._producer = self._make_record_producer()

    @property
    def protocol(self) -> str:
        """The group protocol in use; ``auto`` may go back to ``classic`` during the first polls."""
        return self._consumer.protocol

    @property
    def purge_failures(self) -> int:
        """How many orders to purge have failed."""
        return self._admin.purge_failures

    def connect(self) -> None:
        """Reach the broker, take over the transactional id, join the group.

        Raises:
            Unavailable: No answer within ``request_timeout_ms``.
            ConfigError: The broker refuses us.
            TopologyMismatch: An input topic is missing. Under the new group protocol nobody would say so later.
        """
        self._admin.connect()
        missing = self._admin.missing(self._options.topics)
        if missing:
            raise TopologyMismatch(
                "input topics are missing", hint="create them, or check their names", topics=", ".join(missing)
            )
        self._producer.renew()
        self._consumer.subscribe()

    # --- reading ----------------------------------------------------------------------------------

    def poll(self, wait: int) -> Sequence[Event]:
        seconds = wait / MICROS_PER_SECOND
        events: list[Event] = []
        if self._restore.active:
            events += self._restore.poll(0.0, self._options.limits.restore_records_max)
            seconds = min(seconds, RESTORE_WAIT_SECONDS)
        events += self._consumer.poll(0.0 if events else seconds, self._options.limits.poll_records_max)
        self._producer.serve()
        return events

    @property
    def in_hand(self) -> bool:
        """Whether the next poll returns records that an earlier one has gathered: it waits for nothing."""
        return self._consumer.in_hand

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self._consumer.pause(partitions)

    def resume(self, positions: Mapping[TopicPartition, Offset]) -> None:
        self._consumer.resume(positions)

    def start_restore(self, changelog: TopicPartition, offset: Offset) -> None:
        self._restore.start(changelog, offset)

    def stop_restore(self, changelog: TopicPartition) -> None:
        self._restore.stop(changelog)

    # --- asking -----------------------------------------------------------------------------------

    def committed(
        self, partitions: Sequence[TopicPartition], *, wait: int | None = None
    ) -> Mapping[TopicPartition, Committed]:
        timeout = self._timeout if wait is None else min(self._timeout, wait / MICROS_PER_SECOND)
        try:
            with self._watched("committed"):
                return self._consumer.committed(partitions, timeout)
        except Unavailable as error:
            # The client does not tell a transaction that holds the offsets from a broker that is slow.
            if wait is None:
                raise
            raise OffsetsUndecided(str(error)) from error

    def bounds(
        self, partitions: Sequence[TopicPartition], *, appended: bool = False
    ) -> Mapping[TopicPartition, Bounds]:
        return self._admin.bounds(partitions, appended=appended)

    def changelog_bounds(self, changelog: TopicPartition) -> ChangelogBounds:
        return self._admin.changelog_bounds(changelog)

    def clients(self) -> tuple[ClientSnapshot, ...]:
        """Return what the clients say of themselves; nothing unless statistics were asked for."""
        return self._stats.latest()

    def ends(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        """Return the last stable offsets of partitions, as far as the broker has told them.

        They are asked for once a second and nobody waits for the answer: they may be older than a position.
        """
        return self._ends.look(partitions)

    # --- writing ----------------------------------------------------------------------------------

    def produce(self, batch: OutputBatch) -> None:
        self._producer.produce(batch)

    def commit(self, request: CommitRequest) -> Mapping[TopicPartition, Offset]:
        return self._producer.commit(request, self._consumer)

    def abort(self) -> None:
        self._producer.abort()

    def renew_producer(self) -> None:
        self._producer.renew()

    def purge(self, before: Mapping[TopicPartition, Offset]) -> None:
        self._admin.purge(before)

    def await_visible(self) -> None:
        # Somebody else's undecided transaction may be in front of ours, for as long as it may live.
        limit = self._options.kafka.transaction_timeout_ms / 1000 + self._timeout
        self._admin.await_visible(self._producer.topics, limit)

    def close(self) -> None:
        self._producer.close()
        with self._watched("close the consumers"):
            self._restore.close()
            self._consumer.close()
        self._admin.close()

    # --- the clients ------------------------------------------------------------------------------

    def _make_consumer(self, protocol: str) -> tuple[Consumer, bool]:
        properties = input_properties(
            self._options.kafka,
            self._options.limits,
            group=self._options.group,
            member=self._options.member,
            protocol="consumer" if protocol == "consumer" else "classic",
            queues=self._options.partitions if is_available() else 1,
        )
        assignors = str(properties.get("partition.assignment.strategy", ""))
        client = self._new(Consumer, properties, "consumer")
        handle = native_of(client)
        if handle is not None and not self._options.headers:
            handle.leave_out_headers()
        return client, protocol == "consumer" or "cooperative" in assignors

    def _make_restore_consumer(self) -> Consumer:
        options = self._options
        properties = restore_properties(options.kafka, group=options.group, member=options.member)
        return self._new(Consumer, properties, "restore")

    def _make_record_producer(self) -> RecordProducer:
        how = How(watchdog=self._watchdog, timeout=self._timeout, patience=self._patience)
        transactional = TransactionalProducer(self._make_producer, self._connections, **how)
        if self._options.guarantee == "exactly_once":
            return transactional
        return AtLeastOnceProducer(self._make_plain_producer, transactional, self._options.topics, **how)

    def _make_producer(self) -> Producer:
        options = self._options
        properties = producer_properties(options.kafka, options.limits, transactional_id=options.member)
        return self._new(Producer, properties, "producer", self._connections)

    def _make_plain_producer(self) -> Producer:
        options = self._options
        properties = producer_properties(options.kafka, options.limits, transactional_id=None)
        return self._new(Producer, properties, "results")

    def _new(self, kind: Any, properties: dict[str, Any], name: str, log: Lines | None = None) -> Any:
        callbacks: dict[str, Any] = {"error_cb": self._errors.record}
        if self._options.statistics:
            callbacks |= {"stats_cb": self._stats.record(name), "statistics.interval.ms": INTERVAL_MS}
        try:
            return make_client(kind, {**properties, **callbacks}, logger=log or self._log)
        except KafkaException as error:
            raise refused_properties(error, properties) from error

    def _watched(self, call: str) -> AbstractContextManager[None]:
        return watched(self._watchdog, call, self._patience)
