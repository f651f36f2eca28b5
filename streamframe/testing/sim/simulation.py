"""The scheduler: one ``Random``, one action after the other, first with faults, then without.

A run has two phases. While faults strike, nothing wrong may ever be committed (safety). Then they stop: dead
members are evicted, transactions without an owner expire, everybody is started, and within a bounded number of
turns everything must be consumed and equal the oracle's answer (liveness).
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from streamframe.core.ids import TopicPartition
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.testing.memory_broker import Fate
from streamframe.testing.sim.calm import calm_down
from streamframe.testing.sim.endings import end_badly
from streamframe.testing.sim.faults import Faults, ProcessDied
from streamframe.testing.sim.outputs import Violation
from streamframe.testing.sim.plan import FaultPlan, draw_plan
from streamframe.testing.sim.programs import CASES, compiled
from streamframe.testing.sim.records import draw_input
from streamframe.testing.sim.trace import Trace
from streamframe.testing.sim.world import Process, World

NESTED_MAX: Final = 2
"""How deep the world goes on inside calls that stand still."""

TRANSACTION_TIMEOUT: Final = 60 * MICROS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        seed: Its seed.
        digest: Hash of its trace.
        failure: What was violated, or ``None``.
        plan: What was drawn.
        trace: Lines, when they were kept.
        commits: Committed transactions.
        struck: How often each fault struck, and how often each action happened.
    """

    seed: int
    digest: str
    failure: str | None
    plan: str
    trace: tuple[str, ...]
    commits: int
    struck: dict[str, int]

    @property
    def reason(self) -> str:
        """What was violated, in one line."""
        lines = (self.failure or "").strip().splitlines() or [""]
        return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def run(seed: int, *, keep_trace: bool = False, program: str | None = None) -> Outcome:
    """Run one seed.

    Args:
        seed: Decides everything.
        keep_trace: Whether to keep the lines of the trace.
        program: Use this topology instead of the one that the seed draws.
    """
    rng = random.Random(seed)  # noqa: S311 - chance that can be repeated is the point
    plan = draw_plan(rng, [program] if program else list(CASES), steady=[n for n, c in CASES.items() if c.silence])
    trace = Trace(keep=keep_trace)
    simulation = Simulation(rng, plan, trace)
    failure = None
    try:
        simulation.unsafe_phase()
        calm_down(simulation.world)
        if simulation.plan.ending:
            end_badly(simulation.world, simulation.plan.ending)
    except Violation as violation:
        failure = str(violation)
    except Exception:
        failure = traceback.format_exc()
    return Outcome(
        seed=seed,
        digest=trace.digest,
        failure=failure,
        plan=plan.describe(),
        trace=tuple(trace.lines),
        commits=simulation.world.invariants.commits,
        struck={**simulation.faults.struck, **simulation.done},
    )


class Simulation:
    """One run; see the module docstring."""

    def __init__(self, rng: random.Random, plan: FaultPlan, trace: Trace) -> None:
        self.rng, self.plan, self.trace = rng, plan, trace
        self.faults = Faults(rng, plan.rates, trace)
        case = CASES[plan.program]
        topology, _app, ledger = compiled(plan.program)
        ledger.clear()
        given = draw_input(rng, case.flavour, plan.partitions)
        self.outputs = case.expect(given, ledger, flush=plan.bounded is True)
        self.world = World(
            rng,
            plan,
            case=case,
            topology=topology,
            given=given,
            outputs=self.outputs,
            faults=self.faults,
            trace=trace,
        )
        self.done: dict[str, int] = {}
        self._names = list(plan.weights)
        self._weights = list(plan.weights.values())
        self._depth = 0
        self.faults.stall = self._stall
        self.world.wait_for = self._wait
        self._actions: dict[str, Callable[[], object]] = {
            "step": self._step,
            "tick": self._tick,
            "feed": self._feed,
            "marker": self._marker,
            "kill": self._kill,
            "start": self._start,
            "stop": self._stop,
            "evict": self._evict,
            "reorder": self._reorder,
            "expire": self._expire,
            "late request": self._late_request,
            "compact": self._compact,
            "retention": self._retention,
            "copy disk": self._copy_disk,
            "old disk": self._old_disk,
            "wipe disk": self._wipe_disk,
            "damage disk": self._damage_disk,
            "replace": self._replace,
            "long absence": self._long_absence,
        }

    # -- phases ------------------------------------------------------------------------------------

    def unsafe_phase(self) -> None:
        """Anything may go wrong."""
        if self.plan.bounded is not None:
            # "Now" is when a worker asks; that all of them mean the same is what a bounded run is about.
            for place, count in self.world.waiting().items():
                self.world.feed(place, count)
            for producer, tp in self.world.broker.waiting_markers():
                self.world.broker.write_marker(producer, tp)
        for slot in range(self.plan.workers):
            self.world.start(slot)
        for _ in range(self.plan.turns):
            self.turn()
            self.world.forget()

    def turn(self) -> None:
        """One action."""
        name = self.rng.choices(self._names, self._weights)[0]
        self.done[name] = self.done.get(name, 0) + 1
        self._actions[name]()

    # -- standing still ----------------------------------------------------------------------------

    def _stall(self, name: str) -> None:
        """A process stands still inside a call while the world goes on."""
        process = next((p for p in self.world.processes if p.name == name), None)
        if process is None or self._depth >= NESTED_MAX:
            return
        self._nested(process, self.rng.choice([1, 3, 10, 25]))

    def _nested(self, process: Process, turns: int) -> None:
        process.asleep += 1
        self._depth += 1
        self.trace.note(f"  {process.name} stands still for {turns}")
        for _ in range(turns):
            self.turn()
        self._depth -= 1
        process.asleep -= 1
        self.trace.note(f"  {process.name} goes on")

    def _wait(self, name: str, wanted: Sequence[TopicPartition]) -> None:
        """A call blocks until the transactions that hold offsets are decided; in the end their time is over."""
        broker = self.world.broker
        process = next(p for p in self.world.processes if p.name == name)
        if self.faults.armed and self._depth < NESTED_MAX:
            for _ in range(self.rng.choice([1, 5, 15])):
                if not broker.holders(wanted):
                    return
                self._nested(process, 1)
        if not process.alive:
            raise ProcessDied("committed")
        self.world.clock.time += TRANSACTION_TIMEOUT if broker.open else 0
        while holders := broker.holders(wanted):
            if holders[0].fate is Fate.OPEN:
                self.world.expire(holders[0].producer)
            else:
                broker.write_marker(holders[0].producer, None)

    # -- actions -----------------------------------------------------------------------------------

    def _step(self) -> None:
        awake = self.world.awake
        if awake:
            process = self.rng.choice(awake)
            self.trace.note(f"step {process.name}")
            self.world.step(process)

    def _tick(self) -> None:
        seconds = self.rng.choice([0.01, 0.3, 1.0, 1.0, 1.0, 5.0])
        if self.rng.random() < 0.02:
            seconds = 70.0
        self.world.clock.time += int(seconds * MICROS_PER_SECOND)
        self.trace.note(f"tick {seconds}")

    def _feed(self) -> None:
        waiting = self.world.waiting()
        if waiting:
            place = next(iter(waiting)) if self.plan.in_order else self.rng.choice(list(waiting))
            self.world.feed(place, min(waiting[place], self.rng.choice([1, 2, 5])))

    def _marker(self) -> None:
        waiting = self.world.broker.waiting_markers()
        if waiting:
            producer, tp = self.rng.choice(waiting)
            self.trace.note(f"marker of {producer} in {tp}")
            self.world.broker.write_marker(producer, tp)

    def _kill(self) -> None:
        alive = self.world.alive
        if alive:
            self.world.kill(self.rng.choice(alive))

    def _start(self) -> None:
        taken = {process.slot for process in self.world.alive}
        free = [slot for slot in range(self.plan.workers) if slot not in taken and slot not in self.world.finished]
        if free:
            self.world.start(self.rng.choice(free))

    def _stop(self) -> None:
        alive = self.world.alive
        if alive:
            process = self.rng.choice(alive)
            self.trace.note(f"stop {process.name}")
            process.driver.request_stop()

    def _evict(self) -> None:
        """The session of a member is over: it is dead, stands still, or its heartbeats were lost."""
        world = self.world
        asleep = [process for process in world.alive if process.asleep and process.log.member_id]
        members = world.dead_members() + [process.log.member_id for process in asleep]
        if not members and self.rng.random() < 0.3:
            members = [process.log.member_id for process in world.alive if process.log.member_id]
        if not members:
            return
        member = self.rng.choice(members)
        self.trace.note(f"evict {member}")
        world.group.evict(member)
        if self.faults.strikes("nobody"):
            for process in world.alive:
                if process.log.member_id == member:
                    process.log.member_id, process.log.generation = "", -1

    def _reorder(self) -> None:
        order = list(self.world.group.member_ids)
        self.rng.shuffle(order)
        self.trace.note(f"reorder {order}")
        self.world.group.reorder(order)

    def _expire(self) -> None:
        world = self.world
        living = {process.log.identity for process in world.awake}
        producers = [producer for producer in sorted(world.broker.open) if producer not in living]
        if not producers and self.rng.random() < 0.3:
            producers = sorted(world.broker.open)
        if producers:
            world.clock.time += TRANSACTION_TIMEOUT
            world.expire(self.rng.choice(producers))

    def _late_request(self) -> None:
        waiting, broker = self.world.late_requests, self.world.broker
        if waiting:
            # One that can still do something is worth more than those whose producer is long gone.
            hot = [
                request for request in waiting if request[0] in broker.open and broker.epochs[request[0]] == request[1]
            ]
            request = self.rng.choice(hot or waiting)
            waiting.remove(request)
            applied = self.world.broker.end_late(*request)
            self.trace.note(f"late request {request[0]} epoch {request[1]}: {applied}")

    def _compact(self) -> None:
        partition = self.rng.choice(self.world.changelogs())
        tombstones = self.rng.random() < 0.5
        until = self.rng.randint(0, self.world.broker.partition(partition).end)
        self.trace.note(f"compact {partition} until {until}, tombstones {tombstones}")
        self.world.broker.partition(partition).compact(until, tombstones=tombstones)

    def _retention(self) -> None:
        """Records that were consumed and committed are deleted from an input."""
        place = self.rng.choice(list(self.world.placed))
        tp = TopicPartition(*place)
        committed = self.world.broker.committed.get(tp)
        if committed is not None:
            self.trace.note(f"retention {tp} before {committed.offset}")
            self.world.broker.partition(tp).delete_before(committed.offset)

    def _copy_disk(self) -> None:
        machine = self.rng.choice(self.world.machines)
        self.trace.note(f"copy {machine.name}")
        machine.copy()

    def _old_disk(self) -> None:
        machine = self.rng.choice(self.world.machines)
        self.trace.note(f"older copy on {machine.name}: {machine.bring_back()}")

    def _long_absence(self) -> None:
        self.world.long_absence(self.rng.choice(self.world.machines))

    def _wipe_disk(self) -> None:
        machine = self.rng.choice(self.world.machines)
        self.trace.note(f"wipe {machine.name}: {machine.wipe()}")

    def _damage_disk(self) -> None:
        machine = self.rng.choice(self.world.machines)
        tasks = sorted(machine.stores.disks)
        if tasks:
            task = self.rng.choice(tasks)
            quietly = self.rng.random() < 0.5
            self.trace.note(f"damage {task} on {machine.name}{', quietly' if quietly else ''}")
            machine.damaged.add(task)
            if quietly:
                machine.quiet.add(task)

    def _replace(self) -> None:
        """A worker that stands still, or cannot be reached, is started again elsewhere: two of one name."""
        world = self.world
        candidates = [process for process in world.alive if process.asleep]
        twins = [p for p in world.alive if sum(q.slot == p.slot for q in world.alive) > 1]
        if twins:
            world.kill(self.rng.choice(twins))
        elif candidates:
            process = self.rng.choice(candidates)
            self.trace.note(f"replace {process.name}")
            self.world.start(process.slot)
