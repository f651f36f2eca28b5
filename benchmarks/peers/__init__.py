"""What users would run instead, on the same inputs, judged by the same oracles.

Each peer is set up as somebody would who knows it. A peer that cannot start on this machine says why, and
the reason is in the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cases import CASES
from benchmarks.peers import faust, flink, hand_loop, kafka_streams, quix
from benchmarks.throughput import Sizes, measure_passing
from benchmarks.throughput import measure as measure_pairs
from benchmarks.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer.

    Attributes:
        title: Name and version.
        prepare: Makes it ready to start; raises with the reason when it cannot be.
        runners: Case -> how it is run.
        measured: How the slope is found: by two runs, or while one run passes.
        shrink: Divides the sizes, for those that would take an hour. Java peers are never shrunk: they would be
            measured while they compile themselves.
        reasons: Case -> why there is no such program.
    """

    title: str
    prepare: Callable[[], None]
    runners: Mapping[str, Any]
    measured: Callable[..., dict[str, Any]] = measure_passing
    shrink: int = 1
    reasons: Mapping[str, str] = field(default_factory=dict)


PEERS = {
    "flink-heap": Peer(
        title=f"Flink SQL {flink.VERSION}, heap state",
        prepare=flink.PROGRAM.prepare,
        runners=dict.fromkeys(flink.HEAP_CASES, flink.on("hashmap")),
    ),
    "flink-rocksdb": Peer(
        title=f"Flink SQL {flink.VERSION}, RocksDB",
        prepare=flink.PROGRAM.prepare,
        runners=dict.fromkeys(flink.CASES, flink.on("rocksdb")),
    ),
    "kafka-streams": Peer(
        title=f"Kafka Streams {kafka_streams.VERSION}, RocksDB",
        prepare=kafka_streams.PROGRAM.prepare,
        runners=dict.fromkeys(kafka_streams.CASES, kafka_streams.PROGRAM.run),
    ),
    "hand-loop": Peer(
        title="confluent-kafka and pandas by hand (no restore, no rebalance)",
        prepare=hand_loop.prepare,
        runners=dict.fromkeys(hand_loop.CASES, hand_loop.run),
        measured=measure_pairs,
        shrink=4,
    ),
    "quix": Peer(
        title=f"Quix Streams {quix.VERSION}",
        prepare=quix.PROGRAM.prepare,
        runners=dict.fromkeys(quix.CASES, quix.PROGRAM.run),
        shrink=40,
        reasons={"pandas-function": quix.NO_BATCHES},
    ),
    "faust": Peer(
        title=f"Faust {faust.VERSION}",
        prepare=faust.PROGRAM.prepare,
        runners=dict.fromkeys(faust.CASES, faust.PROGRAM.run),
        shrink=200,
    ),
}


def measure(world: World, peer: Peer, sizes: Sizes, case: str) -> dict[str, Any] | None:
    """Return what a case of a peer gave, or why it could not be measured; ``None``: nobody claims that it could."""
    if case in peer.reasons:
        return {"reason": peer.reasons[case]}
    if case not in peer.runners:
        return None
    smaller = Sizes(small=sizes.small // peer.shrink, large=sizes.large // peer.shrink, repeat=sizes.repeat)
    try:
        peer.prepare()
        return peer.measured(world, case, CASES[case], smaller, peer.runners[case])
    except (AssertionError, RuntimeError, OSError) as error:
        print(f"  {peer.title}, {case}: {error}", flush=True)
        return {"reason": _reason(error)}


def _reason(error: Exception) -> str:
    """Return what happened, and the last thing that the peer said."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip().isprintable() and line.strip()]
    return " ".join(dict.fromkeys((lines[0], lines[-1])))[:300] if lines else type(error).__name__
