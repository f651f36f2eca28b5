"""How the cost of a record grows: with keys, columns, aggregates and smaller batches; with partitions.

In memory the real operators run in one thread, whose own processor time is taken (``stages``): neighbours disturb
little, so differences of a few nanoseconds show. Partitions need the client: they are measured as throughput is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.cases import CASES
from benchmarks.programs import COLUMNS
from benchmarks.stages import program_stages, records
from benchmarks.throughput import Sizes, measure, run_engine
from benchmarks.world import World

KEYS = (100, 1_000, 10_000, 100_000, 1_000_000)
AGGREGATES = (1, 2, 4, 8)
BATCHES = (20_000, 5_000, 1_000, 500, 100)
PARTITIONS = (1, 4, 16, 64)


def grown_in_memory() -> dict[str, dict[str, Any]]:
    """Return nanoseconds per record, by stage, by number of keys, columns and aggregates, and by size of batches."""
    values, keys = records()
    return {
        "keys": {str(users): program_stages("tumbling", *records(users)) for users in KEYS},
        "columns": {str(n): program_stages(f"columns-{n}", values, keys) for n in range(1, len(COLUMNS) + 1)},
        "aggregates": {str(n): program_stages(f"aggregates-{n}", values, keys) for n in AGGREGATES},
        "batch": {str(rows): program_stages("tumbling", values, keys, rows) for rows in BATCHES},
    }


def grown_partitions(world: World, sizes: Sizes) -> dict[str, Any]:
    """Return throughput by number of partitions of the input."""
    return {
        str(count): measure(
            world, f"partitions-{count}", replace(CASES["tumbling"], partitions=count), sizes, run_engine
        )
        for count in PARTITIONS
    }
