"""What a run says, from the events of its supervisor."""

import json
from datetime import UTC, datetime
from typing import Any

from streamframe.cli.run_report import ReportStyle, RunReport
from streamframe.cli.run_totals import RunTotals, Totals
from streamframe.core.errors import Unavailable
from streamframe.engine.snapshot import Snapshot, TaskSnapshot
from streamframe.runtime import messages as msg

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


class Screen:
    """Collects the lines of a report whose clock stands still until it is moved."""

    def __init__(self, **style: Any) -> None:
        self.seconds = 0.0
        self.lines: list[str] = []
        self.report = RunReport(
            ReportStyle(**style), write=self.lines.append, clock=lambda: self.seconds, today=lambda: NOON
        )

    def snapshot(self, seconds: float, slot: int = 0, **values: Any) -> None:
        self.seconds = float(seconds)
        self.report.take(received(slot, **values))

    def new_lines(self) -> list[str]:
        lines = [line.removeprefix("12:00:00 ") for line in self.lines]
        self.lines.clear()
        return lines


def received(slot: int = 0, **values: Any) -> msg.SnapshotReceived:
    return msg.SnapshotReceived(slot=slot, snapshot=Snapshot(worker="w", now=0, **values))


def ended(slot: int = 0, **values: Any) -> msg.WorkerEnded:
    given: dict[str, Any] = {"pid": 1, "exit_code": 0, "report": None, "restart_seconds": None, **values}
    return msg.WorkerEnded(slot=slot, **given)


def counts(rows_in: int, rows_out: int = 0) -> dict[str, int]:
    return {"rows_in:clicks": rows_in, "rows_out:a": rows_out, "rows_late:a": 1, "rows_dead_letter:clicks": 2}


def test_totals_add_up_over_workers_and_steps():
    totals = RunTotals()
    totals.take(received(0, counts={**counts(10, 4), "rows_out:b": 1}, commits=3, lag={"clicks[0]": 5}))
    totals.take(
        received(
            1, counts=counts(20), commits=1, lag={"clicks[1]": 7}, tasks=(TaskSnapshot(task="0_1", state="running"),)
        )
    )

    assert totals.now() == Totals(
        rows_in=30, rows_out=5, late=2, dead_letters=4, lag=12, commits=4, tasks=1, tasks_restoring=0, workers=2
    )


def test_totals_never_go_back_when_a_worker_starts_from_zero():
    totals = RunTotals()
    totals.take(received(counts=counts(10), commits=3, lag={"clicks[0]": 5}))
    totals.take(ended(exit_code=-9, restart_seconds=1.0))
    assert (totals.now().rows_in, totals.now().commits, totals.now().lag) == (10, 3, None)

    totals.take(msg.WorkerStarted(slot=0, pid=2, restarts=1))
    totals.take(received(counts=counts(1), commits=1))
    assert (totals.now().rows_in, totals.now().commits, totals.now().workers) == (11, 4, 1)


def test_a_line_with_rates_comes_every_thirty_seconds():
    screen = Screen()
    screen.snapshot(1, counts=counts(100))
    screen.snapshot(29, counts=counts(3000))
    assert screen.new_lines() == []

    screen.snapshot(30, counts=counts(600_000, 3000), commits=30, lag={"clicks[0]": 1234})
    assert screen.new_lines() == ["info    in 20 000/s  out 100/s  late 1  dead letters 2  lag 1 234  commits 30"]

    screen.snapshot(60, counts=counts(600_030, 3000), commits=31)
    assert screen.new_lines() == ["info    in 1/s  out 0/s  late 1  dead letters 2  lag 0  commits 31"]


def test_restoring_is_followed_from_its_begin_to_its_end():
    screen = Screen()

    def restoring(done: int) -> tuple[TaskSnapshot, ...]:
        return (
            TaskSnapshot(task="0_0", state="restoring", restored=done, restore_total=1000),
            TaskSnapshot(task="0_1", state="running"),
        )

    screen.snapshot(0, tasks=(TaskSnapshot(task="0_0", state="fetching"),))
    assert screen.new_lines() == []
    screen.snapshot(1, tasks=restoring(0))
    screen.snapshot(2, tasks=restoring(100))
    screen.snapshot(3, tasks=restoring(250))
    screen.snapshot(5, tasks=(TaskSnapshot(task="0_0", state="running"),))
    assert screen.new_lines() == [
        "info    restoring state  tasks=1 restored=0 of=1000 percent=0",
        "info    restoring state  tasks=1 restored=250 of=1000 percent=25 seconds_left=6",
        "info    state is restored  tasks=1 seconds=4.0",
    ]


def test_the_end_of_a_worker_says_why_and_what_follows():
    screen = Screen()
    report = msg.FailureReport(error=Unavailable("no answer", bootstrap="b:1"))
    screen.report.take(ended(exit_code=9, report=report, restart_seconds=0.5))
    screen.report.take(ended(exit_code=-9))
    screen.report.take(ended())
    assert screen.new_lines() == [
        "warning worker ended  worker=0 exit_code=9 error=no answer bootstrap=b:1 restart_in=0.5s",
        "error   worker ended  worker=0 exit_code=-9",
        "info    worker is done  worker=0",
    ]


def test_quiet_leaves_warnings_and_errors():
    screen = Screen(quiet=True)
    screen.report.banner([("application", "clicks")], ["a property was not used"])
    screen.report.take(msg.WorkerStarted(slot=0, pid=1, restarts=0))
    screen.report.take(
        msg.NoticeReceived(slot=0, level="warning", text="transaction rolled back", facts={"reason": "x"})
    )
    screen.snapshot(60, counts=counts(1))
    screen.report.end(0, finished=True)
    assert screen.new_lines() == [
        "warning a property was not used",
        "warning transaction rolled back  worker=0 reason=x",
    ]


def test_json_has_one_object_a_line_with_time_level_and_event():
    screen = Screen(form="json")
    screen.report.banner([("application", "clicks")], [])
    screen.snapshot(30, counts=counts(300))
    screen.report.take(msg.WorkerHung(slot=1, pid=7, silent_seconds=120.04))
    screen.report.end(2, finished=False)
    lines = [json.loads(line) for line in screen.lines]

    assert [line.pop("time") for line in lines] == ["2026-01-01T12:00:00.000+00:00"] * 4
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "start"),
        ("info", "progress"),
        ("error", "worker_hung"),
        ("info", "end"),
    ]
    assert lines[1]["in_per_second"] == 10
    assert lines[2]["silent_seconds"] == 120.0
    assert lines[3] | {"in": 300, "restarts": 2} == lines[3]
