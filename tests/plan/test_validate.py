"""What is wrong with a whole program is said before it runs."""

import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from streamframe.plan.validate import check_plan
from tests.plan.programs import keep, late, plan, source, to, total


def problem(program):
    with pytest.raises(PlanError) as caught:
        check_plan(program)
    return caught.value


def test_a_good_program_passes():
    node = total(keep(source()), "user")

    check_plan(plan(to(node), to(late(node), "late"), dead_letters="dead"))


def test_a_program_without_sinks_does_nothing():
    assert problem(plan()).message == "the program writes nothing"


def test_the_application_id_becomes_part_of_topic_names():
    assert problem(plan(to(source()), application="my app")).facts == {"name": "my app"}


def test_two_steps_of_one_name_are_told_apart_by_the_user():
    error = problem(plan(to(total(source(), "user"), "a"), to(total(source("b"), "user"), "c")))

    assert error.message == "two steps have the same name"
    assert error.facts["name"] == "totals"
    assert "name='...'" in error.hint


def test_two_declarations_of_one_topic_would_be_consumed_once():
    assert problem(plan(to(source(), "a"), to(source(), "b"))).message == "a topic is declared twice"


def test_a_program_does_not_feed_itself():
    error = problem(plan(to(keep(source()), "clicks")))

    assert "writes to a topic that it reads" in error.message
    assert error.facts == {"topic": "clicks", "step": "to-clicks"}


def test_dead_letters_have_a_topic_of_their_own():
    assert "reads" in problem(plan(to(source()), dead_letters="clicks")).message
    assert "also an output" in problem(plan(to(source()), dead_letters="out")).message


def test_a_name_that_makes_no_legal_internal_topic_is_refused():
    assert problem(plan(to(total(source(), "user", name="n" * 240)))).facts["step"] == "n" * 240
    assert problem(plan(to(total(source(), "user", name="a b")))).facts["topic"] == "app-a b-changelog"


@pytest.mark.parametrize("topic", ["app-totals-changelog", "app-totals-repartition"])
def test_internal_topics_are_nobody_elses(topic):
    assert "internal topic of its own" in problem(plan(to(total(source(), "user"), topic))).message


def test_changes_are_not_aggregated_again():
    live = total(source(), "user", emit="changes")
    error = problem(plan(to(total(keep(live), "user", name="again"))))

    assert "count every correction again" in error.message
    assert error.facts == {"step": "again", "changes_of": "totals"}


def test_final_results_of_windows_may_be_aggregated():
    check_plan(plan(to(total(keep(total(source(), "user")), "user", name="again"))))


def test_a_table_has_no_final_result():
    assert "never has a final result" in problem(plan(to(total(source(), "user", window=None, emit="final")))).message


def test_an_emission_is_final_or_changes():
    assert problem(plan(to(total(source(), "user", emit="sometimes")))).facts["emit"] == "sometimes"


def test_columns_have_different_names():
    doubled = source(schema=pa.schema([("a", pa.int64()), ("a", pa.int64())]))

    assert problem(plan(to(doubled))).facts == {"step": "clicks", "column": "a"}
