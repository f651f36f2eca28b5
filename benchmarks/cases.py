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
        target: Processor seconds per million records that the pure path should not exceed.
        native_target: The same with the native path.
    """

    title: str
    program: str
    oracle: oracles.Oracle
    input: str = "uniform"
    file: str = PROGRAM
    partitions: int = 4
    target: float | None = None
    native_target: float | None = None


USER_WINDOWS = oracles.final_windows(["user"])

CASES = {
    "tumbling": Case(
        title="tumbling 10 s per user, 10 k users",
        program="tumbling",
        oracle=USER_WINDOWS,
        target=2.4,
        native_target=0.95,
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
        target=3.0,
        native_target=1.3,
    ),
    "table": Case(
        title="table per user without windows, changes, 1 M users",
        program="table",
        oracle=oracles.changing_table,
        input="million",
        target=3.0,
        native_target=1.5,
    ),
    "map": Case(
        title="filter and map, JSON to JSON",
        program="map",
        oracle=oracles.passed_rows,
        target=2.5,
        native_target=1.0,
    ),
    "repartition": Case(
        title="tumbling 10 s per country and category (repartitioned)",
        program="repartition",
        oracle=oracles.final_windows(["country", "category"]),
        target=2.8,
        native_target=1.3,
    ),
    "pandas-function": Case(
        title="a user's pandas function on every batch, JSON to JSON",
        program="pandas-function",
        oracle=oracles.scored_rows,
        target=4.0,
        native_target=2.0,
    ),
    "own-aggregate": Case(
        title="a user's sf.Aggregate, tumbling 10 s per user",
        program="own-aggregate",
        oracle=oracles.own_aggregates,
        target=4.0,
        native_target=2.0,
    ),
}
