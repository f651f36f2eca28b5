"""The input of a run: records per topic and partition, drawn from the seed, nasty on purpose.

Disorder and lateness, hot keys, partitions that never have a row or fall silent, null keys and values,
bytes that are no JSON, times that are missing, negative, or days ahead.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

SCHEMA: Final = {"id": "int64", "user": "string", "page": "string", "amount": "int64", "ts": "timestamp[ms]"}

FAR_AHEAD: Final = 2 * 86_400_000
"""Milliseconds by which a far-future row is ahead: it closes every window of its partition."""

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record, and what it means.

    Attributes:
        id: Unique in the run.
        key: Record key.
        value: Record value.
        timestamp: Record timestamp, milliseconds.
        time: Event time, microseconds; ``None``: the record cannot be used.
        columns: Its columns; empty when it cannot be used.
        dead: Whether it must become a dead letter (a null value is passed over instead).
    """

    id: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    time: int | None
    columns: Mapping[str, object] = field(default_factory=dict)
    dead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """What a program can take.

    Attributes:
        topics: Topics it reads.
        keyed: Whether the message key is the user; then neither may be null.
        kafka_time: Whether event time is the record timestamp.
        rows_max: Most rows per partition.
        steady: Whether event times never jump far: windows are then closed by the clock within minutes.
    """

    topics: tuple[str, ...] = ("clicks",)
    keyed: bool = True
    kafka_time: bool = False
    rows_max: int = 40
    steady: bool = False


Input = Mapping[Place, Sequence[Row]]


def draw_input(rng: random.Random, flavour: Flavour, partitions: int) -> Input:
    """Draw all records of a run."""
    nasty = {kind: rng.random() < 0.5 for kind in ("nonsense", "nulls", "jumps", "far", "negative")}
    if flavour.steady:
        nasty |= {"jumps": False, "far": False}
    users = rng.choice([1, 3, 6, 16, 40])
    number = 0
    found: dict[Place, list[Row]] = {}
    for topic in flavour.topics:
        for partition in range(partitions):
            rows: list[Row] = []
            time = rng.randint(0, 12_000) - (15_000 if nasty["negative"] else 0)
            for _ in range(rng.choice([0, rng.randint(1, flavour.rows_max), flavour.rows_max, flavour.rows_max])):
                time += rng.choice([0, 100, 900, 3_000])
                if nasty["jumps"] and rng.random() < 0.04:
                    time += 60_000
                ahead = FAR_AHEAD if nasty["far"] and rng.random() < 0.01 else 0
                back = rng.choice([0, 0, 0, 500, 1_500, 9_000, 30_000])
                number += 1
                user = f"u{partition + partitions * (0 if rng.random() < 0.4 else rng.randrange(users))}"
                rows.append(_row(rng, flavour, nasty, number, user, time - back + ahead))
            found[topic, partition] = rows
    return found


def _row(rng: random.Random, flavour: Flavour, nasty: Mapping[str, bool], number: int, user: str, ms: int) -> Row:
    if flavour.kafka_time:
        ms = max(0, ms)
    columns: dict[str, object] = {
        "id": number,
        "user": user,
        "page": rng.choice(["/a", "/b", "/c"]),
        "amount": rng.randint(-5, 100),
        "ts": ms,
    }
    if nasty["nulls"] and rng.random() < 0.1:
        columns["amount"] = None
    if nasty["nulls"] and not flavour.keyed and rng.random() < 0.1:
        columns[rng.choice(["user", "page"])] = None
    key = user.encode() if flavour.keyed or rng.random() < 0.8 else None
    if nasty["nonsense"] and rng.random() < 0.12:
        return _nonsense(rng, flavour, number, key, columns)
    value = json.dumps(columns).encode()
    return Row(number, key, value, max(0, ms), ms * 1_000, columns)


def _nonsense(rng: random.Random, flavour: Flavour, number: int, key: bytes | None, columns: dict[str, object]) -> Row:
    kind = rng.choice(["broken", "type", "null", "time"])
    if kind == "null":
        return Row(number, key, None, 0, None)
    if kind == "broken":
        return Row(number, key, b'{"id": %d, "us' % number, 0, None, dead=True)
    if kind == "type":
        return Row(number, key, json.dumps(columns | {"amount": "many"}).encode(), 0, None, dead=True)
    if flavour.kafka_time:
        return Row(number, key, json.dumps(columns).encode(), -1, None, dead=True)
    return Row(number, key, json.dumps(columns | {"ts": None}).encode(), 0, None, dead=True)
