"""What can be asked of a topology."""

import pyarrow as pa
import pytest

from streamframe.plan.compile import compile_plan
from streamframe.plan.nodes import Assign, MetaColumn, Node
from tests.plan.programs import keep, plan, source, to, total, united

HEADERS = pa.schema([("headers", pa.list_(pa.struct([("name", pa.large_string()), ("value", pa.large_binary())])))])


def test_a_topology_knows_its_topics():
    a, b = source("a"), source("b")
    topology = compile_plan(
        plan(to(total(united(a, b), "user")), to(keep(a), "kept"), application="shop", dead_letters="dead")
    )

    assert topology.application == "shop"
    assert topology.sources == (a, b)
    assert topology.changelogs == ("shop-totals-changelog",)
    assert topology.sink_topics == ("out", "kept", "dead")
    assert [sub.topics for sub in topology.sub_topologies] == [("a",), ("b",), ("shop-totals-repartition",)]


def with_headers(node: Node) -> Assign:
    return Assign(name="with-headers", input=node, schema=HEADERS, assignments=(("headers", MetaColumn.HEADERS),))


@pytest.mark.parametrize(
    ("dead_letters", "made", "reads"),
    [(None, keep, False), ("dead", keep, True), (None, with_headers, True)],
    ids=["nobody asks", "dead letters have them", "a column of them"],
)
def test_headers_are_read_when_somebody_may_ask_for_them(dead_letters, made, reads):
    topology = compile_plan(plan(to(made(source("a")), "out"), dead_letters=dead_letters))

    assert topology.reads_headers is reads
