"""What the stages share during one call."""

from __future__ import annotations

import numpy as np

from streamframe.core.batch import OutputBatch
from streamframe.operators.rows import Marks, Rows
from streamframe.operators.turn import Turn
from streamframe.plan.topology import Edge


def rows(count: int) -> Rows:
    zeros = np.zeros(count, np.int64)
    return Rows({}, Marks(times=zeros, observed=zeros, lanes=0, offsets=zeros))


def test_rows_go_along_the_edge_of_their_port_in_order_and_nothing_is_no_rows() -> None:
    turn = Turn(now=0)
    first, second, late = rows(1), rows(2), rows(1)
    for each in (first, rows(0), second):
        turn.emit(4, each)
    turn.emit(4, late, "late")
    assert turn.taken(Edge(4)) == [first, second]
    assert turn.taken(Edge(4, "late")) == [late]
    assert turn.taken(Edge(5)) == []


def test_zero_is_not_counted_and_empty_batches_are_not_written() -> None:
    turn = Turn(now=0)
    turn.count("rows_in", "a", 0)
    turn.count("rows_in", "b", 2)
    turn.count("rows_in", "b", 3)
    turn.write(OutputBatch(topic="t", values=[]))
    assert (dict(turn.counts), turn.outputs) == ({"rows_in:b": 5}, [])
