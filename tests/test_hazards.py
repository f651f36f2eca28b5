"""``docs/hazards.md``: every hazard has its row, and every row names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from streamframe.testing.sim import invariants
from streamframe.testing.sim.mutants import MUTANTS
from tests.hazards.taken_out import TAKEN_OUT, TakenOut

TESTS = Path(__file__).parent
ROOT = TESTS.parent
REPORT = ROOT / "docs" / "hazards-taken-out.md"
ROWS = re.findall(
    r"^\| (T-\d\d) \|(.*)\|(.*)\|(.*)\|$", (TESTS.parent / "docs" / "hazards.md").read_text(), re.MULTILINE
)
LAST = 49


def test_every_hazard_has_one_row() -> None:
    assert sorted(number for number, *_ in ROWS) == [f"T-{number:02}" for number in range(1, LAST + 1)]


@pytest.mark.parametrize(("number", "witnesses"), [(number, witnesses) for number, _, _, witnesses in ROWS])
def test_what_would_see_it_exists(number: str, witnesses: str) -> None:
    named = re.findall(r"`([^`]+)`", witnesses)
    assert named, number
    for name in named:
        if name.startswith("mutant:"):
            assert name.removeprefix("mutant:") in MUTANTS
            continue
        file, _, test = name.partition("::")
        found = {
            node.name for node in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(node, ast.FunctionDef)
        }
        assert test in found, name


def test_invariants_that_are_named_are_looked_at() -> None:
    known = set(re.findall(r"^    ([a-z]+-[a-z]+|liveness)  ", invariants.__doc__ or "", re.MULTILINE))
    named = {name for _, _, rule, _ in ROWS for name in re.findall(r"`([a-z-]+)`", rule)}
    assert named - {"flush"} <= known, named - known


def test_every_planted_mistake_stands_for_hazards_that_have_a_row() -> None:
    numbers = {number for number, *_ in ROWS}
    assert all(set(mutant.hazards.split(", ")) <= numbers for mutant in MUTANTS.values())


def test_every_hazard_has_a_protection_that_was_taken_out() -> None:
    """By ``make hazards``, which takes minutes; here: that what it does is still possible, and was done."""
    taken = {number for each in TAKEN_OUT for number in each.hazards.split()}
    assert sorted(taken) == [f"T-{number:02}" for number in range(1, LAST + 1)]


@pytest.mark.parametrize("each", TAKEN_OUT, ids=lambda each: f"{each.hazards} {each.file}")
def test_what_is_taken_out_is_there_and_somebody_has_missed_it(each: TakenOut) -> None:
    assert (ROOT / each.file).read_text().count(each.before) == 1
    for test in each.tests:
        file, _, name = test.partition("::")
        assert not name or f"def {name.rpartition('::')[2]}(" in (TESTS / file).read_text(), test
    rows = [line for line in REPORT.read_text().splitlines() if f"| {each.says} |" in line]
    assert len(rows) == 1, "run `make hazards`"
    assert "**nobody**" not in rows[0]
