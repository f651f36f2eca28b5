"""Programs under test without a broker."""

from __future__ import annotations

import pandas as pd
import pytest

import streamframe as sf
from streamframe.testing import TopologyTest

SCHEMA = {"user": "string", "amount": "float64", "ts": "timestamp[ms]"}


def an_app() -> sf.App:
    app = sf.App("clicks", dead_letters="dead")
    clicks = app.topic("clicks", SCHEMA, event_time="ts")
    totals = clicks.groupby("user").window(sf.tumbling("10s", grace="2s")).agg(total=("amount", "sum"), name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")
    return app


def click(user: str, ts: int, amount: float = 1.0) -> dict[str, object]:
    return {"user": user, "amount": amount, "ts": ts}


def test_a_window_is_read_once_it_is_closed_and_only_once() -> None:
    with TopologyTest(an_app()) as t:
        t.send("clicks", [click("a", 1_000), click("a", 2_000)])
        assert t.read("totals").empty

        t.send("clicks", click("b", 12_000))

        found = t.read("totals")
        assert found[["user", "total"]].to_dict("records") == [{"user": "a", "total": 2.0}]
        assert t.read("totals").empty


def test_frames_and_raw_values_are_sent_alike() -> None:
    with TopologyTest(an_app()) as t:
        t.send("clicks", pd.DataFrame([click("a", 1_000)]))
        t.send("clicks", [b'{"user": "a", "amount": 2, "ts": 1500}', b"{broken", None])
        t.send("clicks", click("b", 50_000))

        assert t.read("totals")["total"].tolist() == [3.0]
        assert t.read("dead")["value"].tolist() == [b"{broken"]
        assert t.counts["rows_null_value:clicks"] == 1


def test_partitions_close_windows_together_and_a_silent_one_holds_them_open() -> None:
    with TopologyTest(an_app(), partitions=2) as t:
        t.send("clicks", [click("a", 1_000), click("a", 60_000)], partition=0)
        assert t.read("totals").empty

        t.send("clicks", click("b", 30_000), partition=1)

        assert t.read("totals")["user"].tolist() == ["a"]


@pytest.mark.parametrize("wipe", [False, True])
def test_a_crash_loses_nothing_and_doubles_nothing(wipe: bool) -> None:
    with TopologyTest(an_app(), partitions=2, workers=2) as t:
        t.send("clicks", [click("a", 1_000), click("a", 2_000)], partition=0)
        t.commit()
        t.send("clicks", click("a", 3_000), partition=0)
        t.crash(wipe=wipe)
        t.send("clicks", click("b", 60_000), partition=0)
        t.send("clicks", click("b", 60_000), partition=1)

        assert t.read("totals")["total"].tolist() == [3.0]


def test_state_follows_its_partitions_to_other_workers() -> None:
    with TopologyTest(an_app(), partitions=4) as t:
        for partition in range(4):
            t.send("clicks", click(f"u{partition}", 1_000), partition=partition)
        t.rebalance(workers=3)
        t.rebalance(workers=1)
        for partition in range(4):
            t.send("clicks", click("end", 60_000), partition=partition)

        assert sorted(t.read("totals")["user"]) == ["u0", "u1", "u2", "u3"]


def test_for_each_batch_sees_each_row_once_and_batch_ids_are_unique() -> None:
    app = sf.App("push")
    seen: list[tuple[str, list[int]]] = []
    schema = {"n": "int64", "ts": "timestamp[ms]"}
    both = sf.union(app.topic("a", schema, event_time="ts"), app.topic("b", schema, event_time="ts"))
    both.for_each_batch(lambda frame, batch_id: seen.append((batch_id, frame["n"].tolist())), name="push")
    with TopologyTest(app) as t:
        t.send("a", [{"n": 1, "ts": 1}, {"n": 2, "ts": 2}])
        t.send("b", {"n": 3, "ts": 1})
        t.commit()
        t.crash()
        t.send("a", {"n": 4, "ts": 3})
        t.commit()

    assert sorted(n for _batch_id, rows in seen for n in rows) == [1, 2, 3, 4]
    assert len({batch_id for batch_id, _rows in seen}) == len(seen) == 3


def test_a_topic_that_the_program_does_not_read_is_named_with_a_guess() -> None:
    with TopologyTest(an_app()) as t, pytest.raises(sf.ConfigError, match="did you mean 'clicks'"):
        t.send("click", click("a", 1))


def test_a_bad_record_without_a_dead_letter_topic_fails_with_its_coordinates() -> None:
    app = sf.App("strict")
    app.topic("clicks", SCHEMA, event_time="ts").to_topic("out")
    with TopologyTest(app) as t, pytest.raises(sf.RecordError, match="offset=0"):
        t.send("clicks", [b"{broken"])
