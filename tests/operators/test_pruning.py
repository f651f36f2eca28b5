"""Which absent column an exception is about."""

from __future__ import annotations

import pandas as pd
import pytest

from streamframe.operators.pruning import asked_for

FRAME = pd.DataFrame({"a": [1]})


@pytest.mark.parametrize(
    "ask",
    [
        lambda: FRAME["price"],
        lambda: FRAME[["a", "price"]],
        lambda: FRAME.price,
        lambda: FRAME.query("price > 1"),
        lambda: FRAME.drop(columns=["price"]),
    ],
)
def test_pandas_says_which_column_it_misses(ask) -> None:
    with pytest.raises(Exception, match="price") as caught:
        ask()
    assert asked_for(caught.value, ["other", "price"]) == ("price",)
    assert asked_for(caught.value, ["other"]) == ()


def test_a_column_is_found_behind_another_exception() -> None:
    error = RuntimeError("wrapped")
    error.__cause__ = KeyError("price")
    assert asked_for(error, ["price"]) == ("price",)


def test_other_exceptions_ask_for_nothing() -> None:
    assert asked_for(ValueError("price"), ["price"]) == ()
