"""Reading a topic: bad records, event times, tombstones, keys."""

from __future__ import annotations

from typing import Any

import pytest

from streamframe.core.errors import RecordError
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.core.metrics import ROWS_DEAD_LETTER, ROWS_IN, ROWS_NULL_VALUE, ROWS_OUT, ROWS_SKIPPED
from tests.operators.harness import Cluster, source, to_topic, topology

SCHEMA = {"user": "string", "amount": "int64", "ts": "timestamp[ms]"}
GOOD = {"user": "a", "amount": 1, "ts": 5}


def cluster_of(*, dead_letters: str | None = None, **options: Any) -> Cluster:
    options = {"schema": SCHEMA, "key": ()} | options
    return Cluster(topology(to_topic(source(**options)), dead_letters=dead_letters))


BAD = [
    b'{"user":"a"',
    b'{"user":1,"ts":1}',
    b"\xff",
    b'{"user":"a","ts":"no time"}',
    b"",
    b'{"user":"a"}',
    b'{"ts":null}',
]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_bad_record_is_set_aside_alone_and_unchanged(bad: bytes, batch: int) -> None:
    cluster = cluster_of(dead_letters="dead")
    cluster.send("clicks", [GOOD, bad, GOOD], key=b"\x00key", headers=[("own", b"h")])
    cluster.run(batch)
    assert cluster.rows("out") == [GOOD, GOOD]
    (letter,) = cluster.outputs["dead"]
    assert (letter.value, letter.key) == (bad, b"\x00key")
    headers = dict(letter.headers)
    assert (headers["own"], headers["sf.offset"], headers["sf.step"]) == (b"h", b"1", b"clicks")
    counted = [cluster.count(what) for what in (ROWS_OUT, ROWS_DEAD_LETTER)]
    assert (cluster.count(ROWS_IN), counted) == (3, [2, 1])


def test_without_a_dead_letter_topic_a_bad_record_ends_the_run_and_is_named() -> None:
    cluster = cluster_of()
    cluster.send("clicks", [GOOD, b"{"])
    with pytest.raises(RecordError) as caught:
        cluster.run()
    assert {"topic": "clicks", "partition": 0, "offset": 1}.items() <= caught.value.facts.items()


def test_skipped_records_are_counted() -> None:
    cluster = cluster_of(on_error="skip")
    cluster.send("clicks", [GOOD, *BAD])
    assert cluster.run().rows("out") == [GOOD]
    assert cluster.count(ROWS_SKIPPED) == len(BAD)


def test_null_values_are_counted_and_filtered() -> None:
    cluster = cluster_of()
    cluster.send("clicks", [GOOD, None, GOOD])
    assert cluster.run().rows("out") == [GOOD, GOOD]
    assert cluster.count(ROWS_NULL_VALUE) == 1


@pytest.mark.parametrize(("stamp", "fine"), [(-1, False), (0, True), (253_402_300_799_999, True), (1 << 62, False)])
def test_event_time_may_be_the_timestamp_of_the_record(stamp: int, fine: bool) -> None:
    cluster = cluster_of(event_time=None, on_error="skip")
    cluster.send("clicks", [GOOD], timestamp=stamp)
    cluster.run()
    assert [record.timestamp for record in cluster.outputs.get("out", [])] == ([stamp] if fine else [])
    assert cluster.count(ROWS_SKIPPED) == (0 if fine else 1)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_event_times_of_any_unit_become_microseconds_or_are_set_aside(unit: str) -> None:
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[unit]
    cluster = cluster_of(schema={**SCHEMA, "ts": f"timestamp[{unit}]"}, on_error="skip")
    cluster.send("clicks", [{**GOOD, "ts": t} for t in (2 * per_second, -2 * per_second, (1 << 63) - 1)])
    cluster.run()
    times = [record.timestamp for record in cluster.outputs["out"]]
    assert times[:2] == [2_000, -2_000]
    assert len(times) + cluster.count(ROWS_SKIPPED) == 3
    assert len(times) == (3 if unit == "ns" else 2)


def test_a_row_too_far_ahead_of_the_clock_does_not_move_stream_time() -> None:
    cluster = cluster_of(max_ahead=1_000_000, on_error="skip")
    cluster.now = 10_000_000
    cluster.send("clicks", [{**GOOD, "ts": t} for t in (10_000, 11_000, 11_001)])
    cluster.run()
    assert [row["ts"] for row in cluster.rows("out")] == [10_000, 11_000]
    program = cluster.tasks[TaskId(0, 0)].program
    assert program.stream_times == {TopicPartition("clicks", 0): 11_000_000}


def test_a_wrong_declaration_of_the_key_is_found_at_once() -> None:
    cluster = cluster_of(key=("user",), on_error="skip")
    cluster.send("clicks", [GOOD], key=b"someone else")
    with pytest.raises(RecordError, match="not the declared key column"):
        cluster.run()


def test_stream_time_survives_a_restart() -> None:
    cluster = cluster_of()
    cluster.send("clicks", [{**GOOD, "ts": t} for t in (7, 3)])
    cluster.run(1)
    cluster.crash(TaskId(0, 0))
    assert cluster.tasks[TaskId(0, 0)].metadata == {TopicPartition("clicks", 0): "1:7000"}
    assert cluster.tasks[TaskId(0, 0)].program.watermark == 7_000
