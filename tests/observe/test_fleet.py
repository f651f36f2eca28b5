"""The board: the last that is known, in values that do not change."""

from streamframe.observe.fleet import NOTICES_KEPT, Board
from tests.observe.fleets import NOW, SECOND, snapshot


def test_a_snapshot_replaces_the_one_before_and_a_fleet_taken_earlier_stays_as_it_was():
    board = Board()
    board.show(snapshot(commits=1))
    before = board.fleet()
    board.show(snapshot(commits=2))

    assert before.snapshots[0].commits == 1
    assert board.fleet().snapshots[0].commits == 2


def test_a_worker_that_has_ended_is_taken_down():
    board = Board()
    board.show(snapshot(), 0)
    board.show(snapshot(), 1)
    board.remove(0, restarted=True)

    assert list(board.fleet().snapshots) == [1]
    assert board.fleet().restarts == 1


def test_rates_are_taken_from_a_snapshot_of_a_quarter_minute_ago():
    board = Board()
    for second in range(100):
        board.show(snapshot(now=NOW + second * SECOND))

    age = board.fleet().snapshots[0].now - board.fleet().earlier[0].now
    assert 15 * SECOND <= age <= 30 * SECOND


def test_only_warnings_and_errors_are_kept_the_newest_first_and_not_for_ever():
    board = Board()
    board.remark("info", "started", {})
    for number in range(NOTICES_KEPT + 5):
        board.remark("warning", f"number {number}", {"a": 1})

    remarks = board.fleet().remarks
    assert len(remarks) == NOTICES_KEPT
    assert remarks[0].text == f"number {NOTICES_KEPT + 4}"
    assert remarks[0].facts == {"a": "1"}
