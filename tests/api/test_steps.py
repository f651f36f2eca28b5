"""The verbs that keep no state: what they make, and what they refuse."""

import re
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from streamframe.api import meta
from streamframe.api.frame import union
from streamframe.core.errors import PlanError
from streamframe.plan.nodes import Assign, Cast, Explode, Filter, MapBatches, Project, Union
from tests.api.programs import builder, clicks


def problem(call):
    with pytest.raises(PlanError) as caught:
        call()
    return caught.value


def types(frame):
    return {field.name: field.type for field in frame.schema}


# --- rows -----------------------------------------------------------------------------------------


def test_a_query_knows_its_columns_and_variables():
    limit = 5
    node = clicks().query("amount > @limit and `ok`")._node

    assert isinstance(node, Filter)
    assert node.predicate == "amount > @limit and `ok`"
    assert node.variables == {"limit": limit}
    assert node.uses == frozenset(["amount", "ok"])
    assert node.name == "clicks-query-amount-ok"
    assert node.generated


def test_a_query_keeps_the_value_that_a_variable_had():
    limit = 5
    node = clicks().query("amount > @limit")._node
    limit = 6

    assert node.variables == {"limit": 5}
    assert limit == 6


def test_an_unknown_column_in_a_query_is_found_when_it_is_written():
    error = problem(lambda: clicks().query("amuont > 0"))

    assert error.message == "unknown column"
    assert error.hint == "did you mean 'amount'?"
    assert error.facts["column"] == "amuont"
    assert error.facts["step"] == "clicks-query"
    assert error.facts["columns"][:2] == ["user", "page"]


@pytest.mark.parametrize("text", ["amount", "user.str.upper()", "amount + 1"])
def test_a_query_must_be_boolean(text):
    assert "boolean Series" in problem(lambda: clicks().query(text)).message


def test_a_query_that_compares_what_cannot_be_compared_is_refused():
    for call in (
        lambda: clicks().query("user > 3"),
        lambda: clicks().filter(lambda df: df["user"] > 3),
        lambda: clicks().assign(x=lambda df: df["user"] > 3),
        lambda: clicks().assign(x=lambda df: df["ts"] * 2),
    ):
        error = problem(call)
        assert "failed on" in error.message
        assert isinstance(error.__cause__, TypeError)


def test_what_a_function_itself_thinks_of_sample_values_counts_for_nothing():
    def number(name):
        match: Any = re.match("user-([0-9]+)", name)
        return match[1]

    frame = clicks().assign(number=lambda df: df["user"].map(number))

    assert frame.schema.field("number").type == pa.large_string()


def test_a_filter_is_tried_and_traced():
    node = clicks().filter(lambda df: (df["amount"] > 0) & df["ok"], on_error="skip")._node

    assert isinstance(node, Filter)
    assert (node.uses, node.on_error) == (frozenset(["amount", "ok"]), "skip")


def test_a_misspelt_column_in_a_function_is_found_with_the_nearest_one():
    for function in (lambda df: df["amuont"] > 0, lambda df: df[["user", "amuont"]].isna(), lambda df: df.amuont > 0):
        error = problem(lambda function=function: clicks().filter(function))
        assert (error.message, error.hint) == ("unknown column", "did you mean 'amount'?")


def test_the_error_of_a_function_is_chained():
    def broken(df):
        return 1 / 0

    error = problem(lambda: clicks().filter(broken))

    assert isinstance(error.__cause__, ZeroDivisionError)
    assert error.facts == {
        "step": "clicks-filter",
        "function": "broken",
        "error": "ZeroDivisionError: division by zero",
    }


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        (lambda df: df["amount"], "must return a boolean Series"),
        (lambda df: True, "must return a boolean Series"),
        ("amount > 0", "filter takes a function"),
        (3, "filter takes a function"),
    ],
)
def test_a_filter_needs_a_predicate(predicate, message):
    assert message in problem(lambda: clicks().filter(predicate)).message


def test_explode_makes_a_row_of_each_element():
    frame = clicks().explode("tags")

    assert isinstance(frame._node, Explode)
    assert types(frame)["tags"] == pa.large_string()
    assert "only a column of lists" in problem(lambda: clicks().explode("user")).message
    assert "str.split" in problem(lambda: clicks().explode("user")).hint


# --- columns --------------------------------------------------------------------------------------


def test_assign_types_its_columns():
    frame = clicks().assign(
        euro=lambda df: df["amount"] * 0.92,
        whole=lambda df: df["n"] + 1,
        upper=lambda df: df["user"].str.upper(),
        words=lambda df: df["user"].str.split(),
        length=lambda df: df["user"].map(len),
        positive=lambda df: df["amount"] > 0,
        where=lambda df: np.where(df["amount"] > 0, 1.0, 0.0),
        day=lambda df: df["ts"].dt.floor("D"),
        one=1,
        text="x",
        partition=meta.partition,
        headers=meta.headers,
    )
    found = types(frame)

    assert found["euro"] == found["where"] == pa.float64()
    assert found["whole"] == found["length"] == found["one"] == pa.int64()
    assert found["upper"] == found["text"] == pa.large_string()
    assert found["words"] == pa.large_list(pa.large_string())
    assert found["positive"] == pa.bool_()
    assert pa.types.is_timestamp(found["day"])
    assert found["partition"] == pa.int32()
    assert frame.columns[:3] == ["user", "page", "amount"]
    assert frame.columns[-1] == "headers"


def test_later_assignments_see_earlier_ones_and_only_the_input_is_used():
    node = clicks().assign(double=lambda df: df["amount"] * 2, more=lambda df: df["double"] + df["n"])._node

    assert isinstance(node, Assign)
    assert node.uses == frozenset(["amount", "n"])


def test_a_replaced_column_keeps_its_place():
    frame = clicks().assign(page=lambda df: df["page"].str.len())

    assert frame.columns == clicks().columns
    assert types(frame)["page"] == pa.int64()


def test_a_function_that_cannot_be_traced_uses_everything():
    assert clicks().assign(x=lambda df: df.eval("amount * 2"))._node.uses is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda df: 1.0, "must return a Series"),
        (lambda df: pd.Series([1.0]), "another number of rows"),
        (lambda df: df, "must return a Series"),
        ([1, 2], "a function of the batch, a constant or sf.meta"),
        (None, "a function of the batch, a constant or sf.meta"),
        (lambda df: df["nothing"], "unknown column"),
        (lambda df: df["user"].map(lambda name: None).astype(object), "cannot be told"),
    ],
)
def test_assign_refuses_what_is_no_column(value, message):
    assert message in problem(lambda: clicks().assign(x=value)).message


def test_metadata_belongs_to_records():
    assert types(clicks().query("ok").assign(o=meta.offset))["o"] == pa.int64()
    table = clicks().groupby("user").agg(n="size")
    assert "no Kafka metadata" in problem(lambda: table.assign(o=meta.offset)).message


def test_select_drop_and_rename_choose_columns():
    frame = clicks()
    node = frame.rename(columns={"user": "who", "page": "user"})._node

    assert isinstance(node, Project)
    assert node.columns[:2] == (("who", "user"), ("user", "page"))
    assert frame.select("amount", ["user"]).columns == ["amount", "user"]
    assert frame.drop("tags", "big").columns == ["user", "page", "amount", "n", "ok", "ts"]
    assert frame.drop(columns=["tags", "big"]).columns == frame.drop(["tags"], columns="big").columns


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.select("amuont"), "unknown column"),
        (lambda f: f.select("user", "user"), "the same name"),
        (lambda f: f.select(), "no column would be left"),
        (lambda f: f.drop("usr"), "unknown column"),
        (lambda f: f.drop(f.columns), "no column would be left"),
        (lambda f: f.rename({"usr": "x"}), "unknown column"),
        (lambda f: f.rename({"user": "page"}), "the same name"),
        (lambda f: f.rename({"user": 3}), "named by a string"),
        (lambda f: f.rename(str.upper), "takes a mapping"),
        (lambda f: f.astype("float64"), "takes a mapping"),
        (lambda f: f.astype({"amuont": "int64"}), "unknown column"),
        (lambda f: f.astype({"amount": "flot64"}), "unknown type"),
        (lambda f: f.astype({"tags": "int64"}), "cannot be cast"),
        (lambda f: f.query("ok", on_error="explode"), "unknown on_error"),
        (lambda f: f.assign(), "needs a column"),
    ],
)
def test_a_wrong_choice_of_columns_is_refused(call, message):
    assert message in problem(lambda: call(clicks())).message


def test_astype_changes_the_types_it_names():
    frame = clicks().astype({"amount": "int64", "ts": "timestamp[us]", "n": str})

    assert isinstance(frame._node, Cast)
    assert frame._node.columns == ("amount", "ts", "n")
    found = types(frame)
    assert (found["amount"], found["ts"], found["n"]) == (pa.int64(), pa.timestamp("us"), pa.large_string())


# --- batches --------------------------------------------------------------------------------------


def test_map_batches_has_the_columns_that_come_out():
    frame = clicks().map_batches(lambda df: pd.DataFrame({"who": df["user"], "x": df["amount"] * 2}))

    assert isinstance(frame._node, MapBatches)
    assert types(frame) == {"who": pa.large_string(), "x": pa.float64()}
    assert frame._node.uses == frozenset(["user", "amount"])


def test_map_batches_may_declare_its_columns_and_event_time():
    def parse(df):
        return pd.DataFrame({"parts": df["user"].str.split(), "at": df["ts"]})

    schema = {"parts": "list<string>", "at": "timestamp[ms]"}
    node = clicks().map_batches(parse, schema=schema, event_time="at")._node

    assert node.event_time == "at"
    assert node.schema.field("parts").type == pa.large_list(pa.large_string())
    assert "schema={...}" in problem(lambda: clicks().map_batches(parse)).hint


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda df: df["user"], {}, "must return a DataFrame"),
        (lambda df: df[["user"]], {"schema": {"usr": "string"}}, "does not return a declared column"),
        (lambda df: df["user"], {"schema": {"user": "string"}}, "must return a DataFrame"),
        (lambda df: df[["user"]], {"event_time": "ts"}, "unknown column"),
        (lambda df: df[["user"]], {"event_time": "user"}, "must be a timestamp"),
        (lambda df: df[["usr"]], {}, "unknown column"),
        ("user", {}, "takes a function"),
    ],
)
def test_map_batches_refuses_what_is_no_frame(function, options, message):
    assert message in problem(lambda: clicks().map_batches(function, **options)).message


# --- union ----------------------------------------------------------------------------------------


def test_a_union_reorders_columns_but_does_not_convert_them():
    program = builder()
    a = program.topic("a", {"x": "int64", "y": "string"})
    b = program.topic("b", {"y": "string", "x": "int64"})
    frame = a.union(b)

    assert isinstance(frame._node, Union)
    assert frame.columns == ["x", "y"]
    assert frame._node.name == "a-b-union"
    assert [branch.schema.names for branch in frame._node.branches] == [["x", "y"], ["x", "y"]]
    assert frame._node.branches[0] is a._node


def test_a_column_that_may_be_null_in_one_frame_may_be_null_in_the_union():
    program = builder()
    a = program.topic("a", {"x": "int64 not null"})
    b = program.topic("b", {"x": "int64"})

    assert a.union(b).schema.field("x").nullable
    assert not a.union(a).schema.field("x").nullable


def test_frames_that_do_not_fit_are_not_united():
    program = builder()
    a = program.topic("a", {"x": "int64", "yy": "string"})

    assert "lacks a column" in problem(lambda: a.union(program.topic("b", {"x": "int64"}))).message
    assert "more columns" in problem(lambda: a.select("x").union(a)).message
    other = program.topic("c", {"x": "float64", "yy": "string"})
    assert "astype" in problem(lambda: a.union(other)).hint
    assert "different apps" in problem(lambda: a.union(clicks())).message
    assert "at least two" in problem(lambda: union(a)).message
    assert "takes frames" in problem(lambda: union(a, cast("Any", "b"))).message
