"""Names that are legal, and stay the same."""

import pytest

from streamframe.core.errors import PlanError
from streamframe.plan.names import (
    aggregate_name,
    changelog_topic,
    check_topic_name,
    is_legal_topic_name,
    repartition_topic,
    slug,
    stateless_name,
    window_words,
)
from streamframe.plan.nodes import Window
from tests.plan.programs import MINUTE, keep, source, total

SECOND = 1_000_000


@pytest.mark.parametrize("name", ["clicks", "a", "A.b_c-1", "x" * 249])
def test_a_legal_topic_name_passes(name):
    assert is_legal_topic_name(name)
    assert check_topic_name(name, what="it") == name


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "é", "a/b", "x" * 250])
def test_an_illegal_topic_name_is_refused_with_what_is_allowed(name):
    with pytest.raises(PlanError, match="the application id is not a legal topic name") as caught:
        check_topic_name(name, what="the application id")

    assert "249" in str(caught.value)


def test_internal_topics_carry_the_application_and_the_step():
    assert changelog_topic("app", "totals") == "app-totals-changelog"
    assert repartition_topic("app", "totals") == "app-totals-repartition"


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (Window(size=60 * SECOND, every=60 * SECOND), "tumbling-1min"),
        (Window(size=60 * SECOND, every=60 * SECOND, grace=SECOND), "tumbling-1min"),
        (Window(size=3600 * SECOND, every=300 * SECOND), "hopping-1h-every-5min"),
        (Window(size=60 * SECOND, every=60 * SECOND, offset=500_000), "tumbling-1min-offset-500ms"),
    ],
)
def test_a_window_is_part_of_a_name_without_its_grace(window, words):
    assert window_words(window) == words


def test_the_generated_name_of_an_aggregate_comes_from_input_keys_and_window():
    clicks = source()

    assert aggregate_name(clicks, ["user", "page"], MINUTE) == "clicks-by-user-page-tumbling-1min"
    assert aggregate_name(clicks, ["user"], None) == "clicks-by-user"
    assert aggregate_name(keep(clicks), ["user"], None) == "clicks-by-user", "a filter keeps the name"
    assert aggregate_name(total(clicks, "user"), ["user"], None) == "totals-by-user"


def test_a_column_name_that_no_topic_may_have_is_made_legal():
    assert slug("unit price") == "unit_price"
    assert is_legal_topic_name(aggregate_name(source(), ["größe €"], MINUTE))


def test_the_name_of_a_stateless_step_stays_short():
    assert stateless_name(source(), "query", ["amount"]) == "clicks-query-amount"
    assert len(stateless_name(source("t" * 200), "query", ["amount"])) == 80
