"""Descriptions equal their golden files; `python -m tests.plan.test_explain` writes these anew."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from streamframe.core.errors import PlanError
from streamframe.plan.compile import compile_plan
from streamframe.plan.explain import describe, outline
from tests.plan.described import everything, windows

GOLDEN = Path(__file__).parent / "golden"
CASES = [
    (program, form, f"{program.__name__}.{suffix}")
    for program in (windows, everything)
    for form, suffix in (("text", "txt"), ("mermaid", "mmd"), ("json", "json"))
]


@pytest.mark.parametrize(("program", "form", "file"), CASES, ids=[file for _, _, file in CASES])
def test_a_description_equals_its_golden_file(program, form, file):
    assert describe(compile_plan(program()), form) == (GOLDEN / file).read_text(encoding="utf-8")


def test_json_is_the_outline():
    topology = compile_plan(windows())

    assert json.loads(describe(topology, "json")) == outline(topology)


def test_an_unknown_format_is_refused():
    with pytest.raises(PlanError, match="unknown format") as caught:
        describe(compile_plan(windows()), cast("Any", "mermiad"))

    assert caught.value.hint == "did you mean 'mermaid'?"


if __name__ == "__main__":
    for make, wanted, name in CASES:
        (GOLDEN / name).write_text(describe(compile_plan(make()), cast("Any", wanted)), encoding="utf-8")
