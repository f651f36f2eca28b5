"""Frames never change, and say what to use instead of what a stream cannot do."""

import pytest

from streamframe.api.frame import Aggregated, Frame, Grouped, WindowAggregated, Windowed
from streamframe.api.windows import tumbling
from streamframe.core.errors import PlanError
from tests.api.programs import builder, clicks, compiled


def problem(call):
    with pytest.raises(PlanError) as caught:
        call(clicks())
    return caught.value


def set_item(frame):
    frame["x"] = 1


def set_attribute(frame):
    frame.x = 1


def delete_item(frame):
    del frame["x"]


def iterate(frame):
    for _ in frame:
        return


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (set_item, "assign(x=lambda df: ...)"),
        (set_attribute, "assign(x=lambda df: ...)"),
        (delete_item, "drop('x')"),
        (len, "agg(n='size')"),
        (bool, "is not None"),
        (iterate, "for_each_batch"),
        (lambda f: f["amount"], "select('amount')"),
        (lambda f: f[["amount"]], "select(['amount'])"),
        (lambda f: f[f.columns == "x"], "filter(lambda df"),
        (lambda f: "amount" in f, "frame.columns"),
        (lambda f: f.groupby("user")["amount"], "agg(out=('amount', 'sum'))"),
        (lambda f: f.groupby("user").window(tumbling(1))["amount"], "agg(out=('amount', 'sum'))"),
        (lambda f: list(f.groupby("user")), "agg(n='size')"),
        (lambda f: list(f.groupby("user").window(tumbling(1))), "agg(n='size')"),
    ],
)
def test_what_a_stream_cannot_do_names_the_verb_to_use(call, hint):
    assert hint in problem(call).hint


def test_each_class_leads_to_the_next():
    frame = clicks()
    grouped = frame.groupby("user")
    windowed = grouped.window(tumbling("1min"))

    assert type(frame) is Frame
    assert type(grouped) is Grouped
    assert type(windowed) is Windowed
    assert type(windowed.agg(n="size")) is WindowAggregated
    assert type(grouped.agg(n="size")) is Aggregated
    assert type(windowed.agg(n="size").query("n > 1")) is Frame


def test_a_frame_can_be_used_twice():
    program = builder()
    big = clicks(program).query("amount > 100")
    big.to_topic("big")
    big.groupby("user").agg(n="size", name="counts").to_topic("counts")

    assert [stage.node.name for stage in compiled(program).sub_topologies[0].stages] == [
        *("clicks", "clicks-query-amount", "clicks-to-big", "counts"),
    ]


def test_frames_print_their_columns():
    frame = clicks().select("user", "amount")

    assert repr(frame) == "<Frame clicks-select [user: large_string, amount: double]>"
    assert repr(frame.groupby("user")) == "<Grouped clicks-select by user>"
    assert repr(frame.groupby("user").window(tumbling("1min"))) == "<Windowed clicks-select by user>"


def test_a_query_takes_variables_from_where_it_is_written():
    def inner(frame):
        limit = 7
        return frame.query("amount > @limit"), limit

    frame, limit = inner(clicks())

    assert frame._node.variables == {"limit": limit}


def test_the_usual_probing_of_objects_does_no_harm():
    frame = clicks()

    assert not hasattr(frame, "sort_values")
    assert not hasattr(frame, "__array__")
    assert getattr(frame, "_repr_html_", None) is None


def test_the_whole_example_compiles():
    program = builder()
    totals = (
        clicks(program, event_time="ts")
        .query("amount > 0")
        .assign(euro=lambda df: df["amount"] * 0.92)
        .groupby("user")
        .window(tumbling("1min", grace="10s"))
        .agg(total=("euro", "sum"), n=("euro", "count"), name="totals")
    )
    totals.to_topic("click-totals", key="user")
    totals.late.to_topic("late-clicks")

    topology = compiled(program)

    assert totals.columns == ["user", "window_start", "window_end", "total", "n"]
    assert topology.sink_topics == ("click-totals", "late-clicks")
    assert topology.changelogs == ("app-totals-changelog",)


def test_only_the_columns_in_use_are_decoded():
    program = builder()
    frame = clicks(program, key="user").query("ok").assign(euro=lambda df: df["amount"] * 2)
    frame.groupby("user").agg(total=("euro", "sum"), name="totals").to_topic("out")

    assert compiled(program).sub_topologies[0].stages[0].columns == ("user", "amount", "ok")
