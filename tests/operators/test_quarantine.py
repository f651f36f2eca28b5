"""Policies of rows that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest

from streamframe.core.batch import ListBatch
from streamframe.core.errors import RecordError
from streamframe.core.ids import TopicPartition
from streamframe.core.metrics import ROWS_DEAD_LETTER, ROWS_SKIPPED, counter
from streamframe.operators.quarantine import Fault, Quarantine
from streamframe.operators.rows import Marks, Origin, Rows
from streamframe.operators.turn import Turn
from tests.operators.harness import source, to_topic, topology

PLAIN = topology(to_topic(source()))
LETTERS = topology(to_topic(source()), dead_letters="dead")
BATCH = ListBatch(TopicPartition("clicks", 4), values=[b"0", b"1"], offsets=[10, 20])


@pytest.mark.parametrize(
    ("own", "plan", "policy"),
    [(None, PLAIN, "fail"), (None, LETTERS, "dead_letter"), ("skip", LETTERS, "skip"), ("fail", LETTERS, "fail")],
)
def test_the_default_is_a_dead_letter_where_there_is_a_topic_for_them(own, plan, policy) -> None:
    assert Quarantine("step", own, plan).policy == policy


def test_a_record_that_gave_several_bad_rows_is_written_once_and_every_row_is_counted() -> None:
    zeros = np.zeros(3, np.int64)
    origin = Origin(BATCH, np.array([1, 1, 0]))
    rows = Rows({}, Marks(times=zeros, observed=zeros, lanes=4, offsets=np.array([20, 20, 10]), origin=origin))
    turn = Turn(now=0)
    Quarantine("step", None, LETTERS).rows(turn, rows, [Fault(0, "x", "first"), Fault(1, "x", "second")])
    (batch,) = turn.outputs
    assert batch.values == [b"1"]
    assert turn.counts[counter(ROWS_DEAD_LETTER, "step")] == 2


def test_long_messages_are_cut_and_skipping_writes_nothing() -> None:
    turn = Turn(now=0)
    faults = [Fault(1, "json", "m" * 5_000)]
    Quarantine("step", None, LETTERS).records(turn, BATCH, faults)
    assert turn.outputs[0].headers is not None
    assert len(dict(turn.outputs[0].headers[0])["sf.message"] or b"") == 1_000
    turn = Turn(now=0)
    Quarantine("step", "skip", LETTERS).records(turn, BATCH, faults)
    assert (turn.outputs, turn.counts[counter(ROWS_SKIPPED, "step")]) == ([], 1)


def test_failing_names_the_place() -> None:
    with pytest.raises(RecordError) as caught:
        Quarantine("step", "fail", LETTERS).records(Turn(now=0), BATCH, [Fault(1, "json", "bad")])
    assert caught.value.facts == {"step": "step", "topic": "clicks", "partition": 4, "offset": 20, "error": "json"}
