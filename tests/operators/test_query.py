"""Compiled query texts give what pandas gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import UserFunctionError
from streamframe.operators.query import Query, boolean_mask
from streamframe.operators.rows import Marks, Rows

SCHEMA = pa.schema([("n", pa.int64()), ("x", pa.float64()), ("s", pa.large_string()), ("b", pa.bool_())])
VARIABLES = {"limit": 2, "name": "b", "flag": True}

COMPARISON = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
SIMPLE = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["n", "x"]),
        COMPARISON,
        st.sampled_from(["0", "-1", "2.5", "@limit", "n", "x"]),
    ),
    st.builds("s {} {}".format, COMPARISON, st.sampled_from(["'a'", "'ü'", "@name", "s"])),
    st.builds("b {} {}".format, st.sampled_from(["==", "!="]), st.sampled_from(["True", "@flag"])),
    st.just("b"),
    st.just("0 < n <= 2"),
)
TEXTS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or", "&", "|"]), inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=4,
)


def rows_of(columns: dict[str, list[Any]]) -> Rows:
    count = len(columns["n"])
    zeros = np.zeros(count, np.int64)
    marks = Marks(times=zeros, observed=zeros, lanes=0, offsets=np.arange(count))
    return Rows({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}, marks)


@st.composite
def batches(draw: st.DrawFn) -> Rows:
    count = draw(st.integers(1, 6))
    column = lambda values: st.lists(values, min_size=count, max_size=count)  # noqa: E731
    null = draw(st.sampled_from([(), (None,)]))
    return rows_of(
        {
            "n": draw(column(st.sampled_from([-1, 0, 1, 2, 3, *null]))),
            "x": draw(column(st.sampled_from([-1.0, 0.0, 2.5, float("nan"), *null]))),
            "s": draw(column(st.sampled_from(["a", "b", "ü", "", *null]))),
            "b": draw(column(st.sampled_from([True, False, *null]))),
        }
    )


@given(text=TEXTS, rows=batches())
def test_compiled_texts_agree_with_pandas(text: str, rows: Rows) -> None:
    query = Query(text, VARIABLES, SCHEMA)
    assert query.compiled
    frame = rows.frame(SCHEMA)
    wanted = boolean_mask(frame.eval(text, local_dict=VARIABLES, engine="python"), len(rows))
    assert query.matches(rows, None).tolist() == wanted.tolist()


@pytest.mark.parametrize("text", ["n + 1 > 2", "n in [1, 2]", "s.str.len() > 1", "`n` > 1", "x > n.mean()", "s == 1"])
def test_other_texts_are_left_to_pandas(text: str) -> None:
    assert not Query(text, VARIABLES, SCHEMA).compiled


def test_a_text_that_is_no_predicate_is_an_error() -> None:
    rows = rows_of({"n": [1, 2], "x": [1.0, 2.0], "s": ["a", "b"], "b": [True, False]})
    with pytest.raises(UserFunctionError, match="one boolean per row"):
        Query("n + 1", {}, SCHEMA).matches(rows, None)
