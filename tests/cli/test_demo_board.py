"""The board of the demo turns events and records into what a person wants to know."""

import json

from streamframe.cli.demo_board import EVENTS_SHOWN, WINDOWS_SHOWN, Board
from streamframe.core.errors import Unavailable
from streamframe.engine.snapshot import Snapshot, TaskSnapshot
from streamframe.runtime.messages import (
    FailureReport,
    NoticeReceived,
    SnapshotReceived,
    WorkerEnded,
    WorkerHung,
    WorkerStarted,
)


def result(start, user, n, total):
    return json.dumps({"user": user, "window_start": start, "window_end": start + 1, "total": total, "n": n}).encode()


def snapshot(slot, tasks, **counts):
    snapshots = tuple(TaskSnapshot(task=f"0_{number}", state=state) for number, state in tasks.items())
    return SnapshotReceived(slot=slot, snapshot=Snapshot(worker="w", now=0, tasks=snapshots, **counts))


def killed(slot, pid):
    return WorkerEnded(slot=slot, pid=pid, exit_code=-9, report=None, restart_seconds=0.5)


def said(board):
    return [text for _at, text in board.events]


def test_results_of_a_window_add_up_over_users_and_partitions():
    board = Board(1)
    board.result(0, result(0, "ann", 3, 1.5))
    board.result(1, result(0, "bob", 5, 2.0))
    [window] = board.windows
    assert (window.users, window.clicks, window.euro) == (2, 8, 3.5)
    assert (window.top_user, window.top_clicks) == ("bob", 5)
    assert window.partitions == {0, 1}
    assert board.results == 2


def test_the_newest_windows_are_shown_oldest_first():
    board = Board(1)
    for start in (50, 10, 30, 20, 40, 60, 70, 0):
        board.result(0, result(start, "ann", 1, 1.0))
    assert [window.start for window in board.windows] == [20, 30, 40, 50, 60, 70]
    assert len(board.windows) == WINDOWS_SHOWN


def test_the_hand_over_after_a_kill_is_told_as_a_story():
    board = Board(2)
    board.event(WorkerStarted(slot=0, pid=10, restarts=0), 1.0)
    board.event(WorkerStarted(slot=1, pid=11, restarts=0), 1.0)
    board.event(snapshot(0, {0: "running", 1: "running"}), 2.0)
    board.event(snapshot(1, {2: "running", 3: "running"}), 2.0)
    board.event(killed(1, 11), 3.0)
    assert board.workers[1].partitions == ()
    board.event(WorkerStarted(slot=1, pid=12, restarts=1), 4.0)
    board.event(snapshot(0, {0: "running", 1: "running", 2: "restoring"}), 5.0)
    assert board.workers[0].state == "restoring"
    board.event(snapshot(0, {0: "running", 1: "running", 2: "running"}), 6.0)
    board.event(snapshot(1, {3: "running"}), 6.0)
    assert said(board) == [
        "worker 1 started, pid 11",
        "worker 1, pid 11, ended by SIGKILL, partitions 2 3 without a worker",
        "worker 1 started again, pid 12",
        "worker 0 has taken over partition 2",
        "worker 1 has taken over partition 3",
    ]
    assert board.restarts == 1


def test_commits_of_ended_workers_still_count():
    board = Board(1)
    board.event(snapshot(0, {0: "running"}, commits=7, rollbacks=1), 1.0)
    board.event(killed(0, 10), 2.0)
    board.event(snapshot(0, {0: "running"}, commits=2), 3.0)
    assert (board.commits, board.rollbacks) == (9, 1)


def test_a_worker_that_was_asked_to_end_is_no_news():
    board = Board(1)
    board.event(WorkerEnded(slot=0, pid=10, exit_code=0, report=None, restart_seconds=None), 1.0)
    assert said(board) == []
    assert board.workers[0].state == "stopped"


def test_the_error_of_a_worker_is_told():
    board = Board(1)
    report = FailureReport(error=Unavailable("the broker did not answer"))
    board.event(WorkerEnded(slot=0, pid=10, exit_code=9, report=report, restart_seconds=None), 1.0)
    board.event(WorkerHung(slot=0, pid=10, silent_seconds=120.4), 2.0)
    assert said(board) == [
        "worker 0, pid 10, ended by exit code 9",
        "worker 0: the broker did not answer",
        "worker 0 was silent for 120 s and is killed",
    ]


def test_warnings_are_told_and_lines_of_the_client_library_are_not():
    board = Board(1)
    board.event(NoticeReceived(slot=0, level="warning", text="transaction rolled back", facts={}), 1.0)
    board.event(NoticeReceived(slot=0, level="info", text="joined", facts={}), 1.0)
    board.event(NoticeReceived(slot=0, level="error", text="FAIL [thrd:main]: refused", facts={}), 1.0)
    assert said(board) == ["worker 0: transaction rolled back"]


def test_only_the_last_events_are_kept():
    board = Board(1)
    for number in range(9):
        board.say(float(number), str(number))
    assert said(board) == ["4", "5", "6", "7", "8"]
    assert len(board.events) == EVENTS_SHOWN
