"""What nobody reads is not decoded."""

import pyarrow as pa

from streamframe.plan.graph import topological
from streamframe.plan.nodes import Assign, Explode, MapBatches, Project
from streamframe.plan.projection import Projection, decoded
from tests.plan.programs import COLUMNS, keep, late, source, to, total, united


def projection(*ends):
    return Projection(topological(ends))


def select(before, *names):
    schema = pa.schema([before.schema.field(name) for name in names])
    return Project(name="select", schema=schema, input=before, columns=tuple((name, name) for name in names))


def test_a_sink_reads_everything_and_an_aggregate_what_it_names():
    clicks = source()

    assert projection(to(clicks)).leaving(clicks) == ("user", "page", "amount", "ts")
    assert projection(to(total(clicks, "page"))).leaving(clicks) == ("page", "amount")


def test_columns_come_in_the_order_of_the_schema():
    clicks = source()
    node = total(keep(clicks, uses=("ts",)), "page", "user")

    assert projection(to(node)).entering(node.input) == ("user", "page", "amount", "ts")


def test_a_function_that_could_not_be_traced_reads_everything():
    clicks = source()

    assert projection(to(total(keep(clicks, uses=None), "user"))).leaving(clicks) == tuple(COLUMNS.names)


def test_an_assigned_column_need_not_be_there_before_unless_it_is_read():
    clicks = source()
    fresh = Assign(name="a", schema=COLUMNS, input=clicks, uses=frozenset(["page"]), assignments=(("amount", max),))
    again = Assign(name="a", schema=COLUMNS, input=clicks, uses=frozenset(["amount"]), assignments=(("amount", max),))

    assert projection(to(total(fresh, "user"))).leaving(clicks) == ("user", "page")
    assert projection(to(total(again, "user"))).leaving(clicks) == ("user", "amount")


def test_a_chosen_column_that_nobody_reads_is_not_needed():
    clicks = source()

    assert projection(to(total(select(clicks, "user", "page", "amount"), "user"))).leaving(clicks) == ("user", "amount")


def test_map_batches_reads_what_it_uses_and_nothing_passes_by():
    clicks = source()
    step = MapBatches(name="m", schema=COLUMNS, input=clicks, uses=frozenset(["page"]), function=max)

    assert projection(to(step)).leaving(clicks) == ("page",)


def test_an_exploded_column_is_needed_even_when_only_the_number_of_rows_counts():
    clicks = source()
    step = Explode(name="e", schema=COLUMNS, input=clicks, uses=frozenset(["page"]), column="page")

    assert projection(to(total(step, "user"))).leaving(clicks) == ("user", "page", "amount")


def test_readers_of_late_rows_read_through_the_aggregate():
    clicks = source()
    node = total(clicks, "user")
    found = projection(to(node), to(select(late(node), "page", "late_by"), "late"))

    assert found.late_is_read(node)
    assert found.aggregated(node, late=True) == ("user", "page", "amount")
    assert found.aggregated(node, late=False) == ("user", "amount")
    assert found.leaving(clicks) == ("user", "page", "amount")


def test_each_branch_of_a_union_is_asked_for_the_same_columns():
    clicks, orders = source(), source("orders")

    found = projection(to(total(united(clicks, orders), "user")))

    assert found.leaving(clicks) == found.leaving(orders) == ("user", "amount")


def test_the_event_time_is_decoded_even_when_nobody_reads_it():
    assert decoded(source(event_time="ts"), ["user"]) == ("user", "ts")
    assert decoded(source(), ["user"]) == ("user",)
