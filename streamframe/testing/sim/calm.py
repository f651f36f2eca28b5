"""The second phase of a run: nothing goes wrong any more, and everything must come out.

Dead members are evicted and transactions without an owner expire, as a broker would do by itself after a
while; everybody is started. Within a bounded number of turns all input must be consumed and every output be
complete. A cluster that survives faults only by never committing again fails here.
"""

from __future__ import annotations

from typing import Final

from streamframe.core.ids import TopicPartition
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.testing.sim.outputs import Violation
from streamframe.testing.sim.world import World

TURNS_MAX: Final = 400
"""Turns within which a healthy cluster must be through with everything."""

TURNS_MIN: Final = 4

SILENCE: Final = 60 * MICROS_PER_SECOND

RESTARTS_MAX: Final = 3
"""How often a worker may still end because of what happened before."""


def calm_down(world: World) -> None:
    """Let the cluster finish.

    Raises:
        Violation: It does not, or something is missing.
    """
    world.trace.note("calm")
    world.faults.armed = False
    world.forget()
    world.late_requests.clear()
    _start_missing(world)
    owned = {process.log.identity for process in world.alive}
    for producer in sorted(world.broker.open):
        if producer not in owned:
            world.expire(producer)
    if world.held_back:
        # One worker begins anew when everybody else has fallen silent; only then come the last records.
        _settle(world)
        world.kill(world.rng.choice(world.alive))
        world.forget()
        _start_missing(world)
        _settle(world)
        world.held_back = 0
    if world.plan.bounded is None:
        _settle(world)
    else:
        _finish(world)
    for _ in range(world.silence):
        _turn(world)
        world.clock.time += SILENCE
    world.invariants.check_outputs()
    world.invariants.check_visible()
    for output in world.outputs:
        output.finish()


def _settle(world: World) -> None:
    """Take turns until everything that may be read is consumed and committed."""
    restarts = 0
    for turn in range(TURNS_MAX):
        _turn(world)
        restarts += _start_missing(world)
        if restarts > RESTARTS_MAX * world.plan.workers:
            raise Violation(f"liveness: {restarts} restarts without a fault, ended: {world.ended}")
        if turn >= TURNS_MIN and at_rest(world):
            return
    raise Violation(f"liveness: not at rest after {TURNS_MAX} turns, uncommitted: {uncommitted(world)}")


def _finish(world: World) -> None:
    """Take turns until every worker of a bounded run has ended by itself; what came out says whether too early."""
    restarts = 0
    for _ in range(TURNS_MAX):
        if len(world.finished) == world.plan.workers:
            break
        _turn(world)
        restarts += _start_missing(world)
        if restarts > RESTARTS_MAX * world.plan.workers:
            raise Violation(f"liveness: {restarts} restarts without a fault, ended: {world.ended}")
    else:
        raise Violation(f"liveness: a bounded run does not end, finished: {list(world.finished)}")
    for producer, tp in world.broker.waiting_markers():
        world.broker.write_marker(producer, tp)


def _turn(world: World) -> None:
    for place, waiting in world.waiting().items():
        world.feed(place, waiting)
    for process in world.awake:
        world.step(process)
    for producer, tp in world.broker.waiting_markers():
        world.broker.write_marker(producer, tp)
    world.clock.time += MICROS_PER_SECOND


def _start_missing(world: World) -> int:
    """Start the workers that are not there, evict members that nobody is; return how many were started."""
    started = 0
    for slot in range(world.plan.workers):
        if slot not in world.finished and not any(process.slot == slot for process in world.alive):
            world.start(slot)
            started += 1
    for member in world.dead_members():
        world.group.evict(member)
    return started


def at_rest(world: World) -> bool:
    """Whether everything is consumed and committed, and nobody has anything left to do."""
    if not world.group.settled() or world.broker.completing:
        return False
    for process in world.alive:
        tasks = process.driver.worker.tasks.values()
        if any(process.log.lag().values()) or any(task.ahead or not task.running for task in tasks):
            return False
    return not uncommitted(world)


def uncommitted(world: World) -> list[TopicPartition]:
    """Return the input partitions whose end is not committed, control records included."""
    found = []
    for topic, count in world.inputs.items():
        for number in range(count):
            tp = TopicPartition(topic, number)
            bounds = world.broker.bounds(tp)
            committed = world.broker.committed.get(tp)
            if bounds.end > max(bounds.begin, committed.offset if committed else 0):
                found.append(tp)
    return found
