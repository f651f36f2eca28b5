"""Sinks as nodes."""

import pytest

from streamframe.api.serdes import json, raw, string
from streamframe.core.errors import PlanError
from streamframe.plan.nodes import BatchSink, PrintSink, TopicSink
from tests.api.programs import builder, clicks


def sink_of(call):
    program = builder()
    assert call(clicks(program)) is None
    (sink,) = program.plan().sinks
    return sink


def problem(call):
    with pytest.raises(PlanError) as caught:
        call(clicks())
    return caught.value


def test_rows_are_written_to_a_topic():
    sink = sink_of(lambda f: f.to_topic("out", key=["user", "page"], value=json(iso=True), on_error="dead_letter"))

    assert isinstance(sink, TopicSink)
    assert (sink.topic, sink.key, str(sink.serde), sink.on_error) == (
        *("out", ("user", "page"), "json(iso=True)", "dead_letter"),
    )
    assert sink_of(lambda f: f.to_topic("out", key="user")).key == ("user",)
    assert sink_of(lambda f: f.to_topic("out")).key == ()


def test_single_columns_are_written_as_they_are():
    assert sink_of(lambda f: f.select("user").to_topic("out", value=string())).serde == string()
    assert problem(lambda f: f.select("user").to_topic("out", value=raw())).facts["step"] == "clicks-to-out"


def test_a_function_gets_the_rows_of_each_commit():
    def write(df, batch_id):
        return None

    sink = sink_of(lambda f: f.for_each_batch(write, name="warehouse"))

    assert isinstance(sink, BatchSink)
    assert (sink.function, sink.name, sink.generated) == (write, "warehouse", False)


def test_rows_are_printed():
    sink = sink_of(lambda f: f.print(3, prefix="> "))

    assert isinstance(sink, PrintSink)
    assert (sink.limit, sink.prefix) == (3, "> ")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.to_topic("my topic"), "not a legal topic name"),
        (lambda f: f.to_topic(3), "named by a string"),
        (lambda f: f.to_topic("out", key="usr"), "unknown column"),
        (lambda f: f.to_topic("out", key="amount"), "cannot be a key"),
        (lambda f: f.to_topic("out", value="json"), "not a serde"),
        (lambda f: f.to_topic("out", on_error="ignore"), "unknown on_error"),
        (lambda f: f.for_each_batch("write"), "takes a function"),
        (lambda f: f.for_each_batch(print, name="a b"), "legal topic name"),
        (lambda f: f.print(0), "positive number"),
        (lambda f: f.print("all"), "positive number"),
    ],
)
def test_a_wrong_sink_is_refused(call, message):
    assert message in problem(call).message
