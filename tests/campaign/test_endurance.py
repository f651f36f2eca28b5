"""Rounds follow from their seeds, and whatever goes wrong in one is a finding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.campaign.endurance import KINDS, drawn, run_round
from tests.campaign.fleet import TREATMENTS


def test_a_seed_decides_a_round() -> None:
    assert drawn(42) == drawn(42)
    assert {drawn(seed).kind for seed in range(100)} == set(KINDS)
    assert {drawn(seed).state for seed in range(100)} == set(TREATMENTS)


def test_a_round_that_raises_has_failed(tmp_path: Path) -> None:
    result = run_round(replace(drawn(1), kind="unknown"), tmp_path)

    assert "KeyError" in result.findings[0]
