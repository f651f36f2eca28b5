"""Reading a query text."""

import sys

import pytest

from streamframe.api.query import captured, read_query
from streamframe.core.errors import PlanError


@pytest.mark.parametrize(
    ("text", "names", "variables"),
    [
        ("amount > 0", ("amount",), ()),
        ("amount > @limit and user != 'page'", ("amount", "user"), ("limit",)),
        ("`unit price` > 1 or `ok`", ("unit price", "ok"), ()),
        ("page in ['a', \"b@c\", '`x`']", ("page",), ()),
        ("user.str.startswith('a')", ("user",), ()),
        ("abs(amount) > 1", ("amount",), ()),
        ("0 < amount <= n\n and ok", ("amount", "n", "ok"), ()),
        ("@a == @b", (), ("a", "b")),
        ("amount == amount", ("amount",), ()),
        ("page == 'it\\'s @home'", ("page",), ()),
    ],
)
def test_columns_and_variables_are_told_apart(text, names, variables):
    query = read_query(text, step="q")

    assert query.names == names
    assert query.variables == variables


@pytest.mark.parametrize("text", ["", "amount >", "amount = 1", "x; y", "import os"])
def test_a_text_that_is_no_expression_is_refused(text):
    with pytest.raises(PlanError, match="not an expression"):
        read_query(text, step="q")


def test_variables_are_taken_where_the_query_is_written():
    limit = 3

    assert captured(read_query("x > @limit", step="q"), sys._getframe(), step="q") == {"limit": limit}


def test_an_unknown_variable_is_refused_with_the_nearest_one():
    treshold = 3

    with pytest.raises(PlanError, match="unknown variable") as caught:
        captured(read_query("x > @threshold", step="q"), sys._getframe(), step="q")

    assert caught.value.hint == "did you mean 'treshold'?"
    assert treshold == 3
