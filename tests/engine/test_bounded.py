"""Bounded runs as one worker sees them."""

from streamframe.core.ids import NO_OFFSET
from streamframe.engine import commands as cmd
from streamframe.engine.bounded import BoundedRun, without_mark
from streamframe.engine.ports import Bounds, Committed
from streamframe.engine.positions import UNDELIVERED
from tests.engine.worlds import IN0, IN1, offset, topology


def a_run(*, flush: bool = False) -> BoundedRun:
    run = BoundedRun(topology=topology(), partition_counts={"clicks": 2}, flush=flush, token="t")
    run.start()
    run.bounds_fetched({IN0: Bounds(offset(0), offset(5)), IN1: Bounds(offset(3), offset(3))})
    return run


def test_an_empty_partition_is_at_its_end_from_the_start() -> None:
    run = a_run()

    assert run.reached(IN1, NO_OFFSET)
    assert not run.reached(IN0, offset(4))
    assert run.reached(IN0, offset(5))


def test_asks_one_question_at_a_time() -> None:
    run = a_run()

    assert run.ask() == [cmd.FetchProgress(partitions=(IN0, IN1))]
    assert run.ask() == []


def test_finishes_when_everybody_has_committed_up_to_the_end() -> None:
    run = a_run()
    run.progress_fetched({IN0: Committed(offset(4)), IN1: Committed(NO_OFFSET)})
    assert not run.finished

    run.progress_fetched({IN0: Committed(offset(6)), IN1: Committed(NO_OFFSET)})

    assert run.finished


def test_a_flushing_run_waits_for_the_mark_of_this_run() -> None:
    run = a_run(flush=True)
    run.progress_fetched({IN0: Committed(offset(5), "1:2|flushed:other"), IN1: Committed(offset(3), run.mark)})
    assert not run.finished

    run.progress_fetched({IN0: Committed(offset(5), "1:2" + run.mark), IN1: Committed(offset(3), run.mark)})

    assert run.finished


def test_a_run_waits_for_functions_that_have_not_taken_their_batches() -> None:
    run = a_run(flush=True)
    done = Committed(offset(3), run.mark)
    run.progress_fetched({IN0: Committed(offset(5), "1:2|state:calls=4" + UNDELIVERED + run.mark), IN1: done})
    assert not run.finished

    run.progress_fetched({IN0: Committed(offset(5), "1:2|state:calls=5" + run.mark), IN1: done})

    assert run.finished


def test_the_mark_is_not_part_of_the_stream_time() -> None:
    assert without_mark("1:2|flushed:t") == "1:2"
    assert without_mark("1:2") == "1:2"


def test_what_its_own_tasks_have_sent_ends_at_the_log_end_and_not_where_it_is_stable() -> None:
    """Markers are written after the answer, and a dead worker's transaction hides what is behind it."""
    run = BoundedRun(topology=topology(), partition_counts={"clicks": 2}, flush=False, token="t")

    assert run.start() == [cmd.FetchBounds(partitions=(IN0, IN1))]
    run.depth = 1
    [asked] = run.start()
    assert isinstance(asked, cmd.FetchBounds)
    assert asked.appended
