"""Illegal chains are type errors: mypy accepts `good.py` and refuses each marked line of `bad.txt`.

The bad program is no module, so that a check of the whole tree does not stumble over it.
"""

import re
from pathlib import Path

from mypy import api

HERE = Path(__file__).parent
CONFIG = HERE.parents[1] / "pyproject.toml"
FINDING = re.compile(r"^<string>:(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$")


def findings(program: str) -> dict[int, str]:
    """Line -> code of the first error that mypy finds there."""
    output, problems, _ = api.run(
        [f"--config-file={CONFIG}", "--follow-imports=silent", "--no-error-summary", "--no-pretty", "-c", program]
    )
    assert not problems, problems
    found: dict[int, str] = {}
    for line in output.splitlines():
        if match := FINDING.match(line):
            found.setdefault(int(match["line"]), match["code"])
        else:
            assert ": error:" not in line, line
    return found


def test_what_a_program_may_write_checks():
    assert findings((HERE / "good.py").read_text(encoding="utf-8")) == {}


def test_what_makes_no_sense_does_not_check():
    program = (HERE / "bad.txt").read_text(encoding="utf-8")
    marked = [line.rpartition("# error: ") for line in program.splitlines()]
    expected = {number: code for number, (_, mark, code) in enumerate(marked, start=1) if mark}

    assert len(expected) > 20
    assert findings(program) == expected
