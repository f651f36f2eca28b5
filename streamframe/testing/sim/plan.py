"""What one seed draws before it begins: program, sizes, limits, and which faults may strike how often.

Swarm: every seed switches some faults off entirely and makes others frequent, and sets some limits to one.
Mixes that are rare under fixed rates happen often that way.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streamframe.core.settings import Guarantee
from streamframe.testing.memory_group import Protocol

ACTIONS: Final[Mapping[str, int]] = {
    "step": 90,
    "tick": 20,
    "feed": 12,
    "marker": 10,
    "kill": 2,
    "start": 10,
    "stop": 1,
    "evict": 2,
    "reorder": 2,
    "expire": 2,
    "late request": 3,
    "compact": 2,
    "retention": 1,
    "copy disk": 1,
    "old disk": 1,
    "wipe disk": 1,
    "damage disk": 2,
    "replace": 1,
    "long absence": 1,
}
"""What the scheduler may do, and its usual weight among the others."""

NEEDED: Final = frozenset({"step", "tick", "feed", "marker", "start"})
"""Actions without which nothing goes on."""

STRIKES: Final[Mapping[str, float]] = {
    "crash": 0.005,
    "stall": 0.012,
    "produce aborted": 0.04,
    "produce torn": 0.03,
    "offsets aborted": 0.06,
    "offsets unknown": 0.05,
    "commit aborted": 0.05,
    "commit lost": 0.08,
    "commit not done": 0.06,
    "commit late": 0.08,
    "commit fenced": 0.05,
    "abort fails": 0.10,
    "renew unavailable": 0.05,
    "committed unavailable": 0.02,
    "bounds unavailable": 0.02,
    "purge lost": 0.2,
    "nobody": 0.3,
    "restore slow": 0.3,
    "queue delivered": 0.5,
    "store busy": 0.03,
    "disk full": 0.01,
    "damage on write": 0.01,
    "flush": 0.2,
}
"""What may strike at a call of a port, and its usual probability per call."""


ENDINGS: Final = ("a changelog made again", "a changelog cut off", "an input gone")
"""What may happen at the very end; see ``endings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """One run.

    Attributes:
        program: Name of the topology.
        workers: Worker slots: transactional ids.
        machines: State directories; slots are spread over them.
        partitions: Partitions of each input topic.
        protocol: How the group moves partitions.
        static: Whether workers are static members: they keep their partitions while they are away.
        guarantee: ``at_least_once`` writes results outside of transactions.
        bounded: ``None``: until stopped; else a bounded run, and whether it flushes its windows.
        turns: Actions of the phase with faults.
        weights: Weight of each action; an action that is missing never happens.
        rates: Probability of each strike; one that is missing never strikes.
        batch_max: Most records of a partition read at once.
        restore_slice: Most changelog records of a partition read at once.
        piecemeal: Free partitions are given to members one by one, not all at once.
        changed_bytes_max: See ``CommitSettings``; small values make commits between two ticks.
        state_memory: See ``StateSettings``; 0 drops every table after every commit.
        page_rows: Rows of a page; small ones make deltas, pages and rotation happen with few keys.
        slice_rows: Rows of closing windows that leave at once; with more left, a commit waits.
        late_markers: Whether transaction markers are written after the answer.
        transactional_input: Whether inputs are written in transactions, some of them aborted.
        in_order: Whether one input partition is written after the other: the first ones fall silent early.
        last_restart: Whether in the end one worker is killed once more, while the others have nothing to do.
        ending: What happens at the very end that no engine survives, or empty; see ``endings``.
    """

    program: str
    workers: int
    machines: int
    partitions: int
    protocol: Protocol
    static: bool
    guarantee: Guarantee
    bounded: bool | None
    turns: int
    weights: Mapping[str, int]
    rates: Mapping[str, float]
    batch_max: int
    restore_slice: int
    piecemeal: bool
    changed_bytes_max: int
    state_memory: int
    page_rows: int
    slice_rows: int
    late_markers: bool
    transactional_input: bool
    in_order: bool
    last_restart: bool
    ending: str

    def describe(self) -> str:
        """Return the plan as one line."""
        off = [name for name in (*ACTIONS, *STRIKES) if name not in self.weights and name not in self.rates]
        kind = {None: "", False: ", bounded", True: ", bounded, flushes"}[self.bounded]
        return (
            f"{self.program}: {self.workers} workers on {self.machines} machines, {self.partitions} partitions, "
            f"{self.protocol}{', static' if self.static else ''}, {self.guarantee}{kind}, {self.turns} turns, "
            f"batches of {self.batch_max}{', ends with ' if self.ending else ''}{self.ending}, "
            f"off: {', '.join(off) or 'nothing'}"
        )


def draw_plan(rng: random.Random, programs: Sequence[str], *, steady: Sequence[str] = ()) -> FaultPlan:
    """Draw a plan.

    Args:
        rng: The Random of the run.
        programs: Topologies to choose from.
        steady: Those that are run exactly once and until stopped only: what is right there depends on the clock.
    """
    program = rng.choice(programs)
    plain = program in steady
    bounded = rng.choice([False, True]) if rng.random() < 0.15 and not plain else None
    calm = rng.random() < 0.05
    off = rng.random() * 0.7
    weights = {
        name: weight * rng.choice([1, 1, 2, 4] if name not in NEEDED else [1])
        for name, weight in ACTIONS.items()
        if name in NEEDED or not (calm or rng.random() < off)
    }
    storm = rng.choice([0.5, 1.0, 1.0, 2.0])
    rates = {
        name: min(0.5, rate * storm * rng.choice([0.5, 1.0, 3.0]))
        for name, rate in STRIKES.items()
        if not (calm or rng.random() < off)
    }
    # Now and then transaction markers are under way for long.
    weights["marker"] = rng.choice([1, ACTIONS["marker"], ACTIONS["marker"]])
    return FaultPlan(
        program=program,
        workers=rng.choice([1, 2, 2, 3]),
        machines=rng.choice([1, 1, 2]),
        partitions=rng.choice([1, 2, 3]),
        protocol=rng.choice(["consumer", "consumer", "classic", "classic", "cooperative"]),
        static=rng.random() < 0.2,
        guarantee="at_least_once" if rng.random() < 0.1 and not plain else "exactly_once",
        bounded=bounded,
        turns=rng.choice([150, 400, 800]),
        weights=weights,
        rates=rates,
        batch_max=rng.choice([1, 3, 8, 100]),
        restore_slice=rng.choice([1, 4, 100]),
        piecemeal=rng.random() < 0.3,
        changed_bytes_max=rng.choice([1, 1 << 26, 1 << 26]),
        state_memory=rng.choice([0, 1 << 30]),
        page_rows=rng.choice([1, 2, 4, 8192]),
        slice_rows=rng.choice([1, 2, 5, 8192]),
        late_markers=rng.random() < 0.6,
        transactional_input=rng.random() < 0.4,
        in_order=rng.random() < 0.3,
        last_restart=rng.random() < 0.3 and bounded is None,
        ending=rng.choice(ENDINGS) if rng.random() < 0.2 and bounded is None else "",
    )
