"""One commit at a time, by sequence number."""

import pytest

from streamframe.engine import commands as cmd
from streamframe.engine.commit import CommitCycle


def test_an_answer_ends_the_commit_it_belongs_to_and_no_other() -> None:
    cycle = CommitCycle()
    [commit] = cycle.decide([], now=1)
    assert isinstance(commit, cmd.Commit)

    assert cycle.answered(commit.sequence - 1) is None
    assert cycle.answered(commit.sequence) == commit.request
    assert cycle.answered(commit.sequence) is None


def test_a_second_decision_before_the_answer_is_a_bug() -> None:
    cycle = CommitCycle()
    cycle.decide([], now=1)

    with pytest.raises(AssertionError, match="one commit at a time"):
        cycle.decide([], now=2)


def test_a_dropped_commit_cannot_be_answered() -> None:
    cycle = CommitCycle()
    [commit] = cycle.decide([], now=1)
    assert isinstance(commit, cmd.Commit)
    cycle.drop()

    assert cycle.answered(commit.sequence) is None
    assert cycle.sealed == {}
