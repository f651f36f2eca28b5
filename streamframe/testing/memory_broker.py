"""A Kafka that fits on a few pages: partitions, transactions, one consumer group.

What is modelled is what exactly-once depends on: records of open and aborted transactions, the last
stable offset, control records that occupy offsets, producer epochs that fence, offsets inside
transactions, group generations that fence, topic identities, deleted records. The conformance tests
run the same checks against this and against a real broker.

Not modelled: replication, leader changes, compaction, retention, quotas, time outs of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from streamframe.core.batch import Headers
from streamframe.core.ids import NO_OFFSET, Offset, TopicPartition
from streamframe.engine.ports import Bounds, Committed, ProducerFenced, TransactionAborted


class Fate(Enum):
    """What became of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction of one producer.

    Attributes:
        producer: Transactional id.
        epoch: Epoch of the producer that began it.
        fate: What became of it.
        partitions: Partitions it has written to.
        offsets: Consumer offsets that it commits.
    """

    producer: str
    epoch: int
    fate: Fate = Fate.OPEN
    partitions: set[TopicPartition] = field(default_factory=set)
    offsets: dict[TopicPartition, Committed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One offset of a partition: a record, or a control record (``control``)."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers = ()
    transaction: Transaction | None = None
    control: bool = False


@dataclass(slots=True)
class Partition:
    """An append-only list of entries.

    Attributes:
        entries: From ``begin`` on.
        begin: First offset that is still there.
    """

    entries: list[Entry] = field(default_factory=list)
    begin: int = 0

    @property
    def end(self) -> int:
        """Log end offset (high watermark)."""
        return self.begin + len(self.entries)

    @property
    def last_stable(self) -> int:
        """First offset of an open transaction, or the end."""
        for entry in self.entries:
            if entry.transaction is not None and entry.transaction.fate is Fate.OPEN:
                return entry.offset
        return self.end

    def append(self, entry: Entry) -> int:
        """Append an entry made for ``self.end``; return its offset."""
        assert entry.offset == self.end
        self.entries.append(entry)
        return entry.offset

    def read(self, offset: int, limit: int) -> tuple[list[Entry], int]:
        """Return up to ``limit`` committed records from ``offset`` on, and the position behind them."""
        found: list[Entry] = []
        position = max(offset, self.begin)
        stable = self.last_stable
        while position < stable and len(found) < limit:
            entry = self.entries[position - self.begin]
            aborted = entry.transaction is not None and entry.transaction.fate is Fate.ABORTED
            if not entry.control and not aborted:
                found.append(entry)
            position += 1
        return found, position

    def delete_before(self, offset: int) -> None:
        """Forget everything before ``offset``."""
        offset = min(offset, self.end)
        if offset > self.begin:
            del self.entries[: offset - self.begin]
            self.begin = offset


class MemoryBroker:
    """Topics, transactions and one consumer group, in memory and in one thread."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Partition]] = {}
        self.topic_ids: dict[str, bytes] = {}
        self.epochs: dict[str, int] = {}
        self.open: dict[str, Transaction] = {}
        self.committed: dict[TopicPartition, Committed] = {}
        self.generation = 0
        self.members: dict[str, int] = {}

    # -- topics ------------------------------------------------------------------------------------

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic, unless it exists."""
        if name not in self.topics:
            self.topics[name] = [Partition() for _ in range(partitions)]
            self.topic_ids[name] = (len(self.topic_ids) + 1).to_bytes(16, "big")

    def delete_topic(self, name: str) -> None:
        """Delete a topic; created again it has another identity."""
        del self.topics[name]
        self.topic_ids[name + "\0deleted"] = self.topic_ids.pop(name)

    def partition(self, tp: TopicPartition) -> Partition:
        """Return one partition."""
        return self.topics[tp.topic][tp.partition]

    def bounds(self, tp: TopicPartition) -> Bounds:
        """First and last stable offset."""
        found = self.partition(tp)
        return Bounds(Offset(found.begin), Offset(found.last_stable))

    def append(
        self,
        tp: TopicPartition,
        value: bytes | None,
        *,
        key: bytes | None = None,
        timestamp: int = -1,
        headers: Headers = (),
        transaction: Transaction | None = None,
    ) -> int:
        """Append one record; return its offset."""
        partition = self.partition(tp)
        entry = Entry(
            offset=partition.end,
            key=key,
            value=value,
            timestamp=timestamp,
            headers=tuple(headers),
            transaction=transaction,
        )
        if transaction is not None:
            self._check_epoch(transaction.producer, transaction.epoch)
            if transaction.fate is not Fate.OPEN:
                raise TransactionAborted("the transaction has ended")
            transaction.partitions.add(tp)
        return partition.append(entry)

    def records(self, topic: str) -> Iterator[tuple[TopicPartition, Entry]]:
        """Yield what a ``read_committed`` reader sees, partition by partition."""
        for number, partition in enumerate(self.topics.get(topic, [])):
            for entry in partition.read(0, partition.end)[0]:
                yield TopicPartition(topic, number), entry

    # -- producers ---------------------------------------------------------------------------------

    def init_producer(self, producer: str) -> int:
        """Give a transactional id a new epoch; fences older holders and aborts what they left open."""
        left = self.open.pop(producer, None)
        if left is not None:
            self._end(left, Fate.ABORTED)
        self.epochs[producer] = self.epochs.get(producer, -1) + 1
        return self.epochs[producer]

    def begin(self, producer: str, epoch: int) -> Transaction:
        """Begin a transaction."""
        self._check_epoch(producer, epoch)
        assert producer not in self.open, "one transaction at a time"
        self.open[producer] = Transaction(producer, epoch)
        return self.open[producer]

    def add_offsets(
        self, transaction: Transaction, offsets: Mapping[TopicPartition, Committed], member: str, generation: int
    ) -> None:
        """Add consumer offsets; refused when the member's generation is not the present one."""
        self._check_epoch(transaction.producer, transaction.epoch)
        if self.members.get(member) != generation or generation != self.generation:
            raise TransactionAborted("illegal generation")
        transaction.offsets.update(offsets)

    def end(self, transaction: Transaction, fate: Fate) -> None:
        """Commit or abort."""
        self._check_epoch(transaction.producer, transaction.epoch)
        if transaction.fate is not Fate.OPEN:
            raise ProducerFenced("the transaction was ended by somebody else")
        del self.open[transaction.producer]
        self._end(transaction, fate)

    def expire(self, producer: str) -> None:
        """The broker's transaction timeout: abort what is open and fence its owner."""
        left = self.open.pop(producer, None)
        if left is not None:
            self._end(left, Fate.ABORTED)
            self.epochs[producer] += 1

    def _end(self, transaction: Transaction, fate: Fate) -> None:
        transaction.fate = fate
        for tp in sorted(transaction.partitions):
            partition = self.partition(tp)
            marker = Entry(offset=partition.end, key=None, value=None, timestamp=-1, control=True)
            partition.append(marker)
        if fate is Fate.COMMITTED:
            self.committed.update(transaction.offsets)

    def _check_epoch(self, producer: str, epoch: int) -> None:
        if self.epochs.get(producer) != epoch:
            raise ProducerFenced(f"a newer producer has the transactional id {producer}")

    # -- the group ---------------------------------------------------------------------------------

    def fetch_committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed] | None:
        """Return committed offsets, or ``None`` while an undecided transaction holds one of them."""
        held = {tp for transaction in self.open.values() for tp in transaction.offsets}
        if held & set(partitions):
            return None
        return {tp: self.committed.get(tp, Committed(NO_OFFSET)) for tp in partitions}

    def new_generation(self, members: Sequence[str]) -> int:
        """Start a new generation with these members."""
        self.generation += 1
        self.members = dict.fromkeys(members, self.generation)
        return self.generation
