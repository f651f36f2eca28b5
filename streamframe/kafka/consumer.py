"""The consumer of input topics: records in, positions and group membership.

Rules:
    1. Every position comes from the engine. A partition that the engine has not resumed delivers nothing, and
       whatever the client had gathered of a partition whose flow changed meanwhile is dropped: the engine
       resumes with an explicit position, so it is read again.
    2. Inside a callback nothing is sought or resumed: the client is in the middle of gathering records then.
       ``resume`` takes note, and the end of ``poll`` carries it out.
    3. Events leave one by one. What follows from one (a rollback that goes back to an earlier position) drops the
       gathered ones of the partitions it resumes or pauses; handed out together, they would be processed as if
       nothing were missing before them.
    4. An exception never costs records: what was gathered before it is delivered first.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.ids import NO_OFFSET, Offset, TopicPartition
from streamframe.engine.events import EndReached, Event, Failed, RecordsRead
from streamframe.engine.ports import EARLIEST, LATEST, Committed, TransactionAborted
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.codes import PARTITION_EOF, PERMISSION_CODES, STATE
from streamframe.kafka.consumed import ConsumedBatch, group_by_partition, split_errors
from streamframe.kafka.deadline import Deadline
from streamframe.kafka.errors import as_error, facts_of, input_failure, lacks_new_protocol
from streamframe.kafka.native_client import native_of
from streamframe.kafka.partition_queues import Drained, PartitionQueues
from streamframe.kafka.rebalance import Barrier, Rebalance, Resolve

CHUNK: Final = 1_000
"""Records taken from the client in one call; more at once are slower each, they fall out of the cache."""

SEEK_WAIT_SECONDS: Final = 0.005
"""Longest idle wait while a partition is not ready to be sought."""

SEEK_SECONDS_MAX: Final = 30.0
"""A partition that cannot be sought for so long will not become ready any more."""

NUDGE_SECONDS_MAX: Final = 1.0

COMMITTED_RETRY_SECONDS: Final = 0.05

ConsumerFactory = Callable[[str], tuple[Consumer, bool]]
"""Makes a client for a group protocol; tells whether its rebalances are incremental."""


class InputConsumer:
    """A member of the group.

    Args:
        make: Makes the client for a protocol.
        topics: What to subscribe to.
        barrier: Is given every change of the assignment.
        resolve: Tells where ``EARLIEST`` and ``LATEST`` are.
        log: Takes notes that end nothing.
        protocols: The group protocol to begin with, and those to go back to when the broker lacks it.
    """

    def __init__(
        self,
        make: ConsumerFactory,
        *,
        topics: Sequence[str],
        barrier: Barrier,
        resolve: Resolve,
        log: ClientLog,
        protocols: Sequence[str],
    ) -> None:
        self._make = make
        self._topics = list(topics)
        self._barrier = barrier
        self._log = log
        self._resolve = resolve
        self.protocol, *self._older_protocols = protocols
        self._partitions: dict[tuple[str, int], TopicPartition] = {}
        self._positions: dict[TopicPartition, Offset] = {}
        self._wanted: dict[TopicPartition, Offset] = {}
        self._ready: deque[Event] = deque()
        self._patience = Deadline(SEEK_SECONDS_MAX)
        self._client, self._queues, self._rebalance = self._open()

    def subscribe(self) -> None:
        """Join the group; assignments arrive in ``poll``."""
        rebalance = self._rebalance
        self._client.subscribe(
            self._topics, on_assign=rebalance.on_assign, on_revoke=rebalance.on_revoke, on_lost=rebalance.on_lost
        )

    # --- reading ----------------------------------------------------------------------------------

    def poll(self, wait_seconds: float, records_max: int) -> list[Event]:
        """Return the next event, or none; assignment changes go through the barrier while this waits.

        Args:
            wait_seconds: How long to wait when there is nothing.
            records_max: Most records gathered at once.

        Raises:
            BaseException: What the barrier raised.
        """
        self._carry_out_resumes()
        if not self._ready:
            if self._wanted:
                wait_seconds = min(wait_seconds, SEEK_WAIT_SECONDS)
            self._fill(wait_seconds, records_max)
        return [self._ready.popleft()] if self._ready else []

    @property
    def in_hand(self) -> bool:
        """Whether the next poll returns something that an earlier one has gathered."""
        return bool(self._ready)

    def _fill(self, wait_seconds: float, records_max: int) -> None:
        messages, failure = self._gather(wait_seconds, records_max)
        if raised := self._rebalance.take_failure():
            raise raised
        # Before anything is resumed: what was gathered belongs to the flow of that moment.
        self._ready += self._events(messages)
        if self._queues is not None:
            for drained in self._queues.drain(self._rebalance.flowing, records_max):
                self._ready += self._drained(drained)
        if failure is not None:
            self._ready += self._note(failure, None)
        self._carry_out_resumes()

    def _gather(self, wait_seconds: float, records_max: int) -> tuple[list[Message], KafkaError | None]:
        messages: list[Message] = []
        try:
            if self._queues is not None:
                # Records have queues of their own; what is here are rebalances, errors and the like.
                self._queues.wait(wait_seconds)
                while (message := self._client.poll(0)) is not None and len(messages) < records_max:
                    messages.append(message)
                return messages, None
            first = self._client.poll(wait_seconds)
            if first is not None:
                messages.append(first)
                while len(messages) < records_max:
                    wanted = min(CHUNK, records_max - len(messages))
                    # Timeout 0 takes what is there in every version of the client; with any other, versions
                    # differ in whether they wait for all `wanted` records.
                    more = self._client.consume(wanted, 0)
                    messages += more
                    if len(more) < wanted:
                        break
        except KafkaException as error:
            return messages, error.args[0]
        return messages, None

    def _events(self, messages: list[Message]) -> list[Event]:
        records, notes = split_errors(messages)
        events: list[Event] = []
        flowing = self._rebalance.flowing
        for place, run in group_by_partition(records).items():
            partition = self._partition(place)
            if partition in flowing:
                batch = ConsumedBatch(partition, run)
                self._positions[partition] = batch.next_offset
                events.append(RecordsRead(batch=batch))
        for message, error in notes:
            events += self._note(error, message)
        return events

    def _note(self, error: KafkaError, message: Message | None) -> list[Event]:
        topic = None if message is None else message.topic()
        number = None if message is None else message.partition()
        offset = None if message is None else message.offset()
        if topic is None or number is None or number < 0:
            return self._client_note(error, {} if topic is None else {"topic": topic})
        return self._partition_note(error, self._partition((topic, number)), offset)

    def _drained(self, drained: Drained) -> Iterator[Event]:
        if drained.batch is not None:
            self._positions[drained.partition] = drained.batch.next_offset
            yield RecordsRead(batch=drained.batch)
        for error, offset in drained.notes:
            yield from self._partition_note(error, drained.partition, offset)

    def _partition_note(self, error: KafkaError, partition: TopicPartition, offset: int | None) -> list[Event]:
        if partition not in self._rebalance.flowing:
            return []
        if error.code() == PARTITION_EOF:
            assert offset is not None
            if offset < self._positions.get(partition, 0):
                # More records of the partition followed in the same poll.
                return []
            self._positions[partition] = Offset(offset)
            return [EndReached(partition=partition, position=Offset(offset))]
        return self._client_note(error, {"topic": partition.topic, "partition": partition.partition, "offset": offset})

    def _client_note(self, error: KafkaError, where: Mapping[str, object]) -> list[Event]:
        if self._older_protocols and not self._rebalance.assigned_once and lacks_new_protocol(error):
            self._reopen()
            return []
        failure = input_failure(error, **where)
        if failure is not None:
            return [Failed(error=failure)]
        self._log.log(30, "consumer: %s", facts_of(error).text)
        return []

    def _partition(self, place: tuple[str, int]) -> TopicPartition:
        partition = self._partitions.get(place)
        if partition is None:
            partition = self._partitions[place] = TopicPartition(*place)
        return partition

    # --- flow -------------------------------------------------------------------------------------

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver nothing more of these partitions; those that are not ours are left out."""
        self._stop(partitions)
        for partition in partitions:
            self._wanted.pop(partition, None)

    def resume(self, positions: Mapping[TopicPartition, Offset]) -> None:
        """Deliver these partitions from the given offsets; those that are not ours are left out."""
        self._stop(list(positions))
        self._wanted.update(self._explicit(positions))
        self._patience = Deadline(SEEK_SECONDS_MAX)
        if not self._rebalance.inside:
            self._carry_out_resumes()

    def _explicit(self, positions: Mapping[TopicPartition, Offset]) -> dict[TopicPartition, Offset]:
        """Replace logical offsets by what they are now; see rule 2 of ``rebalance`` for the reason."""
        explicit = dict(positions)
        for logical in (EARLIEST, LATEST):
            asked = [partition for partition, offset in positions.items() if offset == logical]
            if asked:
                explicit.update(self._resolve(asked, logical))
        return explicit

    def _stop(self, partitions: Sequence[TopicPartition]) -> None:
        flowing = [partition for partition in partitions if partition in self._rebalance.flowing]
        if flowing:
            self._client.pause([ClientPartition(each.topic, each.partition) for each in flowing])
            self._rebalance.flowing.difference_update(flowing)
        self._ready = deque(event for event in self._ready if _partition_of(event) not in partitions)

    def _carry_out_resumes(self) -> None:
        """Resume and seek what the engine wants; what is not ready yet is tried again in the next poll.

        In this order, so that the place of the seek is the last word. What is fetched between the two is
        outdated by the seek and not delivered.
        """
        started: list[TopicPartition] = []
        for partition, offset in list(self._wanted.items()):
            if partition not in self._rebalance.owned:
                del self._wanted[partition]
            elif self._start_at(partition, offset):
                del self._wanted[partition]
                self._positions[partition] = offset
                started.append(partition)
        if started:
            self._rebalance.flowing.update(started)
            if self._queues is not None:
                self._queues.look_again()
            self._nudge(started)

    def _nudge(self, partitions: Sequence[TopicPartition]) -> None:
        """Wake the client's fetching threads, one for each broker.

        Neither resuming nor seeking to where a partition stands already does that, and a thread with nothing
        to fetch sleeps for a second. A request to the leaders of the partitions wakes them; its answer is of
        no interest.
        """
        with suppress(KafkaException):
            self._client.offsets_for_times(
                [ClientPartition(each.topic, each.partition, OFFSET_END) for each in partitions], NUDGE_SECONDS_MAX
            )

    def _start_at(self, partition: TopicPartition, offset: Offset) -> bool:
        place = ClientPartition(partition.topic, partition.partition, int(offset))
        try:
            self._client.resume([place])
            self._client.seek(place)
        except KafkaException as error:
            if facts_of(error).code == STATE and not self._patience.passed:
                # Assigned a moment ago: the client's thread has not begun with it.
                return False
            raise as_error(error, "cannot seek", partition=str(partition), offset=offset) from error
        return True

    # --- the group --------------------------------------------------------------------------------

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, Committed]:
        """Return what the group has committed; waits while a transaction holds offsets.

        Raises:
            Unavailable: No stable answer within ``timeout`` seconds.
            ConfigError: Not allowed.
        """
        if not partitions:
            return {}
        asked = [ClientPartition(each.topic, each.partition) for each in partitions]
        deadline = Deadline(timeout)
        while True:
            try:
                answer = self._client.committed(asked, max(0.1, deadline.remaining()))
                failures = [each.error for each in answer if each.error is not None]
            except KafkaException as error:
                answer, failures = [], [error.args[0]]
            if not failures:
                break
            if deadline.passed or facts_of(failures[0]).code in PERMISSION_CODES:
                raise as_error(failures[0], "cannot read committed offsets", partitions=_names(partitions))
            deadline.pause(COMMITTED_RETRY_SECONDS)
        return {
            TopicPartition(each.topic, each.partition): Committed(
                Offset(each.offset) if each.offset >= 0 else NO_OFFSET, each.metadata or ""
            )
            for each in answer
        }

    def group_metadata(self) -> object:
        """Return the membership for ``send_offsets_to_transaction``, as of now.

        Raises:
            TransactionAborted: We are no member. The broker accepts offsets of a non-member without asking for
                its generation, so a zombie's commit would count.
        """
        metadata = self._client.consumer_group_metadata()
        if not self._rebalance.assigned_once or not is_member(metadata):
            raise TransactionAborted("commit: not a member of the group")
        return metadata

    def close(self) -> None:
        """Leave the group; no callback reaches the barrier any more."""
        self._rebalance.leaving = True
        if self._queues is not None:
            self._queues.close()
        self._client.close()

    # --- the client -------------------------------------------------------------------------------

    def _open(self) -> tuple[Consumer, PartitionQueues | None, Rebalance]:
        client, incremental = self._make(self.protocol)
        handle = native_of(client)
        queues = None if handle is None else PartitionQueues(handle)
        return client, queues, Rebalance(self._barrier, self._resolve, incremental=incremental, queues=queues)

    def _reopen(self) -> None:
        refused, self.protocol = self.protocol, self._older_protocols.pop(0)
        self._log.log(20, "the broker lacks the group protocol %s, using %s", refused, self.protocol)
        self.close()
        self._client, self._queues, self._rebalance = self._open()
        self.subscribe()


def _partition_of(event: Event) -> TopicPartition | None:
    match event:
        case RecordsRead():
            return event.batch.source
        case EndReached():
            return event.partition
        case _:
            return None


def is_member(metadata: object) -> bool:
    """Return whether group metadata is that of a live member.

    The client serialises it as ``CGMDv2:``, generation (int32, little endian), group id, member id and
    instance id, each ended by a zero byte. An unknown form is trusted: the broker judges it.
    """
    if not isinstance(metadata, bytes) or not metadata.startswith(b"CGMDv2:"):
        return metadata is not None
    (generation,) = struct.unpack_from("<i", metadata, 7)
    _, member, *_ = metadata[11:].split(b"\0")
    return generation >= 0 and bool(member)


def client_offsets(offsets: Mapping[TopicPartition, Committed]) -> list[ClientPartition]:
    """Return offsets and their texts as the client wants them, in a fixed order."""
    return [
        ClientPartition(partition.topic, partition.partition, int(committed.offset), committed.metadata)
        for partition, committed in sorted(offsets.items(), key=lambda item: item[0])
        if committed.offset >= 0
    ]


def _names(partitions: Sequence[TopicPartition]) -> str:
    return ", ".join(map(str, partitions[:5])) + (", ..." if len(partitions) > 5 else "")
