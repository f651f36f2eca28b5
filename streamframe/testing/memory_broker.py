"""A Kafka that fits on a few pages: topics, transactions, one consumer group.

What is modelled is what exactly-once depends on: records of open and aborted transactions, the last
stable offset, control records that occupy offsets, markers that are written after the answer, producer
epochs that fence, offsets inside transactions, members and generations that fence, requests that arrive
late, topic identities, deleted records, compaction. The conformance tests run the same checks against
this and against a real broker.

Not modelled: replication, leader changes, quotas, the bytes of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from streamframe.core.batch import Headers
from streamframe.core.ids import NO_OFFSET, Offset, TopicPartition
from streamframe.engine.ports import Bounds, Committed, ProducerFenced, TransactionAborted
from streamframe.testing.memory_partition import Entry, Fate, Partition, Transaction

__all__ = ["Entry", "Fate", "MemoryBroker", "Partition", "Transaction"]

Observer = Callable[[Transaction], None]
OffsetObserver = Callable[[Mapping[TopicPartition, Committed]], None]
RecordObserver = Callable[[TopicPartition, Entry], None]


class MemoryBroker:
    """Topics, transactions and one consumer group, in memory and in one thread.

    Attributes:
        late_markers: Whether ends of transactions are answered before their markers are written; they are
            written by ``write_marker``, or at the latest when the producer goes on.
        decided: Called with every transaction when it is decided.
        offsets_committed: Called with offsets that were committed without a transaction.
        appended: Called with records that were written without a transaction.
    """

    def __init__(self) -> None:
        self.topics: dict[str, list[Partition]] = {}
        self.topic_ids: dict[str, bytes] = {}
        self.epochs: dict[str, int] = {}
        self.open: dict[str, Transaction] = {}
        self.completing: dict[str, Transaction] = {}
        self.committed: dict[TopicPartition, Committed] = {}
        self.generation = 0
        self.members: dict[str, int] = {}
        self.late_markers = False
        self.decided: Observer = lambda _transaction: None
        self.offsets_committed: OffsetObserver = lambda _offsets: None
        self.appended: RecordObserver = lambda _tp, _entry: None
        self._ids = 0

    # -- topics ------------------------------------------------------------------------------------

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic, unless it exists."""
        if name not in self.topics:
            self._ids += 1
            self.topics[name] = [Partition() for _ in range(partitions)]
            self.topic_ids[name] = self._ids.to_bytes(16, "big")

    def delete_topic(self, name: str) -> None:
        """Delete a topic; created again it has another identity. Transactions forget that they wrote to it."""
        del self.topics[name]
        del self.topic_ids[name]
        for transaction in [*self.open.values(), *self.completing.values()]:
            for gone in [tp for tp in transaction.partitions if tp.topic == name]:
                transaction.partitions.discard(gone)
                transaction.unmarked.discard(gone)

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
        offset = partition.append(entry)
        if transaction is None:
            self.appended(tp, entry)
        return offset

    def records(self, topic: str) -> Iterator[tuple[TopicPartition, Entry]]:
        """Yield what a ``read_committed`` reader sees, partition by partition."""
        for number, partition in enumerate(self.topics.get(topic, [])):
            for entry in partition.read(0, len(partition.entries) + 1)[0]:
                yield TopicPartition(topic, number), entry

    # -- producers ---------------------------------------------------------------------------------

    def init_producer(self, producer: str) -> int:
        """Give a transactional id a new epoch; fences older holders and aborts what they left open."""
        left = self.open.pop(producer, None)
        if left is not None:
            self._end(left, Fate.ABORTED)
        self._complete(producer)
        self.epochs[producer] = self.epochs.get(producer, -1) + 1
        return self.epochs[producer]

    def begin(self, producer: str, epoch: int) -> Transaction:
        """Begin a transaction; waits until the markers of the last one are written."""
        self._check_epoch(producer, epoch)
        assert producer not in self.open, "one transaction at a time"
        self._complete(producer)
        self.open[producer] = Transaction(producer, epoch)
        return self.open[producer]

    def add_offsets(
        self, transaction: Transaction, offsets: Mapping[TopicPartition, Committed], member: str, generation: int
    ) -> None:
        """Add consumer offsets; refused when the member is unknown or its generation is not the present one.

        An empty ``member`` never joined: a real broker takes its offsets without asking for a generation.
        """
        self._check_epoch(transaction.producer, transaction.epoch)
        if transaction.fate is not Fate.OPEN:
            raise ProducerFenced("the transaction was ended by somebody else")
        if member and self.members.get(member) != generation:
            raise TransactionAborted("illegal generation" if member in self.members else "unknown member")
        transaction.offsets.update(offsets)

    def commit_offsets(self, offsets: Mapping[TopicPartition, Committed], member: str, generation: int) -> None:
        """Commit consumer offsets at once, without a transaction."""
        if member and self.members.get(member) != generation:
            raise TransactionAborted("illegal generation" if member in self.members else "unknown member")
        self.committed.update(offsets)
        self.offsets_committed(offsets)

    def end(self, transaction: Transaction, fate: Fate) -> None:
        """Commit or abort."""
        self._check_epoch(transaction.producer, transaction.epoch)
        if transaction.fate is not Fate.OPEN:
            raise ProducerFenced("the transaction was ended by somebody else")
        del self.open[transaction.producer]
        self._end(transaction, fate)

    def end_late(self, producer: str, epoch: int, fate: Fate) -> bool:
        """Take a request to end *the* open transaction that was under way for long; return whether it applied.

        The request names a producer and its epoch, not a transaction: a broker without KIP-890 cannot tell
        whether the producer has begun another one meanwhile.
        """
        transaction = self.open.get(producer)
        if self.epochs.get(producer) != epoch or transaction is None:
            return False
        self.end(transaction, fate)
        return True

    def expire(self, producer: str) -> None:
        """The broker's transaction timeout: abort what is open and fence its owner."""
        left = self.open.pop(producer, None)
        if left is not None:
            self._end(left, Fate.ABORTED)
            self.epochs[producer] += 1

    def _end(self, transaction: Transaction, fate: Fate) -> None:
        transaction.fate = fate
        transaction.unmarked = set(transaction.partitions)
        transaction.offsets_unmarked = bool(transaction.offsets)
        self.completing[transaction.producer] = transaction
        self.decided(transaction)
        if transaction.settled or not self.late_markers:
            self._complete(transaction.producer)

    # -- markers -----------------------------------------------------------------------------------

    def waiting_markers(self) -> list[tuple[str, TopicPartition | None]]:
        """Return the markers that are still to be written: producer, and partition or ``None`` for the offsets."""
        found: list[tuple[str, TopicPartition | None]] = []
        for producer, transaction in sorted(self.completing.items()):
            found += [(producer, tp) for tp in sorted(transaction.unmarked)]
            if transaction.offsets_unmarked:
                found.append((producer, None))
        return found

    def write_marker(self, producer: str, tp: TopicPartition | None) -> None:
        """Write one marker; ``None``: the one that makes the consumer offsets count."""
        transaction = self.completing[producer]
        if tp is None:
            transaction.offsets_unmarked = False
            if transaction.fate is Fate.COMMITTED:
                self.committed.update(transaction.offsets)
        else:
            transaction.unmarked.discard(tp)
            self.partition(tp).mark(transaction)
        if transaction.settled:
            del self.completing[producer]

    def _complete(self, producer: str) -> None:
        transaction = self.completing.get(producer)
        if transaction is not None:
            for tp in sorted(transaction.unmarked):
                self.write_marker(producer, tp)
            if transaction.offsets_unmarked:
                self.write_marker(producer, None)
            self.completing.pop(producer, None)

    def _check_epoch(self, producer: str, epoch: int) -> None:
        if self.epochs.get(producer) != epoch:
            raise ProducerFenced(f"a newer producer has the transactional id {producer}")

    # -- the group ---------------------------------------------------------------------------------

    def fetch_committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed] | None:
        """Return committed offsets, or ``None`` while a transaction without a marker holds one of them."""
        if self.holders(partitions):
            return None
        return {tp: self.committed.get(tp, Committed(NO_OFFSET)) for tp in partitions}

    def holders(self, partitions: Sequence[TopicPartition]) -> list[Transaction]:
        """Return the transactions that hold offsets of these partitions."""
        wanted = frozenset(partitions)
        waiting = [t for t in self.completing.values() if t.offsets_unmarked]
        return [t for t in [*self.open.values(), *waiting] if not wanted.isdisjoint(t.offsets)]

    def new_generation(self, members: Sequence[str]) -> int:
        """Start a new generation with these members."""
        self.generation += 1
        self.members = dict.fromkeys(members, self.generation)
        return self.generation
