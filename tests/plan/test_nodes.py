"""Nodes know what feeds them, and are compared by identity."""

from dataclasses import replace

from streamframe.plan.nodes import Window
from tests.plan.programs import MINUTE, keep, late, source, to, total, united


def test_every_node_knows_its_inputs():
    clicks, orders = source("clicks"), source("orders")
    node = total(keep(clicks), "user")

    assert clicks.inputs == ()
    assert keep(clicks).inputs == (clicks,)
    assert united(clicks, orders).inputs == (clicks, orders)
    assert late(node).inputs == (node,)
    assert to(node).inputs == (node,)


def test_equal_nodes_are_two_nodes():
    node = source()

    assert node != replace(node)
    assert len({node, replace(node)}) == 2


def test_an_aggregate_is_windowed_or_a_table():
    assert total(source(), "user").windowed
    assert not total(source(), "user", window=None).windowed


def test_windows_are_values():
    assert Window(size=60_000_000, every=60_000_000, grace=10_000_000) == MINUTE
