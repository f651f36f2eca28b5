"""Walking a plan."""

from dataclasses import replace

import pyarrow as pa

from streamframe.plan.graph import emitter, has_row_origin, root_name, sources_of, topological
from streamframe.plan.nodes import MapBatches, Node
from tests.plan.programs import keep, late, source, to, total, united


def mapped(before):
    return MapBatches(name="map", schema=pa.schema([("x", pa.int64())]), input=before, function=lambda df: df)


def test_inputs_come_before_the_nodes_that_read_them_and_each_node_once():
    clicks = source()
    kept = keep(clicks)
    first, second = to(kept, "a"), to(united(clicks, kept), "b")

    assert topological([first, second]) == (clicks, kept, first, second.input, second)


def test_a_long_chain_is_walked_without_recursion():
    node: Node = source()
    for number in range(3000):
        node = keep(node, name=f"keep-{number}")

    assert len(topological([node])) == 3001


def test_sources_are_found_behind_aggregates_and_unions():
    clicks, orders = source("clicks"), source("orders")

    assert sources_of(united(total(clicks, "user"), orders)) == (clicks, orders)


def test_changes_are_followed_through_stateless_steps_and_end_at_an_aggregate():
    live = total(source(), "user", emit="changes")

    assert emitter(keep(live)) is live
    assert emitter(united(source("other"), live)) is live
    assert emitter(replace(live, emit="final")) is None
    assert emitter(late(live)) is None
    assert emitter(total(live, "user", name="next")) is None


def test_stateless_steps_do_not_change_what_generated_names_start_with():
    clicks = source()

    assert root_name(keep(clicks)) == "clicks"
    assert root_name(keep(total(clicks, "user"))) == "totals"
    assert root_name(late(total(clicks, "user"))) == "totals-late"
    assert root_name(united(keep(clicks), clicks, source("orders"))) == "clicks-orders"


def test_rows_have_kafka_metadata_until_a_step_makes_other_rows():
    clicks = source()

    assert has_row_origin(united(keep(clicks), source("orders")))
    assert not has_row_origin(mapped(clicks))
    assert not has_row_origin(keep(mapped(clicks)))
    assert not has_row_origin(total(clicks, "user"))
    assert not has_row_origin(late(total(clicks, "user")))
