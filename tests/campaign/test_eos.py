"""Kafka's EosTest, short: the verdicts on outputs that are wrong on purpose, and a run on a real broker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamframe.core.ids import TopicPartition
from streamframe.testing.broker import KafkaBroker
from tests.campaign.bounces import FAULTS
from tests.campaign.eos import EosRun, Scenario, check_copy, check_moved, check_table, up_to
from tests.campaign.fleet import IMPATIENT
from tests.campaign.topics import Record, transactions

INPUT = [Record(offset, key.encode(), json.dumps({"key": key, "value": value}).encode()) for offset, (key, value) in
         enumerate([("a", 5), ("b", 1), ("a", 3), ("a", 4), ("b", 9)])]  # fmt: skip


def change(offset: int, key: str, low: int, total: int, n: int) -> Record:
    return Record(offset, key.encode(), json.dumps({"key": key, "low": low, "total": total, "n": n}).encode())


RIGHT = [change(0, "a", 5, 5, 1), change(1, "b", 1, 1, 1), change(3, "a", 3, 12, 3), change(4, "b", 1, 10, 2)]
"""Two transactions: up to record 2, and up to record 5; a marker is at offset 2."""


def test_records_with_a_gap_between_their_offsets_are_of_two_transactions() -> None:
    assert [len(step) for step in transactions(RIGHT)] == [2, 2]


def test_a_table_that_is_right_at_every_step_is_taken_for_right() -> None:
    assert check_table(INPUT, RIGHT, "t") == (2, [])


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (RIGHT[:2], "stands at record 2, 5 are committed"),
        ([*RIGHT, change(6, "b", 1, 19, 3)], "covers 1 of 0 records"),
        (RIGHT[:3], "stands at record 4, 5 are committed"),
        ([*RIGHT[:3], change(4, "b", 2, 10, 2)], "wrong for the keys ['b']"),
        ([RIGHT[0], RIGHT[1], change(2, "a", 3, 8, 2), *RIGHT[2:]], "a key twice"),
        ([*RIGHT, change(5, "b", 1, 10, 2)], "a key twice"),
        ([*RIGHT[:2], change(3, "a", 3, 9, 2)], "wrong for the keys ['a']"),
        ([RIGHT[0], RIGHT[1], change(3, "a", 5, 5, 1)], "covers 0 of 3 records"),
    ],
)
def test_a_table_that_is_wrong_at_any_step_is_seen(outputs: Sequence[Record], said: str) -> None:
    _, [finding] = check_table(INPUT, outputs, "t")

    assert said in finding


def test_a_copy_that_lost_doubled_or_moved_a_record_is_seen() -> None:
    for copied in (INPUT[:-1], [*INPUT, INPUT[-1]], [INPUT[1], INPUT[0], *INPUT[2:]]):
        assert check_copy({0: INPUT}, {0: copied}, "echo")
    assert not check_copy({0: INPUT}, {0: INPUT}, "echo")


def test_a_table_of_moved_rows_must_rise_and_end_at_the_total() -> None:
    def digits(*rows: tuple[int, int, int]) -> dict[int, list[Record]]:
        return {0: [Record(0, b"", json.dumps({"digit": d, "n": n, "total": t}).encode()) for d, n, t in rows]}

    right = [(5, 1, 5), (1, 1, 1), (3, 1, 3), (4, 1, 4), (9, 1, 9)]
    assert not check_moved({0: INPUT}, digits(*right), "digits", drained=True)
    assert not check_moved({0: INPUT}, digits(*right[:3]), "digits", drained=False)
    assert check_moved({0: INPUT}, digits(*right[:3]), "digits", drained=True)
    assert check_moved({0: INPUT}, digits(*right, (9, 1, 9)), "digits", drained=False)
    assert check_moved({0: INPUT}, digits(*right, (9, 2, 18)), "digits", drained=False)


def test_the_cut_is_the_committed_offset_of_each_partition() -> None:
    committed = {TopicPartition("data", 0): 2}

    assert up_to({0: INPUT, 1: INPUT}, committed, "data") == {0: INPUT[:2], 1: []}


@pytest.mark.slow
def test_every_step_is_right_while_workers_are_killed_stopped_and_hang(kafka: KafkaBroker, tmp_path: Path) -> None:
    scenario = Scenario(
        sequence="+1 +2 !1 +1 ?2 -2 -1",
        program="complex",
        state="rolled-back",
        commit_interval="500ms",
        pause_max=0.003,
        hang=True,
        options=("-X", "limits.watchdog=8s", "-X", "kafka.request_timeout_ms=4000"),
    )

    outcome = EosRun(kafka, scenario, name="eos", place=tmp_path).run()

    assert outcome.perfect, outcome
    assert outcome.hangs >= 1, "the planted hang, and on a starved machine others"
    assert outcome.records > 100


@pytest.mark.kafka
@pytest.mark.slow
def test_every_step_is_right_while_the_leader_of_the_transactions_is_killed(tmp_path: Path) -> None:
    scenario = Scenario(
        sequence="+1 leader:transactions !1 +1 -1",
        state="wiped",
        commit_interval="500ms",
        pause_max=0.003,
        options=IMPATIENT,
    )

    with KafkaBroker(nodes=3) as broker:
        outcome = EosRun(broker, scenario, name="bounce", place=tmp_path, faults=FAULTS).run()

    assert outcome.perfect, outcome
    assert outcome.records > 100
