"""Aggregates of one's own are tried when they are declared."""

from typing import Any

import pyarrow as pa
import pytest

from streamframe.api.custom_aggregates import Aggregate
from streamframe.core.errors import PlanError
from tests.api.programs import clicks

GOOD: dict[str, Any] = {
    "columns": ["amount", "n"],
    "init": {"total": 0.0, "weight": 0},
    "update": lambda state, batch: state.assign(
        total=state["total"].add((batch["amount"] * batch["n"]).groupby(batch["group"]).sum(), fill_value=0.0),
        weight=state["weight"] + batch.groupby("group")["n"].sum(),
    ),
    "merge": lambda left, right: left + right,
    "finish": lambda state: state["total"] / state["weight"],
}


def declared(**changed):
    (found,) = clicks().groupby("user").agg(out=Aggregate(**GOOD | changed))._node.aggregations
    return found


def problem(**changed):
    with pytest.raises(PlanError) as caught:
        declared(**changed)
    return caught.value


def test_a_good_aggregate_has_the_type_of_its_result():
    found = declared()

    assert (found.function, found.inputs, found.type) == ("custom", ("amount", "n"), pa.float64())
    assert found.custom.init == {"total": 0.0, "weight": 0}
    assert found.custom.merge is not None


def test_a_type_may_be_declared():
    assert declared(type="float32").type == pa.float32()
    assert declared(type="float32").custom.type == pa.float32()


def test_merge_may_be_left_out():
    assert declared(merge=None).custom.merge is None


def test_state_may_be_text():
    found = declared(
        columns="page",
        init={"longest": ""},
        update=lambda state, batch: state.assign(longest=batch.groupby("group")["page"].max()),
        merge=None,
        finish=lambda state: state["longest"].str.upper(),
    )

    assert found.type == pa.large_string()


def broken(*_):
    raise ValueError("no")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"columns": ["amuont"]}, "unknown column"),
        ({"columns": []}, "at least one column"),
        ({"init": {}}, "needs a state"),
        ({"init": {"total": None}}, "starts with an int, float, bool, str or bytes"),
        ({"update": broken}, "update of an Aggregate failed"),
        ({"update": lambda state, batch: batch}, "must return the rows and columns of its state"),
        ({"update": lambda state, batch: None}, "must return a DataFrame"),
        ({"init": {"total": 0, "weight": 0}}, "changed the type of a state column"),
        ({"merge": broken}, "merge of an Aggregate failed"),
        ({"merge": lambda left, right: left.head(1)}, "must return the rows and columns"),
        ({"finish": broken}, "finish of an Aggregate failed"),
        ({"finish": lambda state: 1.0}, "finish must return a Series"),
        ({"finish": lambda state: state["total"].map(lambda _: None).astype(object)}, "type of an aggregate"),
    ],
)
def test_a_broken_aggregate_is_refused(changed, message):
    assert message in problem(**changed).message


def test_the_column_that_names_the_group_is_taken():
    frame = clicks().rename({"n": "group"})

    with pytest.raises(PlanError, match="named 'group'"):
        frame.groupby("user").agg(out=Aggregate(**GOOD | {"columns": ["amount", "group"]}))
