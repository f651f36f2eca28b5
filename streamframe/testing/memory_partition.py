"""One partition of the in-memory Kafka: offsets with gaps, transactions, the last stable offset.

Offsets are never reused and not dense: transaction markers take one each, aborted records are there but
never delivered, and compaction leaves holes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter

from streamframe.core.batch import Headers
from streamframe.core.ids import TopicPartition
from streamframe.engine.ports import Committed


class Fate(Enum):
    """What became of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction of one producer.

    A transaction is decided at once and *marked* partition by partition: the coordinator answers the
    producer before the markers are written, so readers of one partition may see it before those of another,
    and before its consumer offsets count.

    Attributes:
        producer: Transactional id.
        epoch: Epoch of the producer that began it.
        fate: What became of it.
        partitions: Partitions it has written to.
        offsets: Consumer offsets that it commits.
        unmarked: Partitions that wait for their marker, once it is decided.
        offsets_unmarked: Whether its offsets wait for their marker.
    """

    producer: str
    epoch: int
    fate: Fate = Fate.OPEN
    partitions: set[TopicPartition] = field(default_factory=set)
    offsets: dict[TopicPartition, Committed] = field(default_factory=dict)
    unmarked: set[TopicPartition] = field(default_factory=set)
    offsets_unmarked: bool = False

    @property
    def settled(self) -> bool:
        """Whether it is decided and every marker is written."""
        return self.fate is not Fate.OPEN and not self.unmarked and not self.offsets_unmarked


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

    @property
    def counts(self) -> bool:
        """Whether a ``read_committed`` reader is given it, once it is before the last stable offset."""
        return not self.control and (self.transaction is None or self.transaction.fate is Fate.COMMITTED)


_offset_of = attrgetter("offset")


@dataclass(slots=True)
class Partition:
    """An append-only list of entries.

    Attributes:
        entries: What is still there, by ascending offset.
        begin: First offset that may still be there (log start).
        end: Offset behind the last one (log end, high watermark).
        undecided: First offset here of every transaction that has no marker here yet.
    """

    entries: list[Entry] = field(default_factory=list)
    begin: int = 0
    end: int = 0
    undecided: dict[Transaction, int] = field(default_factory=dict)

    @property
    def last_stable(self) -> int:
        """First offset of a transaction without a marker, or the end."""
        return max(self.begin, min(self.undecided.values(), default=self.end))

    def append(self, entry: Entry) -> int:
        """Append an entry made for ``self.end``; return its offset."""
        assert entry.offset == self.end
        self.entries.append(entry)
        self.end += 1
        if entry.transaction is not None:
            self.undecided.setdefault(entry.transaction, entry.offset)
        return entry.offset

    def mark(self, transaction: Transaction) -> None:
        """Write the marker that ends a transaction here."""
        self.undecided.pop(transaction, None)
        self.append(Entry(offset=self.end, key=None, value=None, timestamp=-1, control=True))

    def between(self, begin: int, end: int) -> Iterator[Entry]:
        """Yield the entries with ``begin <= offset < end``."""
        for index in range(bisect_left(self.entries, begin, key=_offset_of), len(self.entries)):
            entry = self.entries[index]
            if entry.offset >= end:
                return
            yield entry

    def read(self, offset: int, limit: int) -> tuple[list[Entry], int]:
        """Return up to ``limit`` committed records from ``offset`` on, and the position behind them."""
        stable = self.last_stable
        found: list[Entry] = []
        for entry in self.between(offset, stable):
            if entry.counts:
                found.append(entry)
                if len(found) == limit:
                    return found, entry.offset + 1
        return found, max(stable, offset, self.begin)

    def delete_before(self, offset: int) -> None:
        """Forget everything before ``offset``: ``DeleteRecords``, or retention."""
        offset = min(offset, self.end)
        if offset > self.begin:
            del self.entries[: bisect_left(self.entries, offset, key=_offset_of)]
            self.begin = offset

    def compact(self, until: int, *, tombstones: bool) -> None:
        """Keep the last record of every key before ``until``, as the log cleaner does.

        Args:
            until: First offset that is not cleaned (the active segment); never beyond the last stable offset.
            tombstones: Whether tombstones are old enough to be removed as well.
        """
        until = min(until, self.last_stable)
        last: dict[bytes | None, int] = {e.key: e.offset for e in self.between(self.begin, until) if e.counts}
        kept = [
            entry
            for entry in self.between(self.begin, until)
            if entry.counts and last[entry.key] == entry.offset and not (tombstones and entry.value is None)
        ]
        self.entries[: bisect_left(self.entries, until, key=_offset_of)] = kept
