"""What ``agg`` accepts, and the type of each result."""

import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from tests.api.programs import clicks

INT, FLOAT, BOOL, TEXT, TIME = pa.int64(), pa.float64(), pa.bool_(), pa.large_string(), pa.timestamp("ms")


def agg(*args, **outputs):
    return clicks().groupby("user").agg(*args, **outputs)._node.aggregations


def problem(*args, **outputs):
    with pytest.raises(PlanError) as caught:
        agg(*args, **outputs)
    return caught.value


@pytest.mark.parametrize(
    ("column", "function", "kind"),
    [
        ("n", "sum", INT),
        ("ok", "sum", INT),
        ("amount", "sum", FLOAT),
        *((column, function, FLOAT) for column in ("n", "amount", "ok", "big") for function in ("mean", "var", "std")),
        *((column, "count", INT) for column in ("user", "tags", "ts")),
        *((column, "nunique", INT) for column in ("user", "amount", "ts", "ok")),
        *(("big", function, pa.uint64()) for function in ("min", "max", "first", "last")),
        *(("ts", function, TIME) for function in ("min", "max", "first", "last")),
        *(("page", function, TEXT) for function in ("min", "max", "first", "last")),
        *(("ok", function, BOOL) for function in ("min", "max", "any", "all")),
        *(("n", function, BOOL) for function in ("any", "all")),
    ],
)
def test_the_type_of_a_result_follows_from_column_and_function(column, function, kind):
    (found,) = agg(out=(column, function))

    assert (found.output, found.function, found.inputs, found.type) == ("out", function, (column,), kind)


@pytest.mark.parametrize(
    ("column", "function", "hint"),
    [
        ("user", "sum", "'count'"),
        ("ts", "sum", "'count'"),
        ("ts", "mean", "min, max, first and last"),
        ("user", "std", "astype"),
        ("big", "sum", "'int64'"),
        ("tags", "min", "assign"),
        ("tags", "nunique", "assign"),
        ("ts", "any", "!= 0"),
    ],
)
def test_a_function_that_does_not_take_a_type_says_what_to_do(column, function, hint):
    error = problem(out=(column, function))

    assert hint in error.hint
    assert error.facts["column"] == column


def test_rows_are_counted_without_a_column():
    (plain,) = agg(n="size")
    (paired,) = agg(n=("page", "size"))

    assert plain == paired
    assert (plain.inputs, plain.type) == ((), INT)


def test_a_mapping_names_its_outputs_after_column_and_function():
    found = agg({"amount": ["sum", "mean"], "n": "max"}, rows="size")

    assert [(a.output, a.function) for a in found] == [
        ("amount_sum", "sum"),
        ("amount_mean", "mean"),
        ("n", "max"),
        ("rows", "size"),
    ]


@pytest.mark.parametrize(
    ("outputs", "message", "hint"),
    [
        ({}, "at least one output", "agg(total=('amount', 'sum'), n='size')"),
        ({"x": ("amuont", "sum")}, "unknown column", "did you mean 'amount'?"),
        ({"x": ("amount", "smu")}, "unknown aggregation", "did you mean 'sum'?"),
        ({"x": ("amount", "median")}, "unknown aggregation", "must keep every value"),
        ({"x": ("amount", "gibberish")}, "unknown aggregation", "one of size, count"),
        ({"x": ("amount", max)}, "not an aggregation", "sf.Aggregate"),
        ({"x": sum}, "not an aggregation", "sf.Aggregate"),
        ({"x": "sum"}, "not an aggregation", "write a column and a function"),
        ({"x": 3}, "not an aggregation", "write a column and a function"),
    ],
)
def test_what_is_no_aggregation_is_refused(outputs, message, hint):
    error = problem(**outputs)

    assert message in error.message
    assert hint in error.hint


def test_two_outputs_have_two_names():
    assert "the same name" in problem({"n": "sum"}, n="size").message
    assert "takes outputs by name" in problem(["sum"]).message
