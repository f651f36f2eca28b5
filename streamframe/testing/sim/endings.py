"""What no engine survives: it must be noticed, and nothing may be written any more.

At the end of some runs, when everything is right and at rest, all workers are killed and the cluster loses what
it must not lose: a changelog is deleted and made again under its name, its end is cut off as by an unclean leader
election, or records of an input are gone before they were read. A worker that starts then has to end with an error
that says so. Silent empty state, or a gap in the input, would be wrong results that nobody sees.
"""

from __future__ import annotations

from typing import Final

from streamframe.core.errors import StateError, StreamFrameError, TopologyMismatch
from streamframe.core.ids import TopicPartition
from streamframe.engine.versions import versions_of
from streamframe.testing.sim.outputs import Violation
from streamframe.testing.sim.world import World

TURNS_MAX: Final = 300


def end_badly(world: World, ending: str) -> None:
    """Break something for good and look what the workers do.

    Raises:
        Violation: They go on as if nothing had happened.
    """
    for process in world.alive:
        world.kill(process)
    world.forget()
    for producer in sorted(world.broker.open):
        world.expire(producer)
    for producer, tp in world.broker.waiting_markers():
        world.broker.write_marker(producer, tp)
    expected = BREAKS[ending](world)
    world.trace.note(f"ending: {ending}, {expected.__name__ if expected else 'nothing to break'}")
    if expected is None:
        return
    before = _written(world)
    for member in world.dead_members():
        world.group.evict(member)
    errors = _errors(world)
    if not any(isinstance(error, expected) for error in errors):
        raise Violation(f"ends-noticed: {ending}, and workers end with {[str(error) for error in errors]}")
    if _written(world) != before:
        raise Violation(f"ends-noticed: {ending}, and results were written")


def _errors(world: World) -> list[StreamFrameError]:
    """Run every worker until it ends, or for long enough; return what they ended with."""
    found: list[StreamFrameError] = []
    world.tolerant = found.append
    for slot in range(world.plan.workers):
        world.start(slot)
    for _ in range(TURNS_MAX):
        for process in world.awake:
            world.step(process)
        for member in world.dead_members():
            world.group.evict(member)
        world.clock.time += 100_000
        if not world.alive:
            break
    return found


def _written(world: World) -> dict[str, int]:
    return {output.topic: sum(1 for _ in world.broker.records(output.topic)) for output in world.outputs}


def _stateful(world: World) -> list[TopicPartition]:
    """Return changelog partitions whose version was committed with the offsets of their task."""
    found = []
    for sub in world.topology.sub_topologies:
        for number in range(world.sizes.task_counts[sub.id]):
            texts = [
                committed.metadata
                for topic in sub.topics
                if (committed := world.broker.committed.get(TopicPartition(topic, number))) is not None
            ]
            versions = versions_of(texts)
            found += [TopicPartition(d.changelog, number) for d in sub.stores if versions.get(d.name, 0) > 0]
    return found


def _changelog_anew(world: World) -> type[StreamFrameError] | None:
    """A changelog topic is deleted and made again."""
    candidates = _stateful(world)
    if not candidates:
        return None
    chosen = world.rng.choice(candidates)
    count = len(world.broker.topics[chosen.topic])
    world.broker.delete_topic(chosen.topic)
    world.broker.create_topic(chosen.topic, count)
    return StateError


def _changelog_cut(world: World) -> type[StreamFrameError] | None:
    """The last transaction of a changelog partition is gone."""
    candidates = _stateful(world)
    if not candidates:
        return None
    partition = world.broker.partition(world.rng.choice(candidates))
    last = next((e.transaction for e in reversed(partition.entries) if e.counts), None)
    if last is None:
        return None
    cut = next(entry.offset for entry in partition.entries if entry.transaction is last)
    partition.entries = [entry for entry in partition.entries if entry.offset < cut]
    partition.end = cut
    return StateError


def _input_gone(world: World) -> type[StreamFrameError] | None:
    """Records of an input were deleted before they were read."""
    places = [TopicPartition(*place) for place in world.placed]
    read = [tp for tp in places if tp in world.broker.committed and world.broker.partition(tp).end > 0]
    if not read:
        return None
    tp = world.rng.choice(read)
    for _ in range(3):
        world.broker.append(tp, None)
    world.broker.partition(tp).delete_before(world.broker.committed[tp].offset + 1)
    return TopologyMismatch


BREAKS: Final = {
    "a changelog made again": _changelog_anew,
    "a changelog cut off": _changelog_cut,
    "an input gone": _input_gone,
}
