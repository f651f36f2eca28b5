"""All functions of a step together."""

from __future__ import annotations

import pytest

from streamframe.core.errors import PlanError
from streamframe.operators.aggregators.fold import Fold
from tests.operators.harness import aggregate, source


def names(functions: dict[str, tuple[str, str]]) -> list[str]:
    return [spec.name for spec in Fold(aggregate(source(), ["user"], functions, None)).specs]


def test_functions_that_need_the_same_thing_share_it() -> None:
    functions = {name: ("amount", name) for name in ("sum", "mean", "count", "min", "var", "std")}
    assert sorted(names(functions)) == [
        "count(amount)",
        "m2(amount)",
        "mean(amount)",
        "min(amount)",
        "newest",
        "sum(amount)",
    ]


def test_moments_are_folded_before_the_count_that_they_read() -> None:
    found = names({"n": ("amount", "count"), "v": ("amount", "var")})
    assert found.index("m2(amount)") < found.index("count(amount)")


def test_distinct_values_cannot_be_combined_from_parts() -> None:
    assert Fold(aggregate(source(), ["user"], {"n": ("amount", "sum")}, None)).mergeable
    assert not Fold(aggregate(source(), ["user"], {"n": ("amount", "nunique")}, None)).mergeable


def test_an_unknown_function_is_an_error_of_the_plan() -> None:
    with pytest.raises(PlanError, match="unknown aggregate function"):
        Fold(aggregate(source(), ["user"], {"n": ("amount", "mode")}, None))
