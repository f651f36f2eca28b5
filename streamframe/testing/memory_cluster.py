"""A whole cluster in one thread: a broker, a state directory, and workers that can come and go.

It runs the production engine and operators; only the four ports are in memory. Everything happens when
it is asked for, so a run is decided by the order of calls alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import murmur2

from streamframe.core.ids import TopicPartition
from streamframe.core.settings import Settings
from streamframe.engine import events as ev
from streamframe.engine.sizing import Sizes, size_topology
from streamframe.engine.snapshot import Snapshot
from streamframe.engine.worker import Worker, WorkerSpec
from streamframe.plan.topology import Topology
from streamframe.runtime.driver import Driver
from streamframe.testing.memory_broker import MemoryBroker
from streamframe.testing.memory_log import Chooser, MemoryLog, read_everything
from streamframe.testing.memory_stores import MemoryStores

START = 1_767_225_600_000_000
"""Wall clock at the beginning: 2026-01-01T00:00:00Z."""


def partition_of(key: bytes | None, count: int) -> int:
    """Return the partition of a key, as Kafka's own producers choose it; null keys go to partition 0."""
    return 0 if key is None else int(murmur2(key, count))


class SettableClock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        """Return the present time in microseconds."""
        return self.time


@dataclass(slots=True)
class Recorder:
    """A ``Telemetry`` that remembers."""

    notices: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    last: Snapshot | None = None

    def publish(self, snapshot: Snapshot) -> None:
        """See ``Telemetry.publish``."""
        self.last = snapshot

    def notice(self, level: str, text: str, facts: Mapping[str, object]) -> None:
        """See ``Telemetry.notice``."""
        self.notices.append((level, text, dict(facts)))


@dataclass(slots=True)
class Member:
    """One worker of the cluster."""

    name: str
    log: MemoryLog
    driver: Driver
    partitions: set[TopicPartition] = field(default_factory=set)


class MemoryCluster:
    """Workers of one application on one in-memory broker.

    Args:
        topology: What runs.
        settings: Settings of every worker.
        partitions: Partitions of every external topic it reads or writes.
        chooser: What is read next; see ``MemoryLog``.
        bounded: ``None`` to run until stopped, else whether a bounded run flushes its windows.
    """

    def __init__(
        self,
        topology: Topology,
        settings: Settings,
        partitions: Mapping[str, int],
        *,
        chooser: Chooser = read_everything,
        bounded: bool | None = None,
    ) -> None:
        self.topology = topology
        self.settings = settings
        self.broker = MemoryBroker()
        self.stores = MemoryStores()
        self.clock = SettableClock()
        self.telemetry = Recorder()
        self.chooser = chooser
        self.shown: list[str] = []
        self._bounded = bounded
        self.members: dict[str, Member] = {}
        self.sizes: Sizes = size_topology(topology, partitions)
        for topic, count in {**partitions, **self.sizes.partition_counts}.items():
            self.broker.create_topic(topic, count)
        for sub in topology.sub_topologies:
            for declaration in sub.stores:
                self.broker.create_topic(declaration.changelog, self.sizes.task_counts[sub.id])

    # -- members -----------------------------------------------------------------------------------

    def add(self, name: str) -> Member:
        """Start a worker; it has no partitions until ``rebalance``."""
        assert name not in self.members
        spec = WorkerSpec(
            name=name,
            topology=self.topology,
            settings=self.settings,
            partition_counts=self.sizes.partition_counts,
            task_counts=self.sizes.task_counts,
            bounded=self._bounded,
            run_token="memory",  # noqa: S106 - names a run
        )
        log = MemoryLog(self.broker, name, partitioner=partition_of, chooser=self.chooser)
        driver = Driver(
            Worker(spec),
            log,
            stores=self.stores,
            clock=self.clock,
            telemetry=self.telemetry,
            lag=log.lag,
            show=self.shown.append,
        )
        self.members[name] = Member(name, log, driver)
        return self.members[name]

    def crash(self, name: str, keep: Callable[[int], int] = lambda _unflushed: 0) -> None:
        """Kill a worker: nothing is committed, closed or given back.

        Args:
            name: The worker.
            keep: How many of a store's unflushed writes survive, given their number.
        """
        member = self.members.pop(name)
        self.stores.crash(list(member.driver.worker.tasks), keep)

    def stop(self, name: str) -> None:
        """Stop a worker gracefully."""
        member = self.members.pop(name)
        member.driver.request_stop()
        while not member.driver.done:
            member.driver.step()

    def rebalance(self) -> None:
        """Give every partition to a member: range by partition number, so co-partitions stay together."""
        names = sorted(self.members)
        target: dict[str, set[TopicPartition]] = {name: set() for name in names}
        for topic, count in self._inputs().items():
            for partition in range(count if names else 0):
                owner = names[partition * len(names) // count]
                target[owner].add(TopicPartition(topic, partition))
        for name in names:
            member = self.members[name]
            revoked = tuple(sorted(member.partitions - target[name]))
            if revoked:
                member.driver.barrier(ev.PartitionsRevoked(partitions=revoked))
                member.log.unassign(revoked)
                member.partitions -= set(revoked)
        generation = self.broker.new_generation(names)
        for name in names:
            member = self.members[name]
            member.log.member_id, member.log.generation = name, generation
            gained = tuple(sorted(target[name] - member.partitions))
            if gained:
                member.log.assign(gained)
                member.partitions |= set(gained)
                member.driver.barrier(ev.PartitionsAssigned(partitions=gained))

    def _inputs(self) -> dict[str, int]:
        topics = [topic for sub in self.topology.sub_topologies for topic in sub.topics]
        return {topic: self.sizes.partition_counts[topic] for topic in dict.fromkeys(topics)}

    # -- running -----------------------------------------------------------------------------------

    def step(self) -> None:
        """One turn of every worker."""
        for name in sorted(self.members):
            member = self.members[name]
            if not member.driver.done:
                member.driver.step()
            error = member.driver.error
            if error is not None:
                raise error

    def settle(self, turns_max: int = 10_000) -> None:
        """Commit and go on until all that can be read has been read and committed, by everybody.

        The clock moves by one commit interval per turn. A cluster that does not come to rest within
        ``turns_max`` turns fails an assertion.
        """
        quiet = 0
        for _turn in range(turns_max):
            before = self._mark()
            self.clock.time += self.settings.commit.interval
            self.step()
            quiet = quiet + 1 if self._mark() == before and not self._busy() else 0
            if quiet == 2:
                return
        raise AssertionError("the cluster does not come to rest")

    def _mark(self) -> tuple[object, ...]:
        ends = tuple(p.end for topic in sorted(self.broker.topics) for p in self.broker.topics[topic])
        return ends, tuple(sorted((tp, c.offset) for tp, c in self.broker.committed.items()))

    def _busy(self) -> bool:
        for member in self.members.values():
            worker = member.driver.worker
            if not member.driver.done and (
                any(member.log.lag().values()) or any(task.ahead or not task.running for task in worker.tasks.values())
            ):
                return True
        return False
