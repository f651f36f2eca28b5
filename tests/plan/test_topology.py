"""What can be asked of a topology."""

from streamframe.plan.compile import compile_plan
from tests.plan.programs import keep, plan, source, to, total, united


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
