"""Errors: what they say, how they travel, how they end a process."""

import pickle

import pytest

from streamframe.core import errors
from streamframe.core.errors import PlanError, StreamFrameError


def all_errors() -> list[type[StreamFrameError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [kind for kind in found if issubclass(kind, StreamFrameError)]


def test_facts_come_at_the_end_and_the_hint_on_a_line_of_its_own() -> None:
    error = PlanError("unknown column", hint="did you mean 'amount'?", column="amuont", step="filter")

    assert str(error) == "unknown column (column='amuont' step='filter')\nhint: did you mean 'amount'?"


@pytest.mark.parametrize("kind", all_errors())
def test_an_error_survives_the_way_to_another_process(kind: type[StreamFrameError]) -> None:
    error = kind("went wrong", hint="do this", topic="t", partition=3)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.facts == {"topic": "t", "partition": 3}


def test_kinds_with_another_recovery_have_another_exit_code() -> None:
    direct = [kind for kind in all_errors() if kind.__bases__ == (StreamFrameError,)]

    assert len({kind.exit_code for kind in direct}) == len(direct)
    assert all(kind.exit_code not in (0, 2) for kind in all_errors())
