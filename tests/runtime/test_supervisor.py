"""Supervision with real processes that crash, hang, refuse to stop, and lose their supervisor."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from streamframe.core.errors import (
    ConfigError,
    PlanError,
    RecordError,
    StoreIncompatible,
    StoreUnavailable,
    StreamFrameError,
    TopologyMismatch,
    Unavailable,
    UserFunctionError,
)
from streamframe.runtime import messages as msg
from streamframe.runtime.restart import RestartPolicy
from streamframe.runtime.supervisor import Supervisor, SupervisorResult, SupervisorSpec
from streamframe.runtime.worker_process import EntryPoint

QUICK = SupervisorSpec(
    workers=1,
    hang_seconds=30.0,
    start_seconds=30.0,
    stop_seconds=10.0,
    exit_seconds=0.5,
    restart=RestartPolicy(backoff_seconds_min=0.01, backoff_seconds_max=0.02, restarts_max=2),
)
PROGRAMS = "tests.runtime.worker_programs"


class Run:
    """A supervised run in this process, and everything that was reported."""

    def __init__(self, spec: SupervisorSpec, program: str, *arguments: object) -> None:
        self.events: list[msg.SupervisorEvent] = []
        self.reactions: list[Callable[[msg.SupervisorEvent], None]] = []
        self.supervisor = Supervisor(spec, EntryPoint(f"{PROGRAMS}:{program}", arguments), self._event)

    def _event(self, event: msg.SupervisorEvent) -> None:
        self.events.append(event)
        for reaction in self.reactions:
            reaction(event)

    def when_beating(self, action: Callable[[], None], *, slots: int = 1) -> "Run":
        """Do something once every slot has sent a heartbeat."""
        heard: set[int] = set()

        def reaction(event: msg.SupervisorEvent) -> None:
            if isinstance(event, msg.SnapshotReceived) and len(heard) < slots:
                heard.add(event.slot)
                if len(heard) == slots:
                    action()

        self.reactions.append(reaction)
        return self

    def run(self) -> SupervisorResult:
        return self.supervisor.run()

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


def running_children() -> list[psutil.Process]:
    """Worker processes of this one; multiprocessing's resource tracker is none."""
    return [child for child in psutil.Process().children(recursive=True) if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_workers_that_finish_end_the_run_with_exit_code_0():
    run = Run(replace(QUICK, workers=2), "finish_at_once")

    assert run.run() == SupervisorResult(exit_code=0)
    assert [event.slot for event in run.of(msg.WorkerStarted)] == [0, 1]
    assert {event.slot for event in run.of(msg.SnapshotReceived)} == {0, 1}
    assert {(e.exit_code, e.restart_seconds) for e in run.of(msg.WorkerEnded)} == {(0, None)}
    assert running_children() == []


def test_a_notice_arrives_with_plain_facts():
    run = Run(QUICK, "finish_at_once")
    run.run()

    assert run.of(msg.NoticeReceived) == [
        msg.NoticeReceived(slot=0, level="info", text="finished", facts={"slot": 0, "folder": "x"})
    ]


def test_what_a_worker_logs_arrives_as_a_notice():
    run = Run(QUICK, "log_a_line")
    run.run()

    assert [(event.level, event.text) for event in run.of(msg.NoticeReceived)] == [("warning", "broker b:1 is away")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_is_killed_or_crashes_is_started_again(tmp_path, number):
    run = Run(QUICK, "die_once", str(tmp_path), int(number))

    assert run.run() == SupervisorResult(exit_code=0, restarts=1)
    first, second = run.of(msg.WorkerEnded)
    assert (first.exit_code, first.restart_seconds) == (-number, 0.01)
    assert (second.exit_code, second.restart_seconds) == (0, None)
    assert [event.restarts for event in run.of(msg.WorkerStarted)] == [0, 1]


@pytest.mark.parametrize(
    "error", [Unavailable("no answer"), StoreUnavailable("no space"), StreamFrameError("odd"), KeyError("bug")]
)
def test_an_error_that_may_pass_is_retried(tmp_path, error):
    run = Run(QUICK, "raise_once", str(tmp_path), error)

    assert run.run() == SupervisorResult(exit_code=0, restarts=1)


@pytest.mark.parametrize(
    "error",
    [
        PlanError("unknown column", hint="did you mean 'amount'?", column="amuont"),
        ConfigError("wrong"),
        TopologyMismatch("wrong"),
        RecordError("wrong"),
        UserFunctionError("wrong"),
        StoreIncompatible("wrong"),
    ],
)
def test_an_error_that_would_come_again_stops_everybody_and_is_the_result(tmp_path, error):
    run = Run(replace(QUICK, workers=2), "raise_in_slot_0", str(tmp_path), error)
    result = run.run()

    assert result.exit_code == error.exit_code
    assert result.restarts == 0
    assert result.report is not None
    assert type(result.report.error) is type(error)
    assert str(result.report.error) == str(error)
    # The other worker was not killed: it committed, unless it had not begun.
    assert {event.exit_code for event in run.of(msg.WorkerEnded)} == {0, error.exit_code}
    assert [path.name.split("-")[1] for path in tmp_path.glob("committed-*")] == ["1"]


@pytest.mark.parametrize("code", [3, 4, 5, 6, 7])
def test_the_exit_code_alone_is_enough_to_stop_everybody(code):
    result = Run(QUICK, "exit_with", code).run()

    assert (result.exit_code, result.restarts) == (code, 0)


@pytest.mark.parametrize("code", [1, 8, 9, 70, 99])
def test_any_other_exit_code_is_retried_a_limited_number_of_times_and_then_the_result(code):
    result = Run(QUICK, "exit_with", code).run()

    assert (result.exit_code, result.restarts) == (code, 2)
    assert result.report is not None
    assert "starts=3" in str(result.report.error)


def test_a_worker_that_always_crashes_is_given_up_with_the_name_of_the_signal():
    result = Run(QUICK, "crash_always").run()

    assert (result.exit_code, result.restarts) == (1, 2)
    assert result.report is not None
    assert "signal='SIGSEGV' starts=3" in str(result.report.error)


def test_an_error_before_anything_ever_worked_is_final():
    error = Unavailable("the broker did not answer", hint="is it running?", bootstrap="localhost:1")
    result = Run(replace(QUICK, workers=2), "raise_before_any_heartbeat", error).run()

    assert (result.exit_code, result.restarts) == (9, 0)
    assert result.report is not None
    assert str(result.report.error) == str(error)


def test_the_failing_line_of_a_user_function_is_in_the_report():
    result = Run(QUICK, "raise_because_of_a_user_function", UserFunctionError("assign raised")).run()

    assert result.report is not None
    cause = result.report.cause
    assert re.fullmatch(r"ZeroDivisionError: division by zero \(.*worker_programs.py:\d+, in divide_by_zero\)", cause)
    assert "Traceback" in result.report.traceback


def test_a_silent_worker_is_killed_although_it_ignores_sigterm_and_shows_where_it_hung(tmp_path, capfd):
    run = Run(replace(QUICK, hang_seconds=0.5), "hang_once", str(tmp_path))

    assert run.run() == SupervisorResult(exit_code=0, restarts=1)
    (hung,) = run.of(msg.WorkerHung)
    assert hung.silent_seconds >= 0.5
    assert "in hang_here" in capfd.readouterr().err


def test_a_worker_silent_from_the_start_is_killed_too(tmp_path):
    run = Run(replace(QUICK, start_seconds=0.01), "finish_at_once")
    result = run.run()

    assert len(run.of(msg.WorkerHung)) == 1
    assert result.exit_code == 1


def test_a_worker_whose_client_call_does_not_return_ends_itself_and_is_started_again(tmp_path, capfd):
    run = Run(QUICK, "call_that_never_returns", str(tmp_path))

    assert run.run() == SupervisorResult(exit_code=0, restarts=1)
    assert run.of(msg.WorkerEnded)[0].exit_code == 70
    assert "watchdog: commit_transaction did not return within 0.05 s" in capfd.readouterr().err


def test_a_worker_that_does_not_end_after_its_last_word_is_killed_and_counts_as_done():
    assert Run(QUICK, "hang_at_exit").run() == SupervisorResult(exit_code=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_stops_gracefully(tmp_path, number):
    before = signal.getsignal(number)
    run = Run(replace(QUICK, workers=2), "run_until_stopped", str(tmp_path))
    run.when_beating(lambda: os.kill(os.getpid(), number), slots=2)

    assert run.run() == SupervisorResult(exit_code=0)
    assert len(list(tmp_path.glob("committed-*"))) == 2
    assert run.of(msg.Stopping) == [msg.Stopping(reason=number.name)]
    assert signal.getsignal(number) is before


def test_the_second_signal_kills_workers_that_refuse():
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    began = time.monotonic()
    result = Run(QUICK, "ignore_every_request").when_beating(twice).run()

    assert result.exit_code == 1
    assert result.report is not None
    assert "did not stop in time and were killed (workers=[0])" in str(result.report.error)
    assert time.monotonic() - began < QUICK.stop_seconds
    assert running_children() == []


def test_workers_that_refuse_are_killed_at_the_deadline():
    run = Run(replace(QUICK, stop_seconds=0.2), "ignore_every_request")
    run.when_beating(lambda: run.supervisor.request_stop("enough"))

    assert run.run().exit_code == 1
    assert run.of(msg.Stopping) == [msg.Stopping(reason="enough")]


def test_sigterm_to_one_worker_ends_it_gracefully_and_the_others_go_on(tmp_path):
    run = Run(replace(QUICK, workers=2), "run_until_stopped", str(tmp_path))

    def end_one() -> None:
        os.kill(run.of(msg.WorkerStarted)[0].pid, signal.SIGTERM)

    def end_the_other(event: msg.SupervisorEvent) -> None:
        if isinstance(event, msg.WorkerEnded) and event.slot == 0:
            run.supervisor.request_stop()

    run.when_beating(end_one, slots=2)
    run.reactions.append(end_the_other)

    assert run.run() == SupervisorResult(exit_code=0)
    assert len(list(tmp_path.glob("committed-*"))) == 2


def test_it_runs_in_a_thread_and_is_stopped_from_another():
    run = Run(QUICK, "run_until_stopped")
    results: list[SupervisorResult] = []
    thread = threading.Thread(target=lambda: results.append(run.run()))
    thread.start()
    wait_for(lambda: bool(run.of(msg.SnapshotReceived)))
    run.supervisor.request_stop()
    thread.join(20)

    assert results == [SupervisorResult(exit_code=0)]


def test_a_worker_that_talks_without_end_is_heard_and_stopped():
    run = Run(QUICK, "talk_until_stopped")
    run.when_beating(run.supervisor.request_stop)

    assert run.run() == SupervisorResult(exit_code=0)


def test_an_exception_of_the_caller_stops_the_workers_gracefully_and_is_raised(tmp_path):
    run = Run(QUICK, "run_until_stopped", str(tmp_path))

    def fail() -> None:
        raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError, match="nobody reads"):
        run.when_beating(fail).run()
    assert len(list(tmp_path.glob("committed-*"))) == 1
    assert running_children() == []


# -- the supervisor as a process of its own ------------------------------------------------------------


def start_supervisor(folder: Path, target: str = "run_until_stopped", workers: int = 2) -> subprocess.Popen[str]:
    code = f"from {PROGRAMS} import supervise; supervise({str(folder)!r}, {workers}, {target!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=Path.cwd()
    )


def pids_once_beating(supervisor: subprocess.Popen[str], workers: int = 2) -> list[int]:
    assert supervisor.stdout is not None
    pids, beating = {}, set()
    for line in supervisor.stdout:
        if started := re.match(r"WorkerStarted\(slot=(\d+), pid=(\d+)", line):
            pids[started[1]] = int(started[2])
        if beat := re.match(r"SnapshotReceived\(slot=(\d+)", line):
            beating.add(beat[1])
        if len(beating) == workers:
            break
    return list(pids.values())


def test_workers_of_a_killed_supervisor_commit_and_end_by_themselves(tmp_path):
    supervisor = start_supervisor(tmp_path)
    pids = pids_once_beating(supervisor)
    supervisor.kill()
    supervisor.wait()

    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    assert {int(path.name.split("-")[2]) for path in tmp_path.glob("committed-*")} == set(pids)
    assert supervisor.stdout is not None
    supervisor.stdout.close()


def test_a_worker_of_a_killed_supervisor_that_does_not_stop_ends_all_the_same(tmp_path):
    supervisor = start_supervisor(tmp_path, "ignore_every_request", workers=1)
    pids = pids_once_beating(supervisor, workers=1)
    supervisor.kill()
    supervisor.wait()

    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    assert supervisor.stdout is not None
    supervisor.stdout.close()


def test_ctrl_c_for_the_whole_process_group_is_a_graceful_stop(tmp_path):
    supervisor = start_supervisor(tmp_path)
    pids = pids_once_beating(supervisor)
    os.killpg(supervisor.pid, signal.SIGINT)
    output, _ = supervisor.communicate(timeout=20)

    assert supervisor.returncode == 0
    assert "Stopping(reason='SIGINT')" in output
    assert {int(path.name.split("-")[2]) for path in tmp_path.glob("committed-*")} == set(pids)


def test_the_supervisor_needs_no_libraries_and_little_memory(tmp_path):
    supervisor = start_supervisor(tmp_path)
    pids_once_beating(supervisor)
    memory = psutil.Process(supervisor.pid).memory_info().rss
    supervisor.terminate()
    output, _ = supervisor.communicate(timeout=20)

    assert "ended 0 imported []" in output
    assert memory < 40e6
