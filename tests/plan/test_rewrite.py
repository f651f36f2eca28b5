"""One state, one emission."""

from dataclasses import replace

import pytest

from streamframe.core.errors import PlanError
from streamframe.plan.graph import topological
from streamframe.plan.nodes import Aggregate, Late
from streamframe.plan.rewrite import settle_emissions
from tests.plan.programs import keep, late, plan, source, to, total


def aggregates(settled):
    return [node for node in topological(settled.sinks) if isinstance(node, Aggregate)]


def test_a_plan_without_twins_stays_as_it_is():
    program = plan(to(total(source(), "user")))

    assert settle_emissions(program) is program


def test_late_rows_follow_the_twin_whose_results_are_written():
    final = total(source(), "user")
    live = replace(final, emit="changes")

    settled = settle_emissions(plan(to(late(final), "late"), to(live, "live")))

    assert aggregates(settled) == [live]
    missed = settled.sinks[0].input
    assert isinstance(missed, Late)
    assert missed.aggregate is live
    assert [sink.name for sink in settled.sinks] == ["to-late", "to-live"]


def test_twins_in_a_row_are_settled_together():
    inner = total(source(), "user", name="inner")
    outer = total(keep(inner), "user", name="outer")
    live = replace(outer, emit="changes")

    settled = settle_emissions(plan(to(late(outer), "late"), to(live, "live"), to(inner, "inner")))

    assert [(node.name, node.emit) for node in aggregates(settled)] == [("inner", "final"), ("outer", "changes")]


def test_one_aggregate_cannot_be_written_both_ways():
    final = total(source(), "user")

    with pytest.raises(PlanError, match="both final results and changes") as caught:
        settle_emissions(plan(to(final, "a"), to(replace(final, emit="changes"), "b")))

    assert caught.value.facts == {"step": "totals"}


def test_an_aggregate_that_differs_in_more_is_no_twin():
    clicks = source()
    program = plan(to(total(clicks, "user"), "a"), to(total(clicks, "page"), "b"))

    assert settle_emissions(program) is program
