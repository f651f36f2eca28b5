"""The consumer of changelogs: assigned by us, ``read_committed``, made when first needed.

Rules:
    1. A slice is bounded; what was not delivered stays in the client.
    2. The position counts, not the records: it also moves when there was nothing but transaction markers and
       aborted records. The client tells that by the end-of-partition note, which it gives at the last stable
       offset; so a restore that waits for an undecided transaction gets one more when that is decided.
"""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.errors import StateError
from streamframe.core.ids import Offset, TopicPartition
from streamframe.engine.events import ChangelogRead, Event, Failed
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.codes import AUTO_OFFSET_RESET, PARTITION_EOF
from streamframe.kafka.consumed import group_by_partition, split_errors
from streamframe.kafka.errors import as_error, facts_of, input_failure


class RestoreConsumer:
    """Reads changelog partitions in slices.

    Args:
        make: Makes the client.
        log: Takes notes that end nothing.
    """

    def __init__(self, make: Callable[[], Consumer], log: ClientLog) -> None:
        self._make = make
        self._log = log
        self._client: Consumer | None = None
        self._positions: dict[TopicPartition, Offset] = {}

    @property
    def active(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._positions)

    def start(self, changelog: TopicPartition, offset: Offset) -> None:
        """Deliver this partition from ``offset`` on; a partition that is being read starts again there."""
        if self._client is None:
            self._client = self._make()
        self.stop(changelog, keep_client=True)
        start = int(offset) if offset >= 0 else OFFSET_BEGINNING
        try:
            self._client.incremental_assign([ClientPartition(changelog.topic, changelog.partition, start)])
        except KafkaException as error:
            raise as_error(error, "cannot read a changelog", changelog=str(changelog)) from error
        self._positions[changelog] = Offset(max(0, offset))

    def stop(self, changelog: TopicPartition, *, keep_client: bool = False) -> None:
        """Deliver nothing more of this partition; the last one releases the client."""
        if self._client is None or self._positions.pop(changelog, None) is None:
            return
        self._client.incremental_unassign([ClientPartition(changelog.topic, changelog.partition)])
        if not self._positions and not keep_client:
            self.close()

    def poll(self, wait_seconds: float, records_max: int) -> list[Event]:
        """Return the next slice of what is being read."""
        if self._client is None or not self._positions:
            return []
        messages: list[Message] = []
        try:
            first = self._client.poll(wait_seconds)
            if first is None:
                return []
            messages = [first, *self._client.consume(max(1, records_max - 1), 0)]
        except KafkaException as error:
            return [*self._events(messages), *self._note(error.args[0], None)]
        return self._events(messages)

    def close(self) -> None:
        """Release the client."""
        self._positions.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _events(self, messages: list[Message]) -> list[Event]:
        records, notes = split_errors(messages)
        slices: dict[TopicPartition, tuple[list[tuple[bytes, bytes | None]], Offset]] = {}
        for place, run in group_by_partition(records).items():
            changelog = TopicPartition(*place)
            if changelog in self._positions:
                last = run[-1].offset()
                assert last is not None
                slices[changelog] = (_pairs(run), Offset(last + 1))
        failures: list[Event] = []
        for message, error in notes:
            ended = self._ended(message, error)
            if ended is None:
                failures += self._note(error, message)
                continue
            changelog, position = ended
            pairs, reached = slices.get(changelog, ([], Offset(0)))
            if changelog in self._positions:
                slices[changelog] = (pairs, max(reached, position))
        events: list[Event] = []
        for changelog, (pairs, position) in slices.items():
            self._positions[changelog] = position
            events.append(ChangelogRead(changelog=changelog, records=pairs, position=position))
        return events + failures

    def _ended(self, message: Message, error: KafkaError) -> tuple[TopicPartition, Offset] | None:
        if error.code() != PARTITION_EOF:
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        return TopicPartition(topic, partition), Offset(offset)

    def _note(self, error: KafkaError, message: Message | None) -> list[Event]:
        facts = facts_of(error)
        where = {} if message is None else {"topic": message.topic(), "partition": message.partition()}
        if facts.code in (AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            gone = StateError(
                "changelog records were deleted while they were read",
                hint="start again: the task is then rebuilt from what is left",
                **where,
            )
            return [Failed(error=gone)]
        failure = input_failure(error, **where)
        if failure is not None:
            return [Failed(error=failure)]
        self._log.log(30, "restore: %s", facts.text)
        return []


def _pairs(run: list[Message]) -> list[tuple[bytes, bytes | None]]:
    keys = list(map(Message.key, run))
    return [
        # Everything we write has a key; a record without one is foreign and changes nothing.
        (key, value)
        for key, value in zip(keys, map(Message.value, run), strict=True)
        if key is not None
    ]
