"""Stateless steps and users' functions: what they return, what raises, what is set aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from streamframe.core.errors import UserFunctionError
from streamframe.core.metrics import ROWS_ADDED, ROWS_DEAD_LETTER, ROWS_FILTERED, ROWS_IN, ROWS_OUT, ROWS_SKIPPED
from streamframe.core.schema import normalise_schema
from streamframe.operators.rows import ColumnPruned
from streamframe.plan.nodes import Assign, Cast, Explode, Filter, MapBatches, MetaColumn, Node, Project, Union, Window
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology

SCHEMA = {"user": "string", "amount": "int64", "price": "float64", "ts": "timestamp[ms]"}
ROWS: list[dict[str, Any]] = [
    {"user": "a", "amount": 1, "price": 0.5, "ts": 1},
    {"user": "b", "amount": 2, "price": None, "ts": 2},
    {"user": "c", "amount": None, "price": 1.5, "ts": 3},
    {"user": None, "amount": 4, "price": 2.5, "ts": 4},
]


def run(node: Node, rows: list[Any] = ROWS, batch: int = 1 << 20, **options: Any) -> Cluster:
    dead_letters = options.pop("dead_letters", None)
    cluster = Cluster(topology(to_topic(node), dead_letters=dead_letters), **options)
    cluster.send("clicks", rows)
    return cluster.run(batch)


def clicks(**options: Any) -> Node:
    return source(schema=options.pop("schema", SCHEMA), key=(), **options)


def with_field(schema: pa.Schema, name: str, dtype: Any) -> pa.Schema:
    field = normalise_schema({name: dtype}).field(0)
    position = schema.get_field_index(name)
    return schema.append(field) if position < 0 else schema.set(position, field)


def filtering(predicate: Any, node: Node | None = None, **options: Any) -> Filter:
    node = node or clicks()
    return Filter(name="filter", schema=node.schema, input=node, predicate=predicate, **options)


def assigning(name: str, dtype: Any, value: Any, node: Node | None = None, **options: Any) -> Assign:
    node = node or clicks()
    schema = with_field(node.schema, name, dtype)
    return Assign(name="assign", schema=schema, input=node, assignments=((name, value),), **options)


def users(cluster: Cluster) -> list[str | None]:
    return [row["user"] for row in cluster.rows("out")]


@pytest.mark.parametrize(
    ("predicate", "kept"),
    [
        ("amount > 1", ["b", None]),
        ("price < 2", ["a", "c"]),
        ("user == 'a' or amount >= 4", ["a", None]),
        ("user != 'a'", ["b", "c", None]),
        ("not (amount == 1)", ["b", None]),
        ("0 < amount <= 2", ["a", "b"]),
        ("ts > @limit and amount > @least", [None]),
        ("amount + price > 2", [None]),
        ("user in ['a', 'c']", ["a", "c"]),
        (lambda df: df["amount"] > 1, ["b", None]),
        (lambda df: (df["amount"] > 1).astype(object), ["b", None]),
        (lambda df: df["amount"].notna().to_numpy(), ["a", "b", None]),
    ],
)
def test_a_filter_keeps_the_rows_for_which_the_predicate_is_true(predicate: Any, kept: list[str | None]) -> None:
    variables = {"limit": pd.Timestamp(2, unit="ms"), "least": 0}
    cluster = run(filtering(predicate, variables=variables))
    assert users(cluster) == kept
    assert cluster.count(ROWS_IN) == cluster.count(ROWS_FILTERED) + cluster.count(ROWS_OUT)


def test_a_filter_function_must_return_one_boolean_per_row() -> None:
    with pytest.raises(UserFunctionError, match="one boolean per row"):
        run(filtering(lambda df: df["amount"]))
    with pytest.raises(UserFunctionError, match="one boolean per row"):
        run(filtering(lambda df: [True]))


def test_functions_of_assign_see_plain_frames_that_may_be_written_to() -> None:
    def doubled(df: pd.DataFrame) -> pd.Series:
        assert isinstance(df.index, pd.RangeIndex)
        df["amount"] = df["amount"] * 2
        df.loc[0, "price"] = 7.0
        return df["amount"]

    node = assigning("twice", "int64", doubled)
    after = assigning("same", "int64", lambda df: df["amount"], node)
    found = run(Assign(**{**_fields(after), "name": "again"})).rows("out")
    assert [row["twice"] for row in found] == [2, 4, None, 8]
    assert [row["same"] for row in found] == [1, 2, None, 4]
    assert [row["price"] for row in found] == [0.5, None, 1.5, 2.5]


def test_assign_takes_scalars_arrays_and_metadata() -> None:
    assert [r["x"] for r in run(assigning("x", "string", "v")).rows("out")] == ["v"] * 4
    assert [r["x"] for r in run(assigning("x", "int64", lambda df: 3)).rows("out")] == [3] * 4
    assert [r["x"] for r in run(assigning("x", "int64", lambda df: list(range(len(df))))).rows("out")] == [0, 1, 2, 3]
    assert [r["x"] for r in run(assigning("x", "int64", MetaColumn.OFFSET)).rows("out")] == [0, 1, 2, 3]
    assert [r["x"] for r in run(assigning("x", "int32", MetaColumn.PARTITION)).rows("out")] == [0] * 4
    assert [r["x"] for r in run(assigning("x", "string", MetaColumn.TOPIC)).rows("out")] == ["clicks"] * 4


def test_a_series_is_taken_by_position_whatever_its_index() -> None:
    node = assigning("x", "int64", lambda df: pd.Series(range(len(df)), index=range(len(df), 0, -1)))
    assert [row["x"] for row in run(node).rows("out")] == [0, 1, 2, 3]


@pytest.mark.parametrize("function", [lambda df: [1], lambda df: pd.Series([1, 2]), lambda df: object()])
def test_assign_needs_one_value_per_row(function: Callable[..., Any]) -> None:
    with pytest.raises(UserFunctionError, match="one value per row"):
        run(assigning("x", "int64", function))


def test_another_type_than_in_the_dry_run_is_a_clear_error() -> None:
    with pytest.raises(UserFunctionError, match="dry run"):
        run(assigning("x", "int64", lambda df: pd.Series(["text"] * len(df))))


def fragile(df: pd.DataFrame) -> pd.Series:
    if (df["amount"] == 2).any():
        raise ZeroDivisionError("two")
    return df["amount"]


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_only_the_rows_that_make_a_function_raise_are_set_aside(batch: int) -> None:
    node = assigning("x", "int64", fragile, on_error="dead_letter")
    cluster = run(node, batch=batch, dead_letters="dead")
    assert users(cluster) == ["a", "c", None]
    (letter,) = cluster.outputs["dead"]
    assert letter.row == ROWS[1]
    headers = {name: value and value.decode() for name, value in letter.headers}
    assert headers == {
        "sf.topic": "clicks",
        "sf.partition": "0",
        "sf.offset": "1",
        "sf.step": "assign",
        "sf.error": "ZeroDivisionError",
        "sf.message": "two",
    }
    assert cluster.count(ROWS_IN) == cluster.count(ROWS_DEAD_LETTER) + cluster.count(ROWS_OUT)


def test_skipping_counts_the_rows() -> None:
    cluster = run(assigning("x", "int64", fragile, on_error="skip"))
    assert users(cluster) == ["a", "c", None]
    assert cluster.count(ROWS_SKIPPED) == 1


def test_failing_names_the_record() -> None:
    with pytest.raises(UserFunctionError) as caught:
        run(assigning("x", "int64", fragile))
    assert {"topic": "clicks", "partition": 0, "offset": 1, "step": "assign"}.items() <= caught.value.facts.items()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_function_that_needs_a_pruned_column_is_answered_by_all_columns() -> None:
    def sly(df: pd.DataFrame) -> pd.Series:
        return df["price"] if (df["amount"] == 2).any() else df["amount"].astype("float64")

    node = assigning("x", "float64", sly, uses=frozenset({"amount"}))
    chosen = Project(name="project", schema=pa.schema([node.schema.field("x")]), input=node, columns=(("x", "x"),))
    with pytest.raises(ColumnPruned) as caught:
        run(chosen, ROWS[:2])
    assert caught.value.columns == ("price",)
    assert [row["x"] for row in run(chosen, ROWS[:2], full_projection=True).rows("out")] == [0.5, None]


def test_project_chooses_and_renames() -> None:
    node = clicks()
    schema = pa.schema([node.schema.field("amount").with_name("n"), node.schema.field("user")])
    project = Project(name="project", schema=schema, input=node, columns=(("n", "amount"), ("user", "user")))
    assert run(project).rows("out")[0] == {"n": 1, "user": "a"}


@pytest.mark.parametrize(
    ("name", "dtype", "values"),
    [
        ("price", "int64", [0, None, 1, 2]),
        ("amount", "string", ["1", "2", None, "4"]),
        ("price", "string", ["0.5", None, "1.5", "2.5"]),
        ("amount", "float64", [1.0, 2.0, None, 4.0]),
        ("amount", "bool", [True, True, None, True]),
        ("ts", "timestamp[s]", [0, 0, 0, 0]),
    ],
)
def test_cast_follows_pandas_and_keeps_nulls(name: str, dtype: str, values: list[Any]) -> None:
    node = clicks()
    cast = Cast(name="cast", schema=with_field(node.schema, name, dtype), input=node, columns=(name,))
    assert [row[name] for row in run(cast).rows("out")] == values


def test_text_that_is_no_number_is_set_aside_alone() -> None:
    node = clicks()
    cast = Cast(
        name="cast", schema=with_field(node.schema, "user", "int64"), input=node, columns=("user",), on_error="skip"
    )
    cluster = run(cast, [{**ROWS[0], "user": text} for text in ("1", "x", "3")])
    assert [row["user"] for row in cluster.rows("out")] == [1, 3]
    assert cluster.count(ROWS_SKIPPED) == 1


def test_explode_gives_a_row_per_element_and_one_for_an_empty_list() -> None:
    node = clicks(schema={"tags": "list<string>", "ts": "timestamp[ms]"})
    schema = pa.schema([pa.field("tags", pa.large_string()), node.schema.field("ts")])
    explode = Explode(name="explode", schema=schema, input=node, column="tags")
    rows = [
        {"tags": ["a", "b"], "ts": 1},
        {"tags": [], "ts": 2},
        {"tags": None, "ts": 3},
        {"tags": ["c", None], "ts": 4},
    ]
    cluster = run(explode, rows)
    assert [(r["tags"], r["ts"]) for r in cluster.rows("out")] == [
        ("a", 1),
        ("b", 1),
        (None, 2),
        (None, 3),
        ("c", 4),
        (None, 4),
    ]
    assert cluster.count(ROWS_ADDED) == 2


def mapping(function: Callable[..., Any], schema: pa.Schema | None = None, **options: Any) -> MapBatches:
    node = clicks()
    return MapBatches(name="map", schema=schema or node.schema, input=node, function=function, **options)


def test_map_batches_may_drop_and_repeat_rows_and_keeps_their_times() -> None:
    cluster = run(mapping(lambda df: pd.concat([df[df["amount"] > 1], df.head(1)])))
    assert users(cluster) == ["b", None, "a"]
    assert [record.timestamp for record in cluster.outputs["out"]] == [2, 4, 1]


def test_map_batches_sets_event_time_by_the_column_of_its_name() -> None:
    cluster = run(mapping(lambda df: df.assign(ts=df["ts"] + pd.Timedelta("1s")), event_time="ts"))
    assert [record.timestamp for record in cluster.outputs["out"]] == [1_001, 1_002, 1_003, 1_004]


def test_map_batches_must_return_rows_that_can_be_related() -> None:
    schema = pa.schema([clicks().schema.field("user")])
    with pytest.raises(UserFunctionError, match="related"):
        run(mapping(lambda df: pd.concat([df, df])[["user"]].reset_index(drop=True), schema))
    with pytest.raises(UserFunctionError, match="must return a DataFrame"):
        run(mapping(lambda df: df["user"]))
    with pytest.raises(UserFunctionError, match="left out"):
        run(mapping(lambda df: df[["user"]]))


def test_union_takes_the_rows_of_all_branches() -> None:
    node = clicks()
    small = Filter(name="small", schema=node.schema, input=node, predicate="amount < 2")
    large = Filter(name="large", schema=node.schema, input=node, predicate="amount > 2")
    both = Union(name="both", schema=node.schema, branches=(large, small))
    assert users(run(both)) == [None, "a"]


def _fields(node: Assign) -> dict[str, Any]:
    return {name: getattr(node, name) for name in node.__dataclass_fields__}


def test_results_of_an_aggregate_that_make_a_function_raise_become_dead_letters_of_their_columns() -> None:
    totals = aggregate(clicks(), ["user"], {"total": ("amount", "sum")}, Window(size=10_000, every=10_000))
    node = filtering(lambda df: 1 // (df["total"] - 2).abs().min() >= 0, totals, on_error="dead_letter")
    cluster = run(node, ROWS[:2], dead_letters="dead")
    cluster.run(flush=True)
    assert [row["user"] for row in cluster.rows("out")] == ["a"]
    (letter,) = cluster.outputs["dead"]
    assert (letter.row["user"], letter.row["total"]) == ("b", 2)
    assert (dict(letter.headers)["sf.topic"], dict(letter.headers)["sf.step"]) == (b"", b"filter")
