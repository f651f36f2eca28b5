"""What can be said when windows close by the clock: no row is lost, none counts twice.

With idle timeouts the set of late rows depends on when partitions were silent, so there is no one right answer.
But each row is either in exactly one result or late exactly once, and with the last silence every window closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamframe.core.ids import TopicPartition
from streamframe.testing.memory_broker import Entry
from streamframe.testing.sim.oracle import Group, Stream
from streamframe.testing.sim.outputs import Times, Violation, decoded


@dataclass(slots=True)
class Account:
    """Rows and their amounts: what came in, what came out.

    Attributes:
        rows: Rows that are still missing.
        amount: Sum of their amounts.
    """

    rows: int
    amount: int
    groups: dict[Group, None] = field(default_factory=dict)
    late: dict[object, None] = field(default_factory=dict)

    @classmethod
    def of(cls, stream: Stream) -> Account:
        """Open an account for all rows of a stream."""
        return cls(len(stream.items), sum(int(str(item.columns["amount"] or 0)) for item in stream.items))

    def take(self, rows: int, amount: object) -> None:
        """Book what came out."""
        self.rows -= rows
        self.amount -= int(str(amount or 0))


class ClosedOnce:
    """Results of windows: each group once."""

    def __init__(self, topic: str, key: str, account: Account) -> None:
        self.topic = topic
        self.repeats = False
        self._key = key
        self._account = account

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        columns = decoded(entry)
        group = (columns[self._key], columns["window_start"])
        if group in self._account.groups:
            raise Violation(f"{self.topic}: window {group} came out twice, again at {tp}@{entry.offset}")
        self._account.groups[group] = None
        self._account.take(int(str(columns["rows"])), columns["total"])

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        if self._account.rows < 0:
            raise Violation(f"{self.topic}: {-self._account.rows} rows count more than once")

    def finish(self) -> None:
        if self._account.rows or self._account.amount:
            raise Violation(f"{self.topic}: {self._account.rows} rows are missing, amount {self._account.amount}")


class LateOnce:
    """Late rows: each once."""

    def __init__(self, topic: str, account: Account) -> None:
        self.topic = topic
        self.repeats = False
        self._account = account

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        columns = decoded(entry)
        if columns["id"] in self._account.late:
            raise Violation(f"{self.topic}: row {columns['id']} is late twice, again at {tp}@{entry.offset}")
        self._account.late[columns["id"]] = None
        self._account.take(1, columns["amount"])

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        pass

    def finish(self) -> None:
        pass
