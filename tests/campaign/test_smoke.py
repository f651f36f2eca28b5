"""Kafka's SmokeTest, short: the verdicts on outputs that are wrong on purpose, and a run on a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from streamframe.testing.broker import KafkaBroker
from tests.campaign.smoke import DAY_MS, Scenario, run_smoke, verify
from tests.campaign.topics import Record

SMALL = Scenario(keys=2, per_key=3)
Outputs = dict[str, list[dict[str, Any]]]


def right() -> Outputs:
    """Return what must come out of the small input, computed once more and otherwise."""
    outputs: Outputs = {"echo": SMALL.records(), "tagg": [{"n": 3, "keys": 2}]}
    slices: dict[tuple[str, int], int] = {}
    for record in outputs["echo"]:
        for start in range(record["ts"] - 1999, record["ts"] + 1):
            if start % 1000 == 0:
                slices[record["key"], start] = slices.get((record["key"], start), 0) + record["value"]
    windows = [{"key": key, "window_start": start, "total": total} for (key, start), total in slices.items()]
    day = outputs["echo"][0]["ts"] // DAY_MS * DAY_MS
    lows = [{"key": f"{low}-{low + 2}", "window_start": day, "low": low} for low in (0, 1)]
    outputs |= {"sws-raw": windows, "sws-suppressed": windows, "min-raw": lows, "min-suppressed": lows, "min": lows}
    for name, column, values in [
        ("max", "high", (2, 3)),
        ("dif", "dif", (2, 2)),
        ("sum", "total", (3, 6)),
        ("cnt", "n", (3, 3)),
        ("avg", "avg", (1.0, 2.0)),
    ]:
        outputs[name] = [{"key": f"{low}-{low + 2}", column: values[low]} for low in (0, 1)]
    return outputs


def verdict(outputs: Outputs) -> list[str]:
    return verify({word: {0: list(_encoded(rows))} for word, rows in outputs.items()}, SMALL.records())


def _encoded(rows: Iterable[dict[str, Any]]) -> Iterable[Record]:
    return (Record(offset, b"", json.dumps(row).encode()) for offset, row in enumerate(rows))


def test_outputs_that_are_right_are_taken_for_right() -> None:
    assert verdict(right()) == []


@pytest.mark.parametrize("word", sorted(right()))
@pytest.mark.parametrize("harm", [lambda rows: rows[:-1], lambda rows: []], ids=["a row is lost", "all are lost"])
def test_what_is_lost_is_seen(word: str, harm: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    outputs = right()

    assert verdict(outputs | {word: harm(outputs[word])})


@pytest.mark.parametrize("word", ["echo", "min-suppressed", "sws-suppressed"])
def test_what_is_doubled_is_seen(word: str) -> None:
    outputs = right()

    assert verdict(outputs | {word: [*outputs[word], outputs[word][-1]]})


@pytest.mark.parametrize(("word", "column"), [("cnt", "n"), ("max", "high"), ("sum", "total")])
def test_a_table_that_goes_back_for_a_moment_is_seen(word: str, column: str) -> None:
    outputs = right()
    last = outputs[word][-1]

    assert verdict(outputs | {word: [*outputs[word], {**last, column: last[column] - 1}, last]})


@pytest.mark.parametrize(
    ("word", "column"), [("sws-raw", "total"), ("sws-suppressed", "total"), ("avg", "avg"), ("tagg", "keys")]
)
def test_a_value_that_is_wrong_is_seen(word: str, column: str) -> None:
    outputs = right()
    first = outputs[word][0]

    assert verdict(outputs | {word: [{**first, column: first[column] + 1}, *outputs[word][1:]]})


@pytest.mark.slow
def test_twelve_aggregates_are_right_while_workers_come_and_are_killed(kafka: KafkaBroker, tmp_path: Path) -> None:
    scenario = Scenario(keys=10, per_key=300, seconds=8, change=2, running=2, crash=True, state="wiped")

    assert run_smoke(kafka, scenario, name="smoke", place=tmp_path) == []
