"""What the author of a program is told about its cost."""

import pyarrow as pa

from streamframe.plan.compile import compile_plan
from streamframe.plan.hints import hints
from streamframe.plan.nodes import Assign, Project
from tests.plan.programs import COLUMNS, keep, plan, source, to, total, united


def told(*sinks):
    return hints(compile_plan(plan(*sinks)))


def test_a_promise_would_save_a_repartition_topic():
    (hint,) = told(to(total(keep(source()), "user")))

    assert "topic('clicks', key='user', ...)" in hint
    assert "'app-totals-repartition'" in hint


def test_the_promise_is_about_the_names_that_the_topic_has():
    schema = pa.schema([("who", pa.large_string()), ("where", pa.large_string()), ("amount", pa.float64())])
    columns = (("who", "user"), ("where", "page"), ("amount", "amount"))
    renamed = Project(name="p", schema=schema, input=source(), uses=frozenset(), columns=columns)

    (hint,) = told(to(total(renamed, "who", "where")))

    assert "key=['user', 'page']" in hint


def test_no_promise_is_asked_for_where_none_would_help():
    made = Assign(name="a", schema=COLUMNS, input=source(), uses=frozenset(), assignments=(("user", "x"),))

    assert told(to(total(made, "user"))) == []
    assert told(to(total(united(source("a"), source("b")), "user"))) == []
    assert told(to(total(source(key=("page",)), "user"))) == [], "the topic is keyed otherwise"
    assert told(to(total(source(key=("user",)), "user"))) == []


def test_rows_that_cannot_be_aggregated_before_they_are_sent_are_pointed_out():
    assert any("amount cannot be merged" in hint for hint in told(to(total(source(), "user", function="nunique"))))
    assert any("idle_timeout" in hint for hint in told(to(total(source(idle_timeout=1), "user"))))


def test_topics_side_by_side_need_equal_numbers_of_partitions():
    both = united(source("a", key=("user",)), source("b", key=("user",)))

    assert told(to(total(both, "user"))) == [
        "the topics a, b are read side by side and must have equal numbers of partitions"
    ]


def test_a_function_that_reads_everything_is_pointed_out():
    (hint,) = told(to(keep(source(), uses=None)))

    assert "'keep'" in hint
