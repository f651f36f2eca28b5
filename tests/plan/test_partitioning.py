"""Where rows must change partition."""

import pyarrow as pa
import pytest

from streamframe.plan.graph import topological
from streamframe.plan.nodes import Aggregation, Assign, Cast, CustomAggregate, Explode, MapBatches, Project
from streamframe.plan.partitioning import Promise, carries_partials, merges, partitioning
from tests.plan.programs import COLUMNS, keep, late, source, to, total, united


def spread(*ends):
    return partitioning(topological(ends))


def project(before, *pairs):
    schema = pa.schema([before.schema.field(old).with_name(new) for new, old in pairs])
    return Project(name="project", schema=schema, input=before, columns=pairs)


def assign(before, name):
    return Assign(name="assign", schema=before.schema, input=before, assignments=((name, 1),))


def test_grouping_by_the_promised_key_needs_no_repartition_topic():
    node = total(keep(source(key=("user",))), "user")

    found = spread(node)

    assert found.cuts == {}
    assert found.promises[node] == Promise(columns=("user",))


def test_grouping_by_more_than_the_promised_key_needs_none_either():
    assert spread(total(source(key=("user",)), "page", "user")).cuts == {}


@pytest.mark.parametrize("key", [(), ("page",), ("user", "page")])
def test_grouping_by_anything_else_is_cut(key):
    node = total(source(key=key), "user")

    found = spread(node)

    assert found.cuts == {node: True}
    assert found.promises[node] == Promise(columns=("user",), nulls=True)
    assert found.origins[node] == (node,)


def test_a_kept_null_key_may_be_anywhere_in_a_topic_of_others_but_not_behind_our_own():
    outside = total(source(key=("user",)), "user", keep_null_keys=True)
    behind = total(total(source(), "user", keep_null_keys=True), "user", name="next", keep_null_keys=True)

    assert outside in spread(outside).cuts
    assert behind not in spread(behind).cuts


@pytest.mark.parametrize(
    ("step", "promised"),
    [
        (lambda s: keep(s), ("user",)),
        (lambda s: assign(s, "amount"), ("user",)),
        (lambda s: assign(s, "user"), ()),
        (lambda s: project(s, ("who", "user"), ("amount", "amount")), ("who",)),
        (lambda s: project(s, ("who", "user"), ("user", "page")), ("who",)),
        (lambda s: project(s, ("amount", "amount")), ()),
        (lambda s: Cast(name="cast", schema=COLUMNS, input=s, columns=("amount",)), ("user",)),
        (lambda s: Cast(name="cast", schema=COLUMNS, input=s, columns=("user",)), ()),
        (lambda s: Explode(name="explode", schema=COLUMNS, input=s, column="page"), ("user",)),
        (lambda s: Explode(name="explode", schema=COLUMNS, input=s, column="user"), ()),
        (lambda s: MapBatches(name="map", schema=COLUMNS, input=s, function=lambda df: df), ()),
    ],
)
def test_a_promise_lasts_until_a_step_changes_its_columns(step, promised):
    node = step(source(key=("user",)))

    assert spread(node).promises[node].columns == promised


def test_topics_with_one_promise_are_read_side_by_side():
    a, b = source("a", key=("user",)), source("b", key=("user",))
    node = total(united(a, b), "user")

    found = spread(node)

    assert found.cuts == {}
    assert found.origins[node] == (a, b)


def test_topics_with_different_promises_promise_nothing_together():
    both = united(source("a", key=("user",)), source("b", key=("page",)))

    assert spread(both).promises[both].columns == ()


def test_a_topic_is_not_read_beside_a_repartition_topic_that_it_could_feed():
    clicks = source(key=("user",))
    by_page = total(clicks, "page", name="by-page")
    again = total(keep(by_page), "page", name="again")
    mixed = total(united(keep(by_page), source("pages", key=("page",))), "page", name="mixed")

    found = spread(again, mixed)

    assert again not in found.cuts, "behind its own repartition topic alone"
    assert mixed in found.cuts


def test_late_rows_leave_where_lateness_is_decided():
    clicks = source()
    partial, whole = total(clicks, "user"), total(clicks, "user", name="whole", function="nunique")
    early, tardy = late(partial), late(whole)

    found = spread(to(early, "a"), to(tardy, "b"), to(partial, "c"), to(whole, "d"))

    assert found.origins[early] == (clicks,)
    assert found.origins[tardy] == (whole,)


def test_partial_aggregates_need_every_aggregation_to_merge():
    custom = CustomAggregate(columns=("amount",), init={"n": 0}, update=max, finish=max)
    own = Aggregation(output="x", function="custom", inputs=("amount",), type=pa.float64(), custom=custom)

    assert not merges(own)
    assert carries_partials(total(source(), "user", function="mean"))
    assert not carries_partials(total(source(), "user", function="nunique"))


def test_where_partitions_may_be_idle_the_receiver_decides_what_is_late():
    sleepy = source("sleepy", idle_timeout=1_000_000)

    assert not carries_partials(total(sleepy, "user"))
    assert not carries_partials(total(total(sleepy, "user"), "user", name="next"))
