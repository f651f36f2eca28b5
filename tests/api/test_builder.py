"""Topics in, sinks out."""

from dataclasses import dataclass

import pyarrow as pa
import pytest

from streamframe.api.builder import PlanBuilder
from streamframe.api.serdes import json, raw, string
from streamframe.core.errors import PlanError
from streamframe.plan.nodes import Source
from tests.api.programs import CLICKS, builder, clicks


def source(frame) -> Source:
    assert isinstance(frame._node, Source)
    return frame._node


def problem(**options):
    with pytest.raises(PlanError) as caught:
        builder().topic(**{"name": "clicks", "schema": CLICKS} | options)
    return caught.value


def test_a_topic_keeps_what_was_declared():
    node = source(
        clicks(
            event_time="ts",
            key=["user", "page"],
            on_error="skip",
            max_ahead="1h",
            idle_timeout="5s",
            offset_reset="latest",
            value=json(iso=True),
        )
    )

    assert (node.topic, node.name, node.generated) == ("clicks", "clicks", False)
    assert (node.event_time, node.key, node.on_error, node.offset_reset) == ("ts", ("user", "page"), "skip", "latest")
    assert (node.max_ahead, node.idle_timeout) == (3_600_000_000, 5_000_000)
    assert str(node.serde) == "json(iso=True)"


def test_a_schema_may_be_a_class():
    @dataclass
    class Click:
        user: str
        amount: float

    assert builder().topic("clicks", Click).columns == ["user", "amount"]


def test_a_topic_of_single_values_needs_no_schema():
    assert builder().topic("lines", value=string()).schema == pa.schema([("value", pa.large_string())])
    assert builder().topic("bytes", value=raw()).schema == pa.schema([("value", pa.large_binary())])
    assert "needs a schema" in problem(schema=None).message
    assert problem(value=raw()).facts["topic"] == "clicks"


def test_a_topic_declared_twice_in_the_same_way_is_one():
    program = builder()

    assert clicks(program)._node is clicks(program)._node
    with pytest.raises(PlanError, match="declared twice, in different ways"):
        clicks(program, event_time="ts")


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"event_time": "tss"}, "did you mean 'ts'?"),
        ({"event_time": "amount"}, "'timestamp[ms]'"),
        ({"key": "usr"}, "did you mean 'user'?"),
        ({"key": "amount"}, "round"),
        ({"key": "tags"}, "keys are integer"),
        ({"on_error": "skipp"}, "did you mean 'skip'?"),
        ({"offset_reset": "lates"}, "did you mean 'latest'?"),
        ({"idle_timeout": "5 fortnights"}, "'500ms'"),
        ({"schema": {"user": "strng"}}, "did you mean 'string'?"),
        ({"value": "json"}, "sf.json()"),
        ({"name": "my clicks"}, "letters, digits"),
    ],
)
def test_a_wrong_declaration_is_refused_with_a_hint(options, hint):
    assert hint in problem(**options).hint


def test_a_length_of_time_is_positive():
    assert problem(max_ahead="0s").facts["argument"] == "max_ahead"


def test_a_program_has_a_legal_name():
    with pytest.raises(PlanError, match="the application id"):
        PlanBuilder("my app")
    with pytest.raises(PlanError, match="dead-letter topic"):
        PlanBuilder("app", dead_letters="dead letters")


def test_the_plan_has_the_sinks_in_the_order_of_the_program():
    program = PlanBuilder("app", dead_letters="dead")
    frame = clicks(program)
    frame.to_topic("b")
    frame.query("amount > 0").to_topic("a")
    frame.print()

    plan = program.plan()

    assert [sink.name for sink in plan.sinks] == ["clicks-to-b", "clicks-to-a", "clicks-print"]
    assert (plan.application, plan.dead_letters) == ("app", "dead")


def test_a_frame_that_goes_nowhere_is_not_in_the_plan():
    program = builder()
    clicks(program, "unused").groupby("user").agg(n="size", name="same")
    clicks(program).groupby("user").agg(n="size", name="same").to_topic("out")

    assert len(program.plan().sinks) == 1


def test_a_program_is_checked_as_a_whole():
    program = builder()
    clicks(program).to_topic("clicks")

    with pytest.raises(PlanError, match="writes to a topic that it reads"):
        program.plan()
