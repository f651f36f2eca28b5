"""Everything that exists in a run: the broker, the group, machines, processes; and what can be done to them.

Every action is one method; the scheduler decides which and when. A process that stands still (``asleep``) is on
the call stack: the world goes on inside one of its calls, and it wakes up when that call returns.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from streamframe.core.errors import StoreUnavailable, StreamFrameError, Unavailable
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.settings import CommitSettings, Settings, StateSettings, TelemetrySettings
from streamframe.engine.sizing import size_topology
from streamframe.engine.worker import Worker, WorkerSpec
from streamframe.operators.program import Program, TaskContext
from streamframe.plan.topology import Topology
from streamframe.runtime.driver import Driver
from streamframe.state.store import StoreReader
from streamframe.state.table_log import Layout
from streamframe.testing.memory_broker import Fate, MemoryBroker
from streamframe.testing.memory_cluster import Recorder, SettableClock
from streamframe.testing.memory_group import Group
from streamframe.testing.sim.faults import Faults, ProcessDied
from streamframe.testing.sim.invariants import Invariants
from streamframe.testing.sim.log import LateRequest, SimLog
from streamframe.testing.sim.outputs import Output, Violation
from streamframe.testing.sim.plan import FaultPlan
from streamframe.testing.sim.programs import DEAD, Case
from streamframe.testing.sim.records import Input, Row
from streamframe.testing.sim.stores import Machine, SimStores
from streamframe.testing.sim.trace import Trace

FEEDER = "feeder"

HELD_BACK = 10
"""Records of the last input partition that come after a last restart."""


@dataclass(slots=True, eq=False)
class Process:
    """One life of a worker.

    Attributes:
        name: Unique in the run.
        slot: Whose transactional id it has.
        machine: Where it runs.
        log: Its client.
        stores: Its access to the disk.
        driver: Production code from here on.
        asleep: How many of its calls stand still.
        alive: It was not killed and has not ended.
    """

    name: str
    slot: int
    machine: Machine
    log: SimLog
    stores: SimStores
    driver: Driver
    asleep: int = 0
    alive: bool = True


class World:
    """See the module docstring.

    Args:
        rng: The Random of the run.
        plan: What the seed has drawn.
        case: The topology and its facts.
        topology: It, compiled.
        given: The input.
        outputs: What must come out.
        faults: What goes wrong at the ports.
        trace: Where everything is noted.
    """

    def __init__(  # noqa: PLR0913 - all that a run consists of
        self,
        rng: random.Random,
        plan: FaultPlan,
        *,
        case: Case,
        topology: Topology,
        given: Input,
        outputs: Sequence[Output],
        faults: Faults,
        trace: Trace,
    ) -> None:
        self.rng, self.plan, self.faults, self.trace = rng, plan, faults, trace
        self.topology = topology
        self.silence = case.silence
        self.given = given
        self.outputs = outputs
        self.settings = Settings(
            commit=CommitSettings(guarantee=plan.guarantee, changed_bytes_max=plan.changed_bytes_max),
            state=StateSettings(memory=plan.state_memory),
            telemetry=TelemetrySettings(interval=1 << 60),
        )
        external = dict.fromkeys(case.flavour.topics, plan.partitions)
        self.sizes = size_topology(topology, external)
        self.broker = MemoryBroker()
        for topic, count in {**external, **case.outputs, DEAD: 1, **self.sizes.partition_counts}.items():
            self.broker.create_topic(topic, count)
        for sub in topology.sub_topologies:
            for declaration in sub.stores:
                self.broker.create_topic(declaration.changelog, self.sizes.task_counts[sub.id])
        self.broker.late_markers = plan.late_markers
        self.clock = SettableClock()
        self.telemetry = Recorder()
        self.placed: dict[tuple[str, int], list[int]] = {place: [] for place in given}
        self.invariants = Invariants(self.broker, topology, outputs, self.placed)
        self.group = Group(self.broker, self.inputs, protocol=plan.protocol, pick=self._pick)
        self.machines = [Machine(f"m{number}") for number in range(plan.machines)]
        self.processes: list[Process] = []
        self.late_requests: list[LateRequest] = []
        self.started = 0
        self.ended: dict[str, int] = {}
        self.held_back = HELD_BACK if plan.last_restart else 0
        self.finished: dict[int, None] = {}
        self.tolerant: Callable[[StreamFrameError], object] | None = None
        for output in outputs:
            output.repeats = plan.guarantee == "at_least_once"
        self.wait_for: Callable[[str, Sequence[TopicPartition]], None] = lambda _process, _partitions: None
        self._layout = Layout(page_rows=plan.page_rows, rotate_rows=min(plan.page_rows, 512))
        faults.killed = self._is_killed

    @property
    def inputs(self) -> dict[str, int]:
        """Topics that the group reads, repartition topics included, with their partitions."""
        topics = [topic for sub in self.topology.sub_topologies for topic in sub.topics]
        return {topic: self.sizes.partition_counts[topic] for topic in dict.fromkeys(topics)}

    # -- what is where -----------------------------------------------------------------------------

    @property
    def alive(self) -> list[Process]:
        """Processes that have not ended."""
        return [process for process in self.processes if process.alive]

    @property
    def awake(self) -> list[Process]:
        """Processes that can take a step."""
        return [process for process in self.alive if process.asleep == 0]

    def dead_members(self) -> list[str]:
        """Members of the group that nobody is any more."""
        present = {process.log.member_id for process in self.alive}
        return [member for member in self.group.member_ids if member not in present]

    def waiting(self) -> dict[tuple[str, int], int]:
        """Return how many records each input partition may still be given; those with none are left out."""
        last = list(self.given)[-1]
        found = {}
        for place, rows in self.given.items():
            count = len(rows) - (self.held_back if place == last else 0) - len(self.placed[place])
            if count > 0:
                found[place] = count
        return found

    def _pick(self, free: Sequence[TopicPartition]) -> Sequence[TopicPartition]:
        if not (self.plan.piecemeal and self.faults.armed):
            return free
        return [tp for tp in free if self.rng.random() < 0.5]

    def _choose(self, available: Mapping[TopicPartition, int]) -> list[tuple[TopicPartition, int]]:
        chosen = [tp for tp in sorted(available) if self.rng.random() < 0.7]
        self.rng.shuffle(chosen)
        return [(tp, self.rng.randint(1, min(self.plan.batch_max, available[tp]))) for tp in chosen]

    def _is_killed(self, name: str) -> bool:
        return any(process.name == name and not process.alive for process in self.processes)

    # -- processes ---------------------------------------------------------------------------------

    def start(self, slot: int, machine: Machine | None = None) -> Process:
        """Start a worker."""
        self.started += 1
        name = f"p{self.started}"
        machine = machine or self.machines[slot % len(self.machines)]
        self.trace.note(f"start {name} as w{slot} on {machine.name}")
        log = SimLog(
            self.broker,
            self.group,
            process=name,
            identity=f"w{slot}",
            faults=self.faults,
            chooser=self._choose,
        )
        log.inside = frozenset(self.inputs) if self.plan.guarantee == "at_least_once" else None
        log.instance = f"w{slot}" if self.plan.static else ""
        log.restore_slice = self.plan.restore_slice
        log.late_requests = self.late_requests
        log.purged = self.invariants.purge
        log.offsets_sent = self.invariants.offsets_sent
        log.wait_for = lambda partitions: self.wait_for(log.process, partitions)
        stores = SimStores(machine, name, self.faults, self.invariants.store_write)
        spec = WorkerSpec(
            name=name,
            topology=self.topology,
            settings=self.settings,
            partition_counts=self.sizes.partition_counts,
            task_counts=self.sizes.task_counts,
            bounded=self.plan.bounded,
            run_token="run",  # noqa: S106 - names a run
        )
        worker = Worker(spec, self._program_maker(log))
        worker.commit.leaving_max = self.plan.slice_rows
        driver = Driver(
            worker,
            log,
            stores=stores,
            clock=self.clock,
            telemetry=self.telemetry,
            show=self.trace.note,
        )
        log.barrier = driver.barrier
        process = Process(name, slot, machine, log, stores, driver)
        self.processes.append(process)
        return process

    def _program_maker(self, log: SimLog) -> _Maker:
        return _Maker(self, log)

    def opening(self, log: SimLog, context: TaskContext, readers: Mapping[str, StoreReader]) -> bool:
        """A task is about to work; return whether its process owns it: only then its state must be the latest."""
        task = TaskId(context.sub_topology.id, context.partition)
        owners = {self.group.owner(TopicPartition(topic, task.partition)) for topic in context.sub_topology.topics}
        self.trace.note(f"  open program {task} in {log.process}")
        owned = owners == {log.member_id}
        if owned:
            self.invariants.task_opened(task, readers)
        return owned

    def opened(self, context: TaskContext, program: Program) -> None:
        """A task with the latest state is ready: look at what it is going to deliver."""
        task = TaskId(context.sub_topology.id, context.partition)
        for outbox in program._outboxes.values():  # noqa: SLF001 - what it has found
            keys = [key for keys in outbox._keys_by_batch.values() for key in keys]  # noqa: SLF001
            self.invariants.batches_found(task, outbox.name, keys)

    def prepare(self, program: Program) -> None:
        """Make pages small, so that few keys are enough for deltas, parts and rotation."""
        for aggregate in program._aggregates.values():  # noqa: SLF001 - nothing of this is a feature
            aggregate.state._layout = self._layout  # noqa: SLF001

    def step(self, process: Process) -> None:
        """Let a worker take a turn."""
        assert process.asleep == 0
        try:
            process.driver.step()
        except ProcessDied as died:
            self.trace.note(f"  {process.name} dies in {died}")
            self.bury(process)
            return
        except StreamFrameError as error:
            self._end(process, error)
            return
        if process.driver.done:
            self._end(process, process.driver.error)
            return
        self._check(process)

    def _end(self, process: Process, error: StreamFrameError | None) -> None:
        kind = "" if error is None else type(error).__name__
        self.trace.note(f"  {process.name} ends {kind} {'' if error is None else error.message}")
        self.ended[kind] = self.ended.get(kind, 0) + 1
        if error is None and process.driver.worker.bound and process.driver.worker.bound.finished:
            self.finished[process.slot] = None
        if error is not None and self.tolerant is not None:
            self.tolerant(error)
        elif error is not None and not _excusable(error):
            raise Violation(f"ends-excused: {process.name} ends with {kind}: {error}")
        process.alive = False
        process.stores.close_all()
        self.processes.remove(process)

    def _check(self, process: Process) -> None:
        tasks = process.driver.worker.tasks
        holding = sorted(task.id for task in tasks.values() if task.store is not None)
        if holding != sorted(process.stores.open_stores):
            raise Violation(
                f"stores-released: {process.name} needs {holding}, has {sorted(process.stores.open_stores)}"
            )
        waiting = sum(task.active_program.changed_bytes for task in tasks.values() if task.running)
        if waiting > self.plan.changed_bytes_max:
            raise Violation(f"buffers-bounded: {waiting} bytes wait in {process.name}")

    def kill(self, process: Process) -> None:
        """SIGKILL, also in the middle of a call."""
        self.trace.note(f"kill {process.name}")
        self.bury(process)

    def bury(self, process: Process) -> None:
        """A process is gone; the disk keeps any prefix of what was not flushed."""
        if process.alive:
            process.alive = False
            # What the client had queued may be under way, a beginning of it.
            process.log.deliver_queued(self.rng.randint(0, process.log.queued))
            process.stores.crash(lambda unflushed: self.rng.randint(0, unflushed))

    def forget(self) -> None:
        """Remove dead processes that are no longer on the call stack."""
        self.processes = [p for p in self.processes if p.alive or p.asleep]

    def long_absence(self, machine: Machine) -> None:
        """A machine is gone for long and comes back as it was when it was copied.

        Meanwhile the log cleaner has been through all changelogs and has removed the tombstones, too.
        """
        self.trace.note(f"{machine.name} is away for long")
        for process in self.alive:
            if process.machine is machine:
                self.bury(process)
        for tp in self.changelogs():
            self.broker.partition(tp).compact(self.broker.partition(tp).end, tombstones=True)
        machine.bring_back()

    def changelogs(self) -> list[TopicPartition]:
        """Return all changelog partitions."""
        return [
            TopicPartition(declaration.changelog, number)
            for sub in self.topology.sub_topologies
            for declaration in sub.stores
            for number in range(self.sizes.task_counts[sub.id])
        ]

    # -- input -------------------------------------------------------------------------------------

    def feed(self, place: tuple[str, int], count: int) -> None:
        """Write the next records of an input partition."""
        offsets = self.placed[place]
        rows = self.given[place][len(offsets) : len(offsets) + count]
        tp = TopicPartition(*place)
        self.trace.note(f"feed {len(rows)} to {tp}")
        if not self.plan.transactional_input:
            offsets += [self._append(tp, row) for row in rows]
            return
        epoch = self.broker.epochs.get(FEEDER)
        if epoch is None:
            epoch = self.broker.init_producer(FEEDER)
        fates = [Fate.ABORTED, Fate.COMMITTED] if self.rng.random() < 0.3 else [Fate.COMMITTED]
        for fate in fates:
            transaction = self.broker.begin(FEEDER, epoch)
            written = [
                self.broker.append(tp, row.value, key=row.key, timestamp=row.timestamp, transaction=transaction)
                for row in rows
            ]
            self.broker.end(transaction, fate)
            if fate is Fate.COMMITTED:
                offsets += written

    def _append(self, tp: TopicPartition, row: Row) -> int:
        return self.broker.append(tp, row.value, key=row.key, timestamp=row.timestamp)

    def expire(self, producer: str) -> None:
        """The transaction of a producer has taken too long."""
        self.trace.note(f"expire the transaction of {producer}")
        self.broker.expire(producer)


def _excusable(error: StreamFrameError) -> bool:
    """Whether a worker may end so when disks and brokers fail: after these, starting again is safe."""
    if isinstance(error, Unavailable | StoreUnavailable):
        return True
    # Damage more often than a disk should have; partitions given one by one, with a long time in between.
    return "again and again" in error.message or "partitions that belong together" in error.message


class _Maker:
    """Makes programs as production does, with the world looking on."""

    def __init__(self, world: World, log: SimLog) -> None:
        self._world = world
        self._log = log

    def __call__(
        self, context: TaskContext, readers: Mapping[str, StoreReader], metadata: Mapping[TopicPartition, str]
    ) -> Program:
        owned = self._world.opening(self._log, context, readers)
        # Small slices, so that few rows are enough for windows that leave before the commit, and for commits that wait.
        program = Program(replace(context, slice_rows=self._world.plan.slice_rows), readers, metadata)
        if owned:
            self._world.opened(context, program)
        self._world.prepare(program)
        return program
