"""The topology of a plan: parts, stages, edges, internal topics."""

import pytest

from streamframe.core.errors import PlanError
from streamframe.plan.compile import compile_plan
from streamframe.plan.topology import Edge, Role
from tests.plan.programs import keep, late, plan, source, to, total, united


def shape(sub):
    return [
        (stage.role.value, stage.node.name, [(edge.stage, edge.port) for edge in stage.upstream])
        for stage in sub.stages
    ]


def test_a_stateless_program_is_one_part():
    topology = compile_plan(plan(to(keep(source()))))

    (sub,) = topology.sub_topologies
    assert shape(sub) == [("source", "clicks", []), ("step", "keep", [(0, "rows")]), ("step", "to-out", [(1, "rows")])]
    assert (sub.depth, sub.topics, sub.stores) == (0, ("clicks",), ())
    assert topology.sink_topics == ("out",)
    assert topology.repartitions == ()
    assert topology.changelogs == ()


def test_an_aggregate_by_the_message_key_stays_in_its_part():
    topology = compile_plan(plan(to(total(source(key=("user",)), "user"))))

    (sub,) = topology.sub_topologies
    assert [role for role, _, _ in shape(sub)] == ["source", "aggregate", "step"]
    assert sub.stages[1].store == "totals"
    assert sub.stages[1].repartition is None
    assert topology.changelogs == ("app-totals-changelog",)


def test_an_aggregate_by_another_column_is_cut():
    topology = compile_plan(plan(to(total(keep(source(event_time="ts")), "user"))))

    first, second = topology.sub_topologies
    assert shape(first) == [
        ("source", "clicks", []),
        ("step", "keep", [(0, "rows")]),
        ("send", "totals", [(1, "rows")]),
    ]
    assert shape(second) == [
        ("receive", "totals", []),
        ("aggregate", "totals", [(0, "rows")]),
        ("step", "to-out", [(1, "rows")]),
    ]
    (repartition,) = topology.repartitions
    assert repartition.topic == "app-totals-repartition"
    assert (repartition.senders, repartition.receiver, repartition.partials) == ((0,), 1, True)
    assert repartition.columns == ("user", "amount")
    assert first.stages[2].repartition is second.stages[0].repartition is second.stages[1].repartition is repartition
    assert first.stages[0].columns == ("user", "amount", "ts")
    assert (first.depth, second.depth) == (0, 1)
    assert first.stores == ()
    assert [store.name for store in second.stores] == ["totals"]


def test_late_rows_leave_the_sender_when_it_decides_what_is_late():
    node = total(source(), "user")
    first, second = compile_plan(plan(to(node), to(late(node), "late"))).sub_topologies

    send = first.stages[1]
    assert send.role is Role.SEND
    assert send.late_used
    assert first.stages[2].upstream == (Edge(1, "late"),)
    assert send.columns == ("user", "page", "amount", "ts"), "late rows are written whole"
    assert send.repartition is not None
    assert send.repartition.columns == ("user", "amount")
    assert not second.stages[1].late_used


@pytest.mark.parametrize("fields", [{"function": "nunique"}, {}])
def test_late_rows_leave_the_aggregate_when_rows_are_sent(fields):
    clicks = source(idle_timeout=None if fields else 1_000_000)
    node = total(clicks, "user", **fields)
    first, second = compile_plan(plan(to(node), to(late(node), "late"))).sub_topologies

    assert not first.stages[-1].late_used
    assert second.stages[1].late_used
    assert shape(second)[3] == ("step", "to-late", [(1, "late")])
    assert second.repartitions[0].columns == ("user", "page", "amount", "ts")
    assert not second.repartitions[0].partials


def test_late_rows_of_an_aggregate_that_is_not_cut_leave_it():
    node = total(source(key=("user",)), "user")
    (sub,) = compile_plan(plan(to(late(node), "late"))).sub_topologies

    assert shape(sub) == [
        ("source", "clicks", []),
        ("aggregate", "totals", [(0, "rows")]),
        ("step", "to-late", [(1, "late")]),
    ]
    assert sub.stages[1].late_used


def test_stateless_parts_of_a_union_are_split_by_topic():
    a, b = source("a"), source("b")
    topology = compile_plan(plan(to(keep(united(a, b)))))

    assert [sub.topics for sub in topology.sub_topologies] == [("a",), ("b",)]
    for sub in topology.sub_topologies:
        assert [name for _, name, _ in shape(sub)][1:] == ["both", "keep", "to-out"]


def test_both_parts_of_a_union_send_to_one_repartition_topic():
    topology = compile_plan(plan(to(total(united(source("a"), source("b")), "user"))))

    (repartition,) = topology.repartitions
    assert (repartition.senders, repartition.receiver) == ((0, 1), 2)
    assert [sub.depth for sub in topology.sub_topologies] == [0, 0, 1]


def test_topics_that_feed_one_state_are_read_by_one_part():
    a, b = source("a", key=("user",)), source("b", key=("user",))
    (sub,) = compile_plan(plan(to(total(united(a, b), "user")))).sub_topologies

    assert sub.sources == (a, b)
    assert shape(sub)[2] == ("step", "both", [(0, "rows"), (1, "rows")])


def test_a_topic_that_is_read_by_two_programs_in_one_is_read_once():
    clicks = source()
    topology = compile_plan(
        plan(
            to(total(clicks, "user"), "a"),
            to(total(clicks, "page", name="pages"), "b"),
            to(keep(clicks), "c"),
        )
    )

    assert [sub.topics for sub in topology.sub_topologies] == [
        ("clicks",),
        ("app-totals-repartition",),
        ("app-pages-repartition",),
    ]
    assert [role for role, _, _ in shape(topology.sub_topologies[0])] == ["source", "send", "send", "step", "step"]


def test_a_chain_of_windows_is_cut_once_for_each_change_of_key():
    first = total(source(), "user", name="first")
    second = total(first, "user", name="second")
    third = total(second, "window_start", name="third", window=None)
    topology = compile_plan(plan(to(third)))

    assert [[role for role, _, _ in shape(sub)] for sub in topology.sub_topologies] == [
        ["source", "send"],
        ["receive", "aggregate", "aggregate", "send"],
        ["receive", "aggregate", "step"],
    ]
    assert [sub.depth for sub in topology.sub_topologies] == [0, 1, 2]
    assert topology.sub_topologies[1].stages[2].repartition is None


def test_senders_come_before_receivers_whatever_the_order_of_the_sinks():
    clicks, orders = source("clicks"), source("orders")
    topology = compile_plan(plan(to(total(clicks, "user"), "a"), to(keep(orders), "b")))

    assert [sub.topics for sub in topology.sub_topologies] == [("clicks",), ("orders",), ("app-totals-repartition",)]


def test_the_same_program_compiles_to_the_same_topology():
    def program():
        return compile_plan(
            plan(to(total(united(source("a"), keep(source("b"))), "page", "user")), dead_letters="dead")
        )

    once, again = program(), program()

    assert once.fingerprint == again.fingerprint
    assert [shape(sub) for sub in once.sub_topologies] == [shape(sub) for sub in again.sub_topologies]
    assert once.sink_topics == ("out", "dead")


def test_a_wrong_plan_is_not_compiled():
    with pytest.raises(PlanError, match="writes nothing"):
        compile_plan(plan())


def test_more_stores_than_a_committed_offset_can_name_are_refused():
    clicks = source(key=("user",))
    few = [to(total(clicks, "user", name=f"{number:03d}-{'x' * 90}"), f"out-{number}") for number in range(30)]
    assert len(compile_plan(plan(*few)).sub_topologies[0].stores) == 30

    many = [*few, *(to(total(clicks, "user", name=f"{n:03d}-{'y' * 90}"), f"out-{n}") for n in range(30, 36))]
    with pytest.raises(PlanError, match="too many stores"):
        compile_plan(plan(*many))
