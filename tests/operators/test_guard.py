"""Bisecting a function that raises."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import PlanError, UserFunctionError
from streamframe.core.metrics import ROWS_SKIPPED, counter
from streamframe.operators.guard import Guard
from streamframe.operators.quarantine import Quarantine
from streamframe.operators.rows import ColumnPruned, Marks, Rows
from streamframe.operators.turn import Turn
from tests.operators.harness import source, to_topic, topology

TOPOLOGY = topology(to_topic(source()))


def rows_of(values: list[int]) -> Rows:
    numbers = np.arange(len(values))
    return Rows({"x": pa.array(values, pa.int64())}, Marks(times=numbers, observed=numbers, lanes=0, offsets=numbers))


def guard(policy: str = "skip", *, whole: bool = False) -> Guard:
    return Guard(Quarantine("step", policy, TOPOLOGY), ("x", "pruned"), whole=whole)  # type: ignore[arg-type]


def unlucky(rows: Rows) -> list[int]:
    values = rows.columns["x"].to_pylist()
    if 13 in values:
        raise ValueError("thirteen")
    return values


@given(st.lists(st.sampled_from([1, 2, 13]), min_size=1, max_size=20))
def test_exactly_the_rows_that_raise_alone_are_set_aside_and_the_others_keep_their_order(values: list[int]) -> None:
    turn = Turn(now=0)
    pieces = guard().apply(rows_of(values), unlucky, None, turn)
    assert [value for _, piece in pieces for value in piece] == [value for value in values if value != 13]
    assert turn.counts[counter(ROWS_SKIPPED, "step")] == values.count(13)


def test_a_function_that_raises_for_many_rows_only_is_called_with_fewer() -> None:
    def narrow(rows: Rows) -> int:
        if len(rows) > 2:
            raise MemoryError
        return len(rows)

    turn = Turn(now=0)
    assert [size for _, size in guard().apply(rows_of([1] * 6), narrow, None, turn)] == [1, 2, 1, 2]
    assert not turn.counts


def test_failing_names_the_first_row() -> None:
    with pytest.raises(UserFunctionError, match="thirteen") as caught:
        guard("fail").apply(rows_of([1, 2, 13, 13]), unlucky, None, Turn(now=0))
    assert caught.value.facts["offset"] == 2


def test_a_pruned_column_is_reported_and_a_column_that_never_was_is_the_users_affair() -> None:
    def ask(name: str):
        return lambda rows: rows.columns[name]

    with pytest.raises(ColumnPruned) as caught:
        guard().apply(rows_of([1]), ask("pruned"), None, Turn(now=0))
    assert caught.value.columns == ("pruned",)
    assert guard().apply(rows_of([1]), ask("never"), None, Turn(now=0)) == []
    assert guard(whole=True).apply(rows_of([1]), ask("pruned"), None, Turn(now=0)) == []


def test_a_result_of_the_wrong_shape_ends_the_run_whatever_the_policy() -> None:
    def wrong(rows: Rows) -> None:
        raise PlanError("column has another type", column="x")

    with pytest.raises(UserFunctionError, match="dry run") as caught:
        guard().apply(rows_of([1]), wrong, None, Turn(now=0))
    assert caught.value.facts == {"step": "step", "column": "x"}
