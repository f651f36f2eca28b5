"""Rows that cannot be folded are set aside before anything of them is."""

from __future__ import annotations

import pytest

from streamframe.core.errors import RecordError
from streamframe.core.metrics import PARTIALS_DROPPED, ROWS_AGGREGATED, ROWS_DEAD_LETTER, ROWS_IN
from streamframe.plan.nodes import Assign, Window
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology
from tests.operators.totals import HOP, HUGE, SCHEMA, TEN, run


@pytest.mark.parametrize("batch", [1, 2, 3, 9])
@pytest.mark.parametrize("window", [TEN, HOP, None])
def test_the_row_that_takes_a_sum_out_of_int64_is_set_aside_alone(window: Window | None, batch: int) -> None:
    rows = [{"amount": HUGE - 1}, {"amount": 1}, {"amount": 1}, {"amount": -5}, {"amount": 5}]
    functions = {"total": ("amount", "sum"), "n": ("amount", "size")}
    cluster = run(rows, functions, window, batch=batch, on_error="dead_letter")
    assert [letter.row["amount"] for letter in cluster.outputs["dead"]] == [1]
    last = cluster.rows("out")[-1]
    assert (last["total"], last["n"]) == (HUGE, 4)
    assert cluster.count(ROWS_IN) == cluster.count(ROWS_AGGREGATED) + cluster.count(ROWS_DEAD_LETTER)


def test_a_row_that_one_sum_refuses_is_in_no_other() -> None:
    rows = [{"amount": HUGE, "other": 1}, {"amount": 1, "other": 10}, {"amount": 0, "other": 100}]
    functions = {"total": ("amount", "sum"), "others": ("other", "sum"), "mean": ("other", "mean")}
    (row,) = run(rows, functions, on_error="skip").rows("out")
    assert (row["total"], row["others"], row["mean"]) == (HUGE, 101, 50.5)


def test_an_overflow_fails_by_default_and_names_the_record() -> None:
    with pytest.raises(RecordError, match="int64") as caught:
        run([{"amount": HUGE}, {"amount": 1}], {"total": ("amount", "sum")})
    assert caught.value.facts["offset"] == 1


def test_partial_sums_that_do_not_fit_together_are_dropped_and_counted_or_fail() -> None:
    rows = [{"amount": HUGE}, {"amount": 1}]
    functions = {"total": ("amount", "sum")}
    cluster = run(rows, functions, direct=False, batch=1, on_error="skip")
    assert cluster.count(PARTIALS_DROPPED) == 1
    assert [row["total"] for row in cluster.rows("out")] == [HUGE]
    with pytest.raises(RecordError, match="int64"):
        run(rows, functions, direct=False, batch=1)


def test_nan_made_by_a_function_counts_as_null() -> None:
    node = source(schema=SCHEMA)
    zero = Assign(
        name="assign",
        schema=node.schema,
        input=node,
        assignments=(("price", lambda df: df["price"] / df["price"]),),
    )
    functions = {"n": ("price", "count"), "low": ("price", "min"), "any": ("price", "any"), "last": ("price", "last")}
    cluster = Cluster(topology(to_topic(aggregate(zero, ["user"], functions, TEN))))
    cluster.send("clicks", [{"user": "a", "price": p, "ts": t} for t, p in enumerate([2.0, 0.0])], by="user")
    (row,) = cluster.run(flush=True).rows("out")
    assert (row["n"], row["low"], row["any"], row["last"]) == (1, 1.0, True, 1.0)
