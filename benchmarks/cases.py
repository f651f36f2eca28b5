"""The throughput cases: which input, which program, which oracle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import oracles

PROGRAM = str(Path(__file__).parent / "programs.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One throughput case.

    Attributes:
        title: For people.
        program: Name of a program in ``file``.
        file: What is run.
        input: Name in ``inputs.INPUTS``.
        partitions: Of the input topic.
        oracle: Judges the output.
    """

    title: str
    program: str
    oracle: oracles.Oracle
    input: str = "uniform"
    file: str = PROGRAM
    partitions: int = 4


USER_WINDOWS = oracles.final_windows(["user"])

CASES = {
    "tumbling": Case(
        title="tumbling 10 s per user, 10 k users",
        program="tumbling",
        oracle=USER_WINDOWS,
    ),
    "tumbling-zipf": Case(
        title="tumbling 10 s per user, 10 k users, Zipf 1.0", program="tumbling", oracle=USER_WINDOWS, input="zipf"
    ),
    "tumbling-million": Case(
        title="tumbling 10 s per user, 1 M users", program="tumbling", oracle=USER_WINDOWS, input="million"
    ),
    "hopping": Case(title="hopping 60 s every 10 s per user", program="hopping", oracle=oracles.hopping_windows),
    "changes": Case(
        title="tumbling 10 s per user, every change",
        program="changes",
        oracle=oracles.changing_windows,
    ),
    "table": Case(
        title="table per user without windows, changes, 1 M users",
        program="table",
        oracle=oracles.changing_table,
        input="million",
    ),
    "map": Case(
        title="filter and map, JSON to JSON",
        program="map",
        oracle=oracles.passed_rows,
    ),
    "repartition": Case(
        title="tumbling 10 s per country and category (repartitioned)",
        program="repartition",
        oracle=oracles.final_windows(["country", "category"]),
    ),
    "pandas-function": Case(
        title="a user's pandas function on every batch, JSON to JSON",
        program="pandas-function",
        oracle=oracles.scored_rows,
    ),
    "own-aggregate": Case(
        title="a user's sf.Aggregate, tumbling 10 s per user",
        program="own-aggregate",
        oracle=oracles.own_aggregates,
    ),
}
