"""Short runs under protocol faults on a real broker; longer ones: ``python -m tests.faults --help``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamframe.testing.broker import KafkaBroker
from tests.campaign.fleet import STARVED
from tests.faults.run import Result, Row, Run, check_copy, check_table, report, run


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    with KafkaBroker(settings=STARVED) as found:
        yield found


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["T-05", "T-06", "T-30", "T-37"])
def test_every_number_counts_once_whatever_answers_say(broker: KafkaBroker, scenario: str, tmp_path: Path) -> None:
    what = Run(scenario=scenario, seed=2, seconds=4.0)

    result = run(broker, what, tmp_path)

    assert result.perfect, "\n".join(report(what, result))


def test_the_verdict_sees_what_is_lost_doubled_or_in_disorder() -> None:
    def copy(*values: int) -> list[str]:
        return check_copy([{"key": "k0", "value": value} for value in values], keys=1, per_key=3)

    assert not copy(1, 2, 3)
    assert all(copy(*values) for values in [(1, 3), (1, 2, 2, 3), (2, 1, 3), (1, 2, 3, 4), ()])


def test_the_verdict_sees_a_wrong_table() -> None:
    def table(*counts: int, total: int = 6) -> list[str]:
        sums = {1: 1, 2: 3, 3: total}
        rows: list[Row] = [{"key": "k0", "n": n, "high": n, "total": sums.get(n)} for n in counts]
        return check_table(rows, keys=1, per_key=3)

    assert not table(1, 3)
    assert all(table(*counts) for counts in [(1, 2), (3, 2, 3), (1, 3, 3), (4,), ()])
    assert table(1, 3, total=7)


def test_a_run_that_nothing_disturbed_proves_nothing() -> None:
    held, late = Counter({"END_TXN hold:ADD_OFFSETS_TO_TXN": 1}), Counter({"END_TXN refused:INVALID_PRODUCER_EPOCH": 1})

    assert not Result(injected=Counter(), late=Counter()).perfect
    assert not Result(injected=held, late=Counter()).perfect
    assert Result(injected=held, late=late).perfect
    assert not Result(injected=held, late=late, wrong=["anything"]).perfect


def test_a_failure_is_reported_with_what_repeats_it() -> None:
    what = Run(scenario="T-05", seed=7, native=False)

    assert what.command == "python -m tests.faults --scenario T-05 --first 7 --seeds 1 --pure"
