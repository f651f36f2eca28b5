"""The three laws: batches, interleavings and crashes are invisible in what a reader sees.

Each run draws everything from one seed: the input, how it is cut into batches, which partition is read
when, when commits happen, which workers die, how much of their unflushed state survives, and how
partitions move. What a ``read_committed`` reader sees must equal plain pandas over the whole input.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamframe.app.application import App
from streamframe.core.ids import TopicPartition
from streamframe.plan.nodes import TopicSink
from streamframe.serde.pandas_frames import to_pandas
from streamframe.serde.registry import decoder_for
from streamframe.testing.memory_cluster import MemoryCluster
from tests.laws.worlds import (
    SIZE,
    Input,
    expected,
    hopping_app,
    keyed_app,
    make_input,
    repartitioned_app,
    rows_app,
)

PARTITIONS = 3

Case = tuple[Callable[[], App], list[str], int, bool]
CASES: Mapping[str, Case] = {
    "keyed": (keyed_app, ["user"], SIZE, False),
    "hopping": (hopping_app, ["user"], SIZE // 2, False),
    "repartitioned": (repartitioned_app, ["page"], SIZE, False),
    "rows": (rows_app, ["page"], SIZE, True),
}


class World:
    """A cluster that does what a seed says."""

    def __init__(self, app: App, rng: random.Random, *, workers: int) -> None:
        self.rng = rng
        self.topology = app.topology()
        counts = {"clicks": PARTITIONS, "totals": 2, "late": 1}
        self.cluster = MemoryCluster(self.topology, app.settings, counts, chooser=self._choose)
        self.started = 0
        for _ in range(workers):
            self.start()
        self.cluster.rebalance()

    def _choose(self, available: Mapping[TopicPartition, int]) -> list[tuple[TopicPartition, int]]:
        chosen = [tp for tp in sorted(available) if self.rng.random() < 0.7]
        self.rng.shuffle(chosen)
        return [(tp, self.rng.randint(1, self.rng.choice([1, 3, available[tp]]))) for tp in chosen]

    def start(self) -> None:
        self.cluster.add(f"w{self.started}")
        self.started += 1

    def send(self, found: Input) -> None:
        import json

        for number, rows in enumerate(found.partitions):
            for row in rows:
                key = str(row["user"]).encode()
                value = json.dumps(row).encode()
                self.cluster.broker.append(TopicPartition("clicks", number), value, key=key)

    def turn(self) -> None:
        """One turn of the cluster, with or without time passing."""
        if self.rng.random() < 0.3:
            self.cluster.clock.time += self.cluster.settings.commit.interval
        self.cluster.step()

    def crash_one(self) -> None:
        """Kill a worker; its transaction is ended by its successor or by the broker, sooner or later."""
        name = self.rng.choice(sorted(self.cluster.members))
        share = self.rng.random()
        self.cluster.crash(name, keep=lambda unflushed: int(unflushed * share))
        if self.rng.random() < 0.3:
            self.cluster.stores.disks.clear() if not self.cluster.members else None
        if self.rng.random() < 0.5:
            self.cluster.add(name)
        else:
            self.cluster.broker.expire(name)
            self.start()
        self.cluster.rebalance()

    def move(self) -> None:
        """A worker joins, leaves, or nothing but the generation changes."""
        choice = self.rng.randrange(3)
        if choice == 0 and len(self.cluster.members) < 4:
            self.start()
        elif choice == 1 and len(self.cluster.members) > 1:
            self.cluster.stop(self.rng.choice(sorted(self.cluster.members)))
        self.cluster.rebalance()

    def read(self, topic: str) -> pd.DataFrame:
        sink = next(s for s in self.topology.plan.sinks if isinstance(s, TopicSink) and s.topic == topic)
        decoder = decoder_for(sink.serde, sink.schema, sink.schema.names)
        values = [entry.value for _tp, entry in self.cluster.broker.records(topic)]
        return to_pandas(decoder.decode(values).columns)


def check(world: World, found: Input, case: Case) -> None:
    _app, keys, every, nunique = case
    totals, late = expected(found, keys, every=every, repartitioned=keys == ["page"], nunique=nunique)
    seen = world.read("totals")
    seen["window_start"] = seen["window_start"].astype("int64")
    columns = list(totals.columns)
    got = seen[columns].sort_values([*keys, "window_start"]).reset_index(drop=True)
    want = totals.sort_values([*keys, "window_start"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(got, want, check_dtype=False)
    seen_late = world.read("late")
    for column in ("ts", "window_start"):
        seen_late[column] = seen_late[column].astype("int64")
    order = ["user", "page", "amount", "ts", "window_start"]
    got_late = seen_late[order].sort_values(order).reset_index(drop=True)
    pd.testing.assert_frame_equal(got_late, late.sort_values(order).reset_index(drop=True), check_dtype=False)


def run(seed: int, case: Case, *, workers: int = 1, crashes: int = 0, moves: int = 0) -> None:
    rng = random.Random(seed)
    world = World(case[0](), rng, workers=workers)
    found = make_input(rng.randrange(1 << 30), partitions=PARTITIONS)
    world.send(found)
    for _ in range(crashes):
        for _ in range(rng.randint(0, 12)):
            world.turn()
        world.crash_one()
    for _ in range(moves):
        for _ in range(rng.randint(0, 12)):
            world.turn()
        world.move()
    world.cluster.settle()
    check(world, found, case)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_the_cut_of_the_input_and_the_interleaving_are_invisible(name: str, seed: int) -> None:
    run(seed, CASES[name], workers=1 + seed % 3)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_rebalances_are_invisible(name: str, seed: int) -> None:
    run(seed, CASES[name], workers=1 + seed % 2, moves=3)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_crashes_are_invisible(name: str, seed: int) -> None:
    run(seed, CASES[name], workers=1 + seed % 3, crashes=4)


@pytest.mark.parametrize("name", CASES)
def test_the_check_can_see_a_lost_row(name: str) -> None:
    """A negative control: the same check fails when one record is missing from the input of the engine."""
    case = CASES[name]
    repartitioned = case[1] == ["page"]
    inputs = (make_input(seed, partitions=PARTITIONS) for seed in range(100))
    found = next(i for i in inputs if len(expected(i, case[1], every=case[2], repartitioned=repartitioned)[0]) > 3)
    world = World(case[0](), random.Random(1), workers=1)
    hidden = next(row for row in found.partitions[0] if row["ts"] == min(r["ts"] for r in found.partitions[0]))
    kept = tuple(row for row in found.partitions[0] if row is not hidden)
    world.send(Input((kept, *found.partitions[1:])))
    world.cluster.settle()

    with pytest.raises(AssertionError):
        check(world, found, case)
