"""Documents are plain values for JSON, and say what the snapshots say."""

import json
from dataclasses import replace

import pytest

from streamframe.observe.documents import (
    DOCUMENTS,
    errors,
    fleet_state,
    lag,
    loop,
    operators,
    partitions,
    program_metrics,
    status,
    stores,
)
from streamframe.observe.fleet import Fleet
from tests.observe.fleets import IDENTITY, NOW, SECOND, fleet, snapshot


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_is_json_also_before_there_is_anything_to_say(name):
    for seen in (fleet(), Fleet(snapshots={})):
        document = DOCUMENTS[name](seen, IDENTITY)
        assert json.loads(json.dumps(document)) == document


def test_status_adds_up_what_the_workers_say():
    found = status(fleet(snapshots={0: snapshot(), 1: snapshot(state="running")}), replace(IDENTITY, workers=2))

    assert (found["rows_in"], found["rows_out"], found["rows_late"]) == (200, 14, 6)
    assert (found["lag_records"], found["lag_seconds"]) == (8, 2.0)
    assert (found["state"], found["restarts"], len(found["workers"])) == ("restoring", 2, 2)


@pytest.mark.parametrize(
    ("states", "workers", "whole"),
    [
        (["running", "running"], 2, "running"),
        (["running", "restoring"], 2, "restoring"),
        (["running", "failed"], 2, "failed"),
        (["running"], 2, "starting"),
        ([], 1, "starting"),
    ],
)
def test_the_whole_is_as_far_as_the_worker_that_is_furthest_behind(states, workers, whole):
    seen = fleet(snapshots={n: snapshot(state=state) for n, state in enumerate(states)})
    assert fleet_state(seen, replace(IDENTITY, workers=workers)) == whole


def test_the_partition_that_is_furthest_behind_comes_first():
    rows = partitions(fleet(), IDENTITY)["partitions"]
    assert [(row["topic"], row["lag"]) for row in rows] == [("clicks", 4), ("shop-totals-repartition", None)]


def test_lag_by_topic_says_how_many_partitions_are_not_known():
    rows = lag(fleet(), IDENTITY)["topics"]
    assert rows == [
        {"topic": "clicks", "partitions": 1, "unknown": 0, "lag": 4, "lag_seconds": 2.0},
        {"topic": "shop-totals-repartition", "partitions": 1, "unknown": 1, "lag": 0, "lag_seconds": 0.0},
    ]


def test_shares_are_those_of_the_time_since_the_earlier_snapshot():
    earlier = snapshot(
        now=NOW - 40 * SECOND,
        operators={"clicks": 2 * SECOND},
        measured=replace(snapshot().measured, loop={"process": 2 * SECOND}),
    )
    seen = fleet(earlier={0: earlier})

    busy = {row["operator"]: row["busy_share"] for row in operators(seen, IDENTITY)["operators"]}
    assert next(iter(busy)) == "totals"
    assert (busy["totals"], busy["clicks"]) == (0.75, 0.0)
    assert loop(seen, IDENTITY)["phases"][0] == {"phase": "process", "seconds": 6.0, "share": 0.75}


def test_a_store_that_is_restored_says_how_much_is_left():
    rows = stores(fleet(), IDENTITY)["stores"]
    assert [(row["partition"], row["restoring"], row["remaining"]) for row in rows] == [(0, False, None), (1, True, 70)]


def test_a_dead_letter_says_where_the_record_is():
    (letter,) = errors(fleet(), IDENTITY)["dead_letters"]
    assert (letter["topic"], letter["partition"], letter["offset"], letter["error"]) == ("clicks", 0, 17, "json")


def test_metrics_of_the_program_have_a_row_per_combination_of_labels():
    rows = program_metrics(fleet(), IDENTITY)["metrics"]
    assert [(row["labels"], row["value"], row["count"]) for row in rows] == [
        ({"currency": "EUR"}, 3.0, None),
        ({"currency": "<b>"}, 1.0, None),
        ({}, None, 3),
    ]
