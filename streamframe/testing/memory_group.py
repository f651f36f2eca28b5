"""The coordinator of the consumer group of an in-memory Kafka, and what a member sees of it.

Three protocols, as far as they matter for who may commit what::

    consumer (KIP-848)   a new target is reached bit by bit: a member gives back what is not its own any
                         more, and gets what is free. Everybody goes on with the rest
    classic              everybody gives everything back and joins again; when all have, a new generation
                         begins and everybody gets its share
    cooperative          everybody joins again and keeps what it has; in the new generation a member gives back
                         what is not its own any more and then joins once more, so that it can be given away

A member talks to the coordinator from inside ``poll`` only, and what it is told takes effect in its
callbacks, one after the other. A member that was evicted (it was silent too long) learns it at its next
poll, or its client has noticed before (``noticed``) and knows that it is nobody.

A static member (``instance``) keeps its seat while it is away, until it is evicted. Started again, the classic
protocols give it the seat at once and fence whoever sat there; the newer one refuses it as long as the seat is
taken, and the process ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from streamframe.core.ids import TopicPartition
from streamframe.engine import events as ev
from streamframe.testing.memory_broker import MemoryBroker

Protocol = Literal["consumer", "classic", "cooperative"]
Barrier = Callable[[ev.Event], None]
Pick = Callable[[Sequence[TopicPartition]], Sequence[TopicPartition]]


class InstanceTaken(Exception):
    """Somebody else is the static member of this name."""


class Consumer:
    """What the coordinator's messages act on: the client side of a member.

    Attributes:
        member_id: Its membership; empty while it is nobody.
        generation: Generation (classic) or member epoch (consumer) that it believes in.
        owned: Partitions it believes to own.
        instance: Its name under static membership, or empty.
    """

    def __init__(self) -> None:
        self.member_id = ""
        self.generation = -1
        self.owned: set[TopicPartition] = set()
        self.instance = ""

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Take partitions; they start paused."""
        self.owned.update(partitions)

    def unassign(self, partitions: Sequence[TopicPartition]) -> None:
        """Let go of partitions."""
        self.owned.difference_update(partitions)


@dataclass(slots=True)
class _Seat:
    """What the coordinator knows of a member.

    Attributes:
        held: Partitions that nobody else may be given.
        target: Partitions it is to have.
        joined: It has joined the coming generation (classic, cooperative).
        instance: Name of the static member, or empty.
        away: The static member has closed; the seat is kept for it.
        told: It knows of its present share (cooperative).
    """

    held: set[TopicPartition] = field(default_factory=set)
    target: frozenset[TopicPartition] = frozenset()
    joined: bool = False
    instance: str = ""
    away: bool = False
    told: bool = False


class Group:
    """The coordinator.

    Args:
        broker: Checks generations of offsets by ``broker.members``.
        inputs: Topics that the group reads, with their partitions.
        protocol: See the module docstring.
        pick: Which of the free partitions a member is given now (consumer protocol); all by default.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        inputs: Mapping[str, int],
        *,
        protocol: Protocol = "consumer",
        pick: Pick = tuple,
    ) -> None:
        self._broker = broker
        self._inputs = dict(inputs)
        self.protocol = protocol
        self._pick = pick
        self._seats: dict[str, _Seat] = {}
        self._fenced: dict[str, None] = {}
        self._preparing = False
        self._joined_ever = 0

    # -- from outside ------------------------------------------------------------------------------

    @property
    def member_ids(self) -> list[str]:
        """Present members in their order: the first gets the first partitions."""
        return list(self._seats)

    def owner(self, tp: TopicPartition) -> str | None:
        """Return the member that holds a partition."""
        return next((member for member, seat in self._seats.items() if tp in seat.held), None)

    def evict(self, member_id: str) -> None:
        """A member was silent too long, or has left: its partitions are free, its commits are refused."""
        if self._seats.pop(member_id, None) is not None:
            self._broker.members.pop(member_id, None)
            self._change()

    def reorder(self, order: Sequence[str]) -> None:
        """Give the shares to the members in another order."""
        assert sorted(order) == sorted(self._seats)
        self._seats = {member: self._seats[member] for member in order}
        self._change()

    def settled(self) -> bool:
        """Whether everybody has what it is to have."""
        return not self._preparing and all(seat.held == seat.target and not seat.away for seat in self._seats.values())

    # -- from a member -----------------------------------------------------------------------------

    def poll(self, consumer: Consumer, barrier: Barrier) -> None:
        """Let a member find out and do what the group wants of it, with callbacks through ``barrier``.

        Raises:
            InstanceTaken: Another process is, or has become, the static member of this name.
        """
        if consumer.member_id in self._fenced:
            raise InstanceTaken(consumer.instance)
        if consumer.member_id not in self._seats:
            self._lose(consumer, barrier)
            self._join(consumer)
        match self.protocol:
            case "classic":
                self._poll_classic(consumer, barrier)
            case "cooperative":
                self._poll_cooperative(consumer, barrier)
            case "consumer":
                self._poll_consumer(consumer, barrier)

    def leave(self, consumer: Consumer) -> None:
        """A member goes, having given back everything; a static one keeps its seat."""
        seat = self._seats.get(consumer.member_id)
        if seat is not None and seat.instance:
            seat.away = True
        else:
            self.evict(consumer.member_id)
        consumer.member_id = ""
        consumer.owned.clear()

    def _lose(self, consumer: Consumer, barrier: Barrier) -> None:
        consumer.member_id, consumer.generation = "", -1
        lost = tuple(sorted(consumer.owned))
        if lost:
            consumer.unassign(lost)
            barrier(ev.PartitionsLost(partitions=lost))

    def _join(self, consumer: Consumer) -> None:
        before = next(
            (m for m, seat in self._seats.items() if seat.instance and seat.instance == consumer.instance), ""
        )
        if before and self.protocol == "consumer" and not self._seats[before].away:
            raise InstanceTaken(consumer.instance)
        self._joined_ever += 1
        consumer.member_id = f"member-{self._joined_ever:03d}"
        if before:
            self._sit_down_again(before, consumer)
            return
        self._seats[consumer.member_id] = _Seat(instance=consumer.instance)
        self._change()
        consumer.generation = self._broker.generation
        if self.protocol == "consumer":
            self._broker.members[consumer.member_id] = consumer.generation

    def _sit_down_again(self, before: str, consumer: Consumer) -> None:
        """A static member comes back: the same seat and share, another member id, no new generation."""
        seats = {consumer.member_id if member == before else member: seat for member, seat in self._seats.items()}
        self._seats = seats
        seat = seats[consumer.member_id]
        if not seat.away:
            self._fenced[before] = None
        # What it had is given to it anew.
        seat.away, seat.held, seat.joined, seat.told = False, set(), False, False
        generation = self._broker.members.pop(before, self._broker.generation)
        self._broker.members[consumer.member_id] = consumer.generation = generation

    def _poll_consumer(self, consumer: Consumer, barrier: Barrier) -> None:
        seat = self._seats[consumer.member_id]
        revoked = tuple(sorted(consumer.owned - seat.target))
        if revoked:
            barrier(ev.PartitionsRevoked(partitions=revoked))
            consumer.unassign(revoked)
            seat.held -= set(revoked)
        if consumer.member_id not in self._seats:
            return  # Evicted while it was busy giving back.
        seat = self._seats[consumer.member_id]
        consumer.generation = self._broker.members[consumer.member_id] = self._broker.generation
        taken = {tp for other in self._seats.values() if other is not seat for tp in other.held}
        free = sorted(seat.target - seat.held - taken)
        given = tuple(self._pick(free)) if free else ()
        if given:
            seat.held |= set(given)
            consumer.assign(given)
            barrier(ev.PartitionsAssigned(partitions=given))

    def _poll_classic(self, consumer: Consumer, barrier: Barrier) -> None:
        seat = self._seats[consumer.member_id]
        if self._preparing and not seat.joined:
            revoked = tuple(sorted(consumer.owned))
            if revoked:
                barrier(ev.PartitionsRevoked(partitions=revoked))
                consumer.unassign(revoked)
            if consumer.member_id not in self._seats:
                return
            seat.held.clear()
            seat.joined = True
            self._begin_generation()
        if not self._preparing:
            consumer.generation = self._broker.members[consumer.member_id]
        if not self._preparing and not seat.held and seat.target:
            seat.held = set(seat.target)
            given = tuple(sorted(seat.target))
            consumer.assign(given)
            barrier(ev.PartitionsAssigned(partitions=given))

    def _poll_cooperative(self, consumer: Consumer, barrier: Barrier) -> None:
        seat = self._seats[consumer.member_id]
        if self._preparing:
            seat.joined = True
            self._begin_generation()
        if self._preparing or seat.told:
            return
        consumer.generation = self._broker.members[consumer.member_id]
        seat.told = True
        revoked = tuple(sorted(consumer.owned - seat.target))
        if revoked:
            barrier(ev.PartitionsRevoked(partitions=revoked))
            consumer.unassign(revoked)
            seat.held -= set(revoked)
            if consumer.member_id in self._seats:
                # Only in the next generation may somebody else be given them.
                self._change()
            return
        taken = {tp for other in self._seats.values() if other is not seat for tp in other.held}
        given = tuple(sorted(seat.target - seat.held - taken))
        if given:
            seat.held |= set(given)
            consumer.assign(given)
            barrier(ev.PartitionsAssigned(partitions=given))

    # -- deciding ----------------------------------------------------------------------------------

    def _change(self) -> None:
        if self.protocol != "consumer":
            self._preparing = bool(self._seats)
            for seat in self._seats.values():
                seat.joined = False
            return
        self._broker.generation += 1
        self._share()

    def _begin_generation(self) -> None:
        if all(seat.joined or seat.away for seat in self._seats.values()):
            self._preparing = False
            self._broker.new_generation(list(self._seats))
            self._share()
            for seat in self._seats.values():
                seat.told = False
                if seat.away:
                    # Nobody works there; its share is kept for it.
                    taken = {tp for other in self._seats.values() if other is not seat for tp in other.held}
                    seat.held = set(seat.target) - taken

    def _share(self) -> None:
        """Range by partition number: partitions of one number are with one member in all topics of their count."""
        members = list(self._seats)
        shares: dict[str, set[TopicPartition]] = {member: set() for member in members}
        for topic, count in self._inputs.items():
            for partition in range(count if members else 0):
                shares[members[partition * len(members) // count]].add(TopicPartition(topic, partition))
        for member, share in shares.items():
            self._seats[member].target = frozenset(share)
