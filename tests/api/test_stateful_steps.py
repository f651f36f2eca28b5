"""Groups, windows, aggregates and late rows."""

import pyarrow as pa
import pytest

from streamframe.api.windows import hopping, tumbling
from streamframe.core.errors import PlanError
from streamframe.plan.nodes import Aggregate
from tests.api.programs import builder, clicks, compiled


def problem(call):
    with pytest.raises(PlanError) as caught:
        call()
    return caught.value


def minutes(frame=None, **options):
    return (clicks() if frame is None else frame).groupby("user").window(tumbling("1min", **options))


def test_a_window_has_its_keys_its_bounds_and_its_outputs():
    frame = clicks().groupby("user", "page").window(tumbling("1min")).agg(total=("amount", "sum"), n="size")

    assert frame.schema == pa.schema(
        [
            pa.field("user", pa.large_string(), nullable=False),
            pa.field("page", pa.large_string(), nullable=False),
            ("window_start", pa.timestamp("ms")),
            ("window_end", pa.timestamp("ms")),
            ("total", pa.float64()),
            ("n", pa.int64()),
        ]
    )


def test_without_a_window_there_is_a_table_that_emits_changes():
    node = clicks().groupby(["user", "page"], dropna=False).agg(n="size")._node

    assert isinstance(node, Aggregate)
    assert (node.keys, node.emit, node.window, node.keep_null_keys) == (("user", "page"), "changes", None, True)
    assert node.schema.field("user").nullable


def test_windows_emit_final_results_unless_told_otherwise():
    assert minutes().agg(n="size")._node.emit == "final"
    assert minutes().agg(n="size", emit="changes")._node.emit == "changes"


def test_a_generated_name_comes_from_inputs_keys_and_window():
    frame = clicks()

    assert minutes(frame).agg(n="size")._node.name == "clicks-by-user-tumbling-1min"
    assert minutes(frame.query("ok")).agg(n="size")._node.name == "clicks-by-user-tumbling-1min"
    assert minutes(frame, grace="9s").agg(n="size")._node.name == "clicks-by-user-tumbling-1min"
    node = frame.groupby("page").window(hopping("1h", every="5min")).agg(n="size")._node
    assert (node.name, node.generated) == ("clicks-by-page-hopping-1h-every-5min", True)
    assert not minutes().agg(n="size", name="totals")._node.generated


def test_two_aggregates_of_one_generated_name_ask_for_a_name():
    program = builder()
    frame = clicks(program)
    minutes(frame).agg(n="size").to_topic("a")
    minutes(frame).agg(total=("amount", "sum")).to_topic("b")

    error = problem(program.plan)

    assert error.message == "two steps have the same generated name"
    assert error.facts["name"] == "clicks-by-user-tumbling-1min"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.groupby(), "needs at least one column"),
        (lambda f: f.groupby("usr"), "unknown column"),
        (lambda f: f.groupby("amount"), "cannot be a key"),
        (lambda f: f.groupby("tags"), "cannot be a key"),
        (lambda f: f.groupby("user", "user"), "names a column twice"),
        (lambda f: f.groupby("user").window("1min"), "not a window"),
        (lambda f: minutes(f).agg(user=("amount", "sum")), "name of a key"),
        (lambda f: minutes(f).agg(window_end=("amount", "sum")), "name of a key or of a window column"),
        (lambda f: minutes(f).agg(n="size", name="a b"), "legal topic name"),
        (lambda f: minutes(f).agg(name=("amount", "sum")), "legal topic name"),
        (lambda f: minutes(f).agg(n="size", emit="finally"), "unknown emit"),
        (lambda f: f.groupby("user").agg(n="size", emit="final"), "never has a final result"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    assert message in problem(lambda: call(clicks())).message


def test_changes_are_not_aggregated_again():
    live = clicks().groupby("user", "page").agg(n="size", name="live")

    error = problem(lambda: live.query("n > 1").groupby("user").agg(pages="size"))

    assert "count every correction again" in error.message
    assert error.facts["changes_of"] == "live"


def test_final_results_may_be_aggregated_again():
    hours = minutes().agg(n="size").groupby("user").window(tumbling("1h")).agg(n=("n", "sum"), name="hours")

    assert hours.columns == ["user", "window_start", "window_end", "n"]


def test_a_key_cannot_have_the_name_of_a_window_column():
    again = minutes().agg(n="size").groupby("user", "window_start").window(tumbling("1h"))

    assert "rename" in problem(lambda: again.agg(n=("n", "sum"))).hint


def test_late_rows_are_a_frame_with_the_window_that_they_missed():
    frame = minutes().agg(n="size", name="totals").late

    assert frame.columns == [*clicks().columns, "window_start", "window_end", "late_by"]
    assert frame.schema.field("late_by").type == pa.duration("us")
    assert frame._node.name == "totals-late"


def test_late_rows_may_be_asked_for_twice():
    program = builder()
    totals = minutes(clicks(program)).agg(n="size", name="totals")
    totals.late.to_topic("late")
    totals.late.query("amount > 100").to_topic("late-and-large")

    assert compiled(program).sink_topics == ("late", "late-and-large")


def test_late_rows_of_windows_over_windows_need_other_names():
    again = minutes().agg(n="size").groupby("user").window(tumbling("1h")).agg(n=("n", "sum"), name="hours")

    assert "rename" in problem(lambda: again.late).hint


def test_a_topic_may_be_written_with_another_emit():
    program = builder()
    totals = minutes(clicks(program)).agg(n="size", name="totals")
    totals.to_topic("live", emit="changes")
    totals.late.to_topic("late")

    topology = compiled(program)

    assert topology.changelogs == ("app-totals-changelog",)
    (store,) = [store for sub in topology.sub_topologies for store in sub.stores]
    assert isinstance(store.node, Aggregate)
    assert store.node.emit == "changes"


def test_one_aggregate_is_not_written_both_ways():
    program = builder()
    totals = minutes(clicks(program)).agg(n="size", name="totals")
    totals.to_topic("final", emit="final")
    totals.to_topic("live", emit="changes")

    assert "both final results and changes" in problem(program.plan).message


def test_a_table_cannot_be_written_as_final():
    table = clicks().groupby("user").agg(n="size")

    assert "never has a final result" in problem(lambda: table.to_topic("out", emit="final")).message
    assert "unknown emit" in problem(lambda: table.to_topic("out", emit="chnages")).message
