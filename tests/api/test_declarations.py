"""The names and the reader of a program."""

import pandas as pd
import pytest

from streamframe.api.declarations import Declarations
from streamframe.core.errors import PlanError
from tests.api.programs import builder, clicks


def test_only_steps_without_state_are_numbered():
    declarations = Declarations()

    assert [declarations.unused_name("clicks-query") for _ in range(3)] == [
        "clicks-query",
        "clicks-query-2",
        "clicks-query-3",
    ]


def test_head_asks_the_reader_of_the_program():
    program = builder()
    asked = []
    frame = clicks(program).query("amount > 0")

    def read(node, count):
        asked.append((node.name, count))
        return pd.DataFrame({"amount": [1.0]})

    program.declarations.read_head = read

    assert frame.head(3)["amount"].tolist() == [1.0]
    assert asked == [("clicks-query-amount", 3)]


def test_a_program_without_a_reader_says_so():
    with pytest.raises(PlanError, match="no app that could read"):
        clicks().head()
