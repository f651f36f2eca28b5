"""A user's own aggregate, on every path."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from streamframe.core.errors import UserFunctionError
from streamframe.core.metrics import ROWS_SKIPPED
from streamframe.plan.nodes import Aggregation, CustomAggregate, Window
from tests.operators.totals import HOP, MS, TEN, run


def update(state: pd.DataFrame, batch: pd.DataFrame) -> pd.DataFrame:
    if (batch["amount"] == 13).any():
        raise ValueError("thirteen")
    groups = batch.groupby("group")["amount"]
    state["product"] *= groups.prod().reindex(state.index).astype("int64")
    state["seen"] = state["seen"] + groups.apply(lambda s: "".join(map(str, s))).reindex(state.index)
    return state


def merge(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"product": left["product"] * right["product"], "seen": left["seen"] + right["seen"]})


def product(*, merged: bool = True) -> list[Aggregation]:
    custom = CustomAggregate(
        columns=("amount",),
        init={"product": 1, "seen": ""},
        update=update,
        finish=lambda state: state["product"].astype(str) + ":" + state["seen"],
        merge=merge if merged else None,
    )
    return [
        Aggregation(output="x", function="custom", inputs=("amount",), type=pa.large_string(), custom=custom),
        Aggregation(output="n", function="count", inputs=("amount",), type=pa.int64()),
    ]


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_users_aggregate_gives_the_same_on_every_path(merged: bool, direct: bool, batch: int) -> None:
    rows = [{"amount": n, "user": user, "ts": n * MS} for n, user in [(2, "a"), (3, "b"), (4, "a"), (6, "a"), (7, "b")]]
    found = run(rows, product(merged=merged), HOP, direct=direct, batch=batch).rows("out")
    assert [(row["window_start"], row["user"], row["x"], row["n"]) for row in found] == [
        (-5, "a", "8:24", 2),
        (-5, "b", "3:3", 1),
        (0, "a", "48:246", 3),
        (0, "b", "21:37", 2),
        (5, "a", "6:6", 1),
        (5, "b", "7:7", 1),
    ]


@pytest.mark.parametrize("window", [TEN, HOP, None])
@pytest.mark.parametrize("direct", [True, False])
def test_rows_that_make_a_users_aggregate_raise_are_set_aside_alone(direct: bool, window: Window | None) -> None:
    rows = [{"amount": n, "user": user} for n, user in [(2, "a"), (13, "a"), (5, "a"), (13, "new")]]
    cluster = run(rows, product(), window, direct=direct, on_error="skip")
    assert {(row["user"], row["x"], row["n"]) for row in cluster.rows("out")} == {("a", "10:25", 2)}
    assert cluster.count(ROWS_SKIPPED) == 2
    cluster.crash(next(reversed(cluster.tasks)))
    cluster.send("clicks", [{"amount": 3, "user": "new", "ts": 30 * MS}], by="user")
    last = cluster.run(flush=True).rows("out")[-1]
    assert (last["user"], last["x"]) == ("new", "3:3")


def test_a_failing_users_aggregate_names_the_record() -> None:
    with pytest.raises(UserFunctionError, match="thirteen") as caught:
        run([{"amount": 1}, {"amount": 13}], product())
    assert caught.value.facts["offset"] == 1


def test_a_users_aggregate_must_return_states() -> None:
    (wrong, _) = product()
    assert wrong.custom is not None
    broken = CustomAggregate(columns=("amount",), init={"s": 0}, update=lambda s, b: b, finish=lambda s: s["s"])
    with pytest.raises(UserFunctionError, match="must return a DataFrame of 1 rows"):
        run(
            [{"amount": 1}],
            [Aggregation(output="x", function="custom", inputs=("amount",), type=pa.int64(), custom=broken)],
        )
