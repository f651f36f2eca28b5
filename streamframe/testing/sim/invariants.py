"""What must hold after every action, whatever has gone wrong.

Each transaction is looked at in the moment it is decided, when everything that counts together is known. Names
of the invariants are those of ``docs/hazards.md``:

    offsets-forward      committed offsets and stream times never go back
    one-owner            offsets are accepted only from the member that holds their partitions
    state-chain          the versions of a store are a chain: each commit builds on the one before
    store-behind         a local store never holds anything that is not committed to its changelog
    restore-complete     a task that starts to work has exactly the state that was committed last
    outbox-once          a batch whose delivery is committed is never delivered by a later owner
    purge-behind         records are deleted behind the commit that consumed them, never before
    outputs-exact        what came out is what the committed part of the input demands; see ``outputs``
    buffers-bounded      what waits in memory stays within its limit
    stores-released      a store is open exactly as long as its task lives
    ends-excused         a worker ends for nothing but a disk or a broker that fails, never for what it reads
    liveness             when faults stop, everything is consumed and complete within a bound
    ends-noticed         what no engine survives ends it with an error, and nothing is written any more
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamframe.core.ids import Offset, TaskId, TopicPartition
from streamframe.core.time import MIN_TIME
from streamframe.engine.bounded import without_mark
from streamframe.engine.ports import Committed
from streamframe.operators.watermarks import decode_stream_time
from streamframe.plan.topology import Topology
from streamframe.state.changelog import POSITION_KEY, LocalPosition
from streamframe.state.meta import META_KEY, StateMeta
from streamframe.state.store import Changes, StoreReader
from streamframe.testing.memory_broker import Entry, Fate, MemoryBroker, Transaction
from streamframe.testing.sim.outputs import Output, Violation


@dataclass(slots=True)
class History:
    """Everything that was ever committed to one changelog partition; compaction does not touch it.

    Attributes:
        values: Per key the committed values with their offsets, in order.
        meta: The last meta record.
    """

    values: dict[bytes, list[tuple[int, bytes | None]]] = field(default_factory=dict)
    meta: bytes | None = None

    def has(self, key: bytes, value: bytes, before: int) -> bool:
        """Whether this value was committed for this key before an offset."""
        return any(known == value and offset < before for offset, known in self.values.get(key, ()))

    def last(self, key: bytes) -> bytes | None:
        """Return the last committed value of a key; ``None``: it was deleted, or never there."""
        return self.values[key][-1][1] if key in self.values else None


class Invariants:
    """Watches one run.

    Args:
        broker: The broker; its ``decided`` is taken over.
        topology: What runs.
        outputs: What must come out.
        placed: Offset of each record of each input partition, growing as they are written.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        topology: Topology,
        outputs: Sequence[Output],
        placed: Mapping[tuple[str, int], Sequence[int]],
    ) -> None:
        self._broker = broker
        self._placed = placed
        self._outputs = outputs
        self._by_topic: dict[str, list[Output]] = {}
        for output in outputs:
            self._by_topic.setdefault(output.topic, []).append(output)
        self._stores = {
            (sub.id, declaration.name): declaration.changelog
            for sub in topology.sub_topologies
            for declaration in sub.stores
        }
        self._external = {source.topic for source in topology.sources}
        self.histories: dict[TopicPartition, History] = {}
        self._changelogs = set(self._stores.values())
        self.offsets: dict[TopicPartition, Committed] = {}
        self.commits = 0
        self._seen: dict[str, int] = {}
        broker.decided = self._decided
        broker.offsets_committed = self._offsets_committed
        broker.appended = self._appended

    # -- transactions ------------------------------------------------------------------------------

    def _decided(self, transaction: Transaction) -> None:
        if transaction.fate is not Fate.COMMITTED:
            return
        self.commits += 1
        for tp, committed in sorted(transaction.offsets.items()):
            self._offset(tp, committed)
        for tp in sorted(transaction.partitions):
            partition = self._broker.partition(tp)
            first = partition.undecided.get(transaction, partition.end)
            entries = [e for e in partition.between(first, partition.end) if e.transaction is transaction]
            if tp.topic in self._changelogs:
                self._changelog(tp, entries)
            for output in self._by_topic.get(tp.topic, ()):
                self._seen[tp.topic] = self._seen.get(tp.topic, 0) + len(entries)
                for entry in entries:
                    output.see(tp, entry)
        if transaction.offsets:
            self.check_outputs()

    def _appended(self, tp: TopicPartition, entry: Entry) -> None:
        """A record was written without a transaction: input, or a result under ``at_least_once``."""
        for output in self._by_topic.get(tp.topic, ()):
            self._seen[tp.topic] = self._seen.get(tp.topic, 0) + 1
            output.see(tp, entry)

    def _offsets_committed(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        for tp, committed in sorted(offsets.items()):
            self._offset(tp, committed)
        self.check_outputs()

    def _offset(self, tp: TopicPartition, committed: Committed) -> None:
        before = self.offsets.get(tp)
        self.offsets[tp] = committed
        if before is None:
            return
        if committed.offset < before.offset:
            raise Violation(f"offsets-forward: {tp} goes back from {before.offset} to {committed.offset}")
        if _stream_time(committed) < _stream_time(before):
            raise Violation(f"offsets-forward: stream time of {tp} goes back from {before} to {committed}")

    def _changelog(self, tp: TopicPartition, entries: Sequence[Entry]) -> None:
        history = self.histories.setdefault(tp, History())
        for entry in entries:
            key = entry.key or b""
            history.values.setdefault(key, []).append((entry.offset, entry.value))
            if key == META_KEY:
                assert entry.value is not None
                _check_chain(tp, history.meta, entry.value)
                history.meta = entry.value

    def check_outputs(self) -> None:
        """Compare what came out with what is committed."""
        read = {
            place: bisect_left(offsets, self.offsets.get(TopicPartition(*place), _NOTHING).offset)
            for place, offsets in self._placed.items()
        }
        times: dict[int, int] = {}
        for topic, partition in self._placed:
            committed = self.offsets.get(TopicPartition(topic, partition), _NOTHING)
            time = _stream_time(committed)
            times[partition] = min(time, times.get(partition, time))
        for output in self._outputs:
            output.check(times, read)

    def check_visible(self) -> None:
        """What was looked at when it was committed is what a ``read_committed`` reader sees."""
        for topic, number in sorted(self._seen.items()):
            visible = sum(1 for _ in self._broker.records(topic))
            if visible != number:
                raise Violation(f"outputs-exact: {number} records were committed to {topic}, {visible} can be read")

    # -- stores ------------------------------------------------------------------------------------

    def store_write(self, task: TaskId, changes: Changes) -> None:
        """Look at a write to a local store before it happens."""
        positions = {
            store: LocalPosition.decode(value).offset
            for store, key, value in (self._store_key(task, key, value) for key, value in changes.puts)
            if key == POSITION_KEY
        }
        for full_key, value in changes.puts:
            store, key, _ = self._store_key(task, full_key, value)
            if key == POSITION_KEY:
                continue
            if store not in positions:
                raise Violation(f"store-behind: a write to {store} of {task} says nothing of its position")
            tp = TopicPartition(self._stores[task.sub_topology, store], task.partition)
            history = self.histories.get(tp)
            if history is None or not history.has(key, value, positions[store]):
                raise Violation(f"store-behind: {store} of {task} takes {key!r} that is not in {tp}")

    @staticmethod
    def _store_key(task: TaskId, key: bytes, value: bytes) -> tuple[str, bytes, bytes]:
        length = int.from_bytes(key[:2], "big")
        return key[2 : 2 + length].decode(), key[2 + length :], value

    def task_opened(self, task: TaskId, readers: Mapping[str, StoreReader]) -> None:
        """Look at the state with which an owner of a task begins to work."""
        for name, reader in sorted(readers.items()):
            tp = TopicPartition(self._stores[task.sub_topology, name], task.partition)
            history = self.histories.get(tp, History())
            found = reader.get(META_KEY)
            if found != history.meta:
                raise Violation(
                    f"restore-complete: {name} of {task} begins with {_seq(found)}, committed is {_seq(history.meta)}"
                )

    def batches_found(self, task: TaskId, store: str, keys: Sequence[bytes]) -> None:
        """Look at the entries that the owner of a task takes for batches that were not delivered."""
        tp = TopicPartition(self._stores[task.sub_topology, store], task.partition)
        history = self.histories.get(tp, History())
        for key in keys:
            if history.last(key) is None:
                raise Violation(f"outbox-once: {store} of {task} is about to deliver entry {key!r} again")

    def offsets_sent(self, member: str, owners: Mapping[TopicPartition, str | None]) -> None:
        """Look at offsets that the coordinator has just accepted from a member."""
        foreign = [tp for tp, owner in sorted(owners.items()) if owner != member]
        if foreign:
            raise Violation(f"one-owner: {member or 'nobody'} commits {foreign[0]} of {owners[foreign[0]]}")

    def purge(self, before: Mapping[TopicPartition, Offset]) -> None:
        """Look at an order to delete records."""
        for tp, offset in sorted(before.items()):
            committed = max(0, self.offsets.get(tp, _NOTHING).offset)
            if offset > committed or tp.topic in self._external:
                raise Violation(f"purge-behind: {tp} is deleted before {offset}, committed is {committed}")


_NOTHING = Committed(Offset(-1))


def _stream_time(committed: Committed) -> int:
    return decode_stream_time(without_mark(committed.metadata))


def _check_chain(tp: TopicPartition, before: bytes | None, after: bytes) -> None:
    new = StateMeta.decode(after)
    old = StateMeta(fingerprint=new.fingerprint) if before is None else StateMeta.decode(before)
    if new.seq != old.seq + 1:
        raise Violation(f"state-chain: {tp} goes from version {old.seq} to {new.seq}")
    if new.closed_until < old.closed_until:
        raise Violation(f"state-chain: {tp} opens windows again, {old.closed_until} to {new.closed_until}")
    times = {(source.topic, source.partition): source.stream_time for source in new.sources}
    for source in old.sources:
        # One of which nothing but the end was ever heard has no time.
        if times.get((source.topic, source.partition), MIN_TIME) < source.stream_time:
            raise Violation(f"state-chain: {tp} forgets how far {source.topic}_{source.partition} was")


def _seq(meta: bytes | None) -> str:
    return "nothing" if meta is None else f"version {StateMeta.decode(meta).seq}"
