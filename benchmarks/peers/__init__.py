"""What users would run instead, on the same inputs, judged by the same oracles.

Each peer is set up as somebody would who knows it. A peer that cannot start on this machine says why, and
the reason is in the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.cases import CASES
from benchmarks.peers import hand_loop, kafka_streams, quix
from benchmarks.throughput import Runner, Sizes
from benchmarks.throughput import measure as measure_case
from benchmarks.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer.

    Attributes:
        title: Name and version.
        prepare: Makes it ready to start; raises with the reason when it cannot be.
        runners: Case -> how it is run.
        shrink: Divides the sizes, for those that would take an hour.
    """

    title: str
    prepare: Callable[[], None]
    runners: Mapping[str, Runner]
    shrink: int = 1


PEERS = {
    "hand-loop": Peer(
        title="confluent-kafka and pandas by hand (no restore, no rebalance)",
        prepare=hand_loop.prepare,
        runners=dict.fromkeys(hand_loop.CASES, hand_loop.run),
    ),
    "kafka-streams": Peer(
        title=f"Kafka Streams {kafka_streams.VERSION}, exactly_once_v2, RocksDB",
        prepare=kafka_streams.prepare,
        runners=dict.fromkeys(kafka_streams.CASES, kafka_streams.run),
    ),
    "quix": Peer(
        title=f"Quix Streams {quix.VERSION}, exactly-once",
        prepare=quix.prepare,
        runners=dict.fromkeys(quix.CASES, quix.run),
        shrink=20,
    ),
}


def measure(world: World, peer: Peer, sizes: Sizes) -> dict[str, Any]:
    """Return what each case of a peer gave, or why it could not be measured."""
    try:
        peer.prepare()
    except Exception as error:
        print(f"  {peer.title}: not measured: {error}", flush=True)
        return {"title": peer.title, "reason": f"{type(error).__name__}: {error}"}
    smaller = Sizes(small=sizes.small // peer.shrink, large=sizes.large // peer.shrink, repeat=sizes.repeat)
    found: dict[str, Any] = {}
    for name, runner in peer.runners.items():
        try:
            found[name] = measure_case(world, name, CASES[name], smaller, runner)
        except AssertionError as error:
            found[name] = {"reason": str(error)[:500]}
            print(f"  {peer.title}, {name}: {error}", flush=True)
    return {"title": peer.title, "cases": found}
