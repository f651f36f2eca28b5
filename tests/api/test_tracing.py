"""Tracing is right for every batch, or says that it cannot tell."""

import numpy as np
import pandas as pd
import pytest

from streamframe.api.tracing import traced_columns

FRAME = pd.DataFrame(
    {"a": pd.Series(dtype="float64"), "b": pd.Series(dtype="float64"), "count": pd.Series(dtype="int64")}
)
NAME = "a"


def traced(function):
    return traced_columns(function, FRAME.copy(), function(FRAME.copy()))


def straight(df):
    x = df["a"] * 2
    return x + df.b


def branching(df):
    if df["a"].any():
        return df["b"]
    return df["a"]


def looking(df):
    return df["b"] if len(df) else df["a"]


def trying(df):
    try:
        return df["a"]
    except KeyError:
        return df["b"]


def short_circuit(df):
    return (df["a"].any() and df["b"]) or df["a"]


def reads_both(df):
    return df["a"] if df["b"].any() else df["b"]


def conditional_name(df):
    return df["a" if NAME else "b"]


def lending_sometimes(df):
    return df["a"] if NAME else reads_both(df)


def replacing(df):
    if NAME:
        df = df[["a", "b"]]
    return df["a"]


def lends(df):
    return reads_both(df)


@pytest.mark.parametrize(
    ("function", "columns"),
    [
        (lambda df: df["a"] * 2, {"a"}),
        (lambda df: df.a + df["b"], {"a", "b"}),
        (lambda df: df[["a", "b"]].sum(axis=1), {"a", "b"}),
        (lambda df: df[NAME] > 1, {"a"}),
        (lambda df: np.where(df["a"] > 0, df["b"], 0.0), {"a", "b"}),
        (lambda df: df["a"].map(lambda value: 1.0 if value > 1 else 2.0), {"a"}),
        (lambda df: df[["a"]], {"a"}),
        (straight, {"a", "b"}),
    ],
)
def test_straight_code_that_takes_columns_is_traced(function, columns):
    assert traced(function) == columns


@pytest.mark.parametrize(
    "function",
    [
        lambda df: df,
        lambda df: df.eval("a + b"),
        lambda df: df.count(),
        lambda df: df.sum(axis=1),
        lambda df: df[df["a"] > 0]["b"],
        lambda df: pd.Series(np.asarray(df["a"]) + df.to_numpy()[:, 0]),
        lambda df: np.sum(df, axis=1),
        lambda df: df[[name.lower() for name in "AB"]].sum(axis=1),
        lambda df: df["a"].map(lambda value: df["b"].sum()),
        looking,
        conditional_name,
        lending_sometimes,
        replacing,
        lends,
    ],
)
def test_everything_else_reads_all_columns(function):
    assert traced(function) is None


@pytest.mark.parametrize(
    ("function", "columns"),
    [
        (branching, {"a", "b"}),
        (trying, {"a", "b"}),
        (short_circuit, {"a", "b"}),
        (lambda df: df["a"].map({name: len(name) / 2 for name in "ab"}), {"a"}),
        (lambda df: df[["a", "b"]].sum(axis=1) if NAME else df["a"], {"a", "b"}),
    ],
)
def test_code_that_branches_is_read_in_all_its_branches(function, columns):
    assert traced(function) == columns


def test_a_callable_that_is_no_plain_function_reads_all_columns():
    class Score:
        def __call__(self, df):
            return df["a"]

    assert traced(Score()) is None
