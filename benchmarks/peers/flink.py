"""Flink SQL: ``java/FlinkPeer.java``, in one Java machine (its own local cluster), one slot.

As somebody would set it up who knows it: exactly-once checkpoints and transactions every second, one watermark for each
partition, objects reused, changes gathered for a second before they are written (mini batches), lz4; state in
RocksDB with incremental checkpoints, or on the heap.
"""

from __future__ import annotations

from benchmarks.cases import Case
from benchmarks.peers.java_programs import JavaProgram
from benchmarks.processes import Usage
from benchmarks.throughput import Passed, PassingRunner
from benchmarks.world import InputTopic, World

VERSION = "2.2.1"
CASES = ("tumbling", "changes", "map", "repartition")
HEAP_CASES = ("tumbling",)
"""On the heap only what the targets ask for; map has no state at all."""
# Each by name: the connector's description asks for some of them in an older version.
PARTS = (
    "annotations", "clients", "connector-base", "connector-datagen", "core", "core-api", "datastream", "datastream-api",
    "file-sink-common", "hadoop-fs", "json", "metrics-core", "queryable-state-client-java", "rpc-akka-loader",
    "rpc-core", "runtime", "statebackend-rocksdb", "streaming-java", "table-api-bridge-base", "table-api-java",
    "table-api-java-bridge", "table-common", "table-planner-loader", "table-runtime",
)  # fmt: skip
PROGRAM = JavaProgram(
    name=f"flink-{VERSION}",
    main="FlinkPeer",
    roots=(
        *(f"org.apache.flink:flink-{part}:{VERSION}" for part in PARTS),
        "org.apache.flink:flink-connector-kafka:5.0.0-2.2",
        "org.slf4j:slf4j-simple:1.7.36",
    ),
    options=(
        "-Xms1g",
        "-Xmx1g",
        # Flink's own start scripts open these.
        "--add-opens=java.base/java.util=ALL-UNNAMED",
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        "--add-opens=java.base/java.time=ALL-UNNAMED",
    ),
)


def on(backend: str) -> PassingRunner:
    """Return how a case is run with a kind of state: ``rocksdb`` or ``hashmap``."""

    def run(world: World, case: Case, source: InputTopic, output: str, first: int) -> tuple[Passed, Usage]:
        return PROGRAM.run(world, case, source, output, first, backend)

    return run
