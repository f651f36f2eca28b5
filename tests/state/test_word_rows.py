"""Rows of words: stored, compared, turned back into columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from streamframe.state.key_words import key_column, normalise
from streamframe.state.word_rows import WordRows

ROW = st.tuples(st.text(max_size=30) | st.none(), st.integers(0, 3) | st.none(), st.binary(max_size=9) | st.none())
KINDS = [pa.large_string(), pa.int16(), pa.large_binary()]


def parts(rows):
    return [key_column(normalise(pa.array([row[i] for row in rows], kind))) for i, kind in enumerate(KINDS)]


@given(st.lists(ROW, min_size=1, max_size=30), st.lists(ROW, min_size=1, max_size=30), st.data())
def test_rows_are_equal_exactly_if_the_keys_are(stored, asked, data):
    rows = WordRows(KINDS)
    columns = parts(stored)
    rows.append(rows.heads(columns), columns, np.arange(len(stored)))
    slots = np.array(data.draw(st.lists(st.integers(0, len(stored) - 1), min_size=len(asked), max_size=len(asked))))
    columns = parts(asked)
    same = rows.equal(rows.heads(columns), columns, slots).tolist()
    assert same == [stored[slot] == row for slot, row in zip(slots.tolist(), asked, strict=True)]


@given(st.lists(ROW, min_size=1, max_size=30), st.data())
def test_chosen_rows_come_back_as_they_were(stored, data):
    chosen = np.array(data.draw(st.lists(st.integers(0, len(stored) - 1), unique=True, max_size=30)), np.intp)
    rows = WordRows(KINDS)
    columns = parts(stored)
    rows.append(rows.heads(columns), columns, chosen)
    heads = rows.heads(columns)
    rows.append_row(rows.row_of(heads, columns, 0))
    back = list(zip(*(column.to_pylist() for column in rows.columns(None)), strict=True))
    assert back == [stored[row] for row in [*chosen.tolist(), 0]]


def test_one_very_long_text_among_short_ones_comes_back():
    rows = WordRows([pa.large_string()])
    short = [key_column(normalise(pa.array(["a", "", "bc"])))]
    rows.append(rows.heads(short), short, np.arange(3))
    long = [key_column(normalise(pa.array(["x" * 10_001])))]
    rows.append_row(rows.row_of(rows.heads(long), long, 0))
    assert rows.columns(None)[0].to_pylist() == ["a", "", "bc", "x" * 10_001]
