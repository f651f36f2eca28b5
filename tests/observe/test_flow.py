"""Rows per edge follow from what the steps counted."""

import pytest

from streamframe.app.application import App
from streamframe.observe.flow import rows_by_stage
from streamframe.plan.explain import outline
from tests.observe.fleets import PLAN


@pytest.fixture
def plan():
    import streamframe as sf

    app = App("shop", dead_letters="letters")
    clicks = app.topic(
        "clicks", schema={"user": "string", "n": "int64", "ts": "timestamp[ms]"}, event_time="ts", key="user"
    )
    totals = clicks.query("n > 0").groupby("user").window(sf.tumbling("10s")).agg(n="size", name="totals")
    totals.to_topic("counts", key="user")
    totals.late.to_topic("late")
    return outline(app.topology())


def test_what_steps_take_out_does_not_go_on(plan):
    counts = {
        "clicks": {"rows_in": 100, "rows_dead_letter": 5, "rows_null_value": 1},
        "clicks-query-n": {"rows_filtered": 4},
        "totals": {"rows_aggregated": 80, "rows_late": 10, "windows_missed": 10, "rows_emitted": 7},
    }
    found = rows_by_stage(plan, counts)
    by_name = {stage["name"]: found.get((0, stage["index"])) for stage in plan["sub_topologies"][0]["stages"]}
    assert by_name["clicks"] == {"rows": 94.0}
    assert by_name["clicks-query-n"] == {"rows": 90.0}
    assert by_name["totals"] == {"rows": 7.0, "late": 10.0}


def test_what_cannot_be_told_is_left_out():
    assert rows_by_stage(PLAN, {}) == {(0, 0): {"rows": 0.0}, (1, 1): {"rows": 0.0, "late": 0.0}, (1, 2): {"rows": 0.0}}
