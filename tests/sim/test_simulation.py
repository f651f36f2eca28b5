"""The simulator: nothing wrong is found, the same seed is the same run, and what is wrong would be found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamframe.testing.sim.command import main, outcomes, replay_command
from streamframe.testing.sim.mutants import MUTANTS, planted
from streamframe.testing.sim.programs import CASES
from streamframe.testing.sim.simulation import run

HERE = Path(__file__).parent
REPORT = HERE.parents[1] / "docs" / "sim-mutants.md"
SEEDS = 300
CHUNK = 50


def old_failures() -> list[tuple[int, str | None]]:
    lines = (line.partition("#")[0].split() for line in (HERE / "seeds.txt").read_text().splitlines())
    return [(int(line[0]), line[1] if len(line) > 1 else None) for line in lines if line]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_nothing_goes_wrong_whatever_fails(first: int) -> None:
    failures = [
        f"{replay_command(outcome, None)}\n{outcome.failure}"
        for outcome in outcomes(range(first, first + CHUNK), None, jobs=2)
        if outcome.failure is not None
    ]
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize(("seed", "program"), old_failures())
def test_old_failures_stay_away(seed: int, program: str | None) -> None:
    assert run(seed, program=program).failure is None


@pytest.mark.parametrize("program", CASES)
def test_the_same_seed_is_the_same_run(program: str) -> None:
    first, second = (run(7, keep_trace=True, program=program) for _ in range(2))
    assert first.trace == second.trace
    assert first.digest == second.digest
    assert first.commits > 0


def test_a_run_does_not_depend_on_the_seed_of_hashes() -> None:
    digests = []
    for hash_seed in ("0", "1", "4711"):
        answer = subprocess.run(
            [sys.executable, "-m", "streamframe.testing.sim", "--seed", "12"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.append(answer.stdout)
    assert len(set(digests)) == 1, digests


def test_a_failing_seed_prints_the_command_that_replays_it(capsys: pytest.CaptureFixture[str]) -> None:
    with planted(MUTANTS["store-before-commit"]):
        assert main(["--seeds", "1", "--jobs", "1", "--program", "keyed"]) == 1
        said = capsys.readouterr().out
        command = next(line for line in said.splitlines() if "python -m" in line)
        assert main(command.split()[3:]) == 1
    assert "store-behind" in capsys.readouterr().out


def recorded_seeds() -> dict[str, int]:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*?\| (\d+) \|", REPORT.read_text(), re.MULTILINE)
    return {name: int(seed) for name, seed in rows}


def test_the_report_tells_of_every_planted_mistake_and_all_were_found() -> None:
    assert sorted(recorded_seeds()) == sorted(MUTANTS)
    assert len(MUTANTS) >= 12


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_planted_mistakes_are_found(name: str) -> None:
    """By the seed of the report; changes elsewhere may have moved it, so some others are tried as well."""
    seeds = [recorded_seeds()[name], *range(300)]
    with planted(MUTANTS[name]):
        assert any(run(seed, program=MUTANTS[name].program).failure is not None for seed in seeds)
