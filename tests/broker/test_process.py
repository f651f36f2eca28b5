"""Processes are recognised, and nothing is left running when an owner dies."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from streamframe.broker.process import (
    Guard,
    ProcessId,
    end_processes,
    identify,
    is_alive,
    resident_bytes,
    send_signal,
    wait_gone,
)
from streamframe.core.errors import Unavailable
from tests.broker.processes import FORK_AND_WAIT, SLEEP, start_owner, wait_until

STUBBORN = [
    sys.executable,
    "-I",
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]


@pytest.fixture
def sleeper():
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def name(pid):
    """The lasting name of a process that must be there."""
    process = identify(pid)
    assert process is not None
    return process


def gone(pid):
    return identify(pid) is None


def launch(guard, argv, place):
    """Start a program that must be there; what it prints is in `out.log`."""
    process = guard.launch(argv, cwd=place, output=place / "out.log")
    assert process is not None
    return process


# --- who is who ------------------------------------------------------------------------------------


def test_a_process_is_recognised_until_it_ends(sleeper):
    process = name(sleeper.pid)
    assert is_alive(process)
    sleeper.kill()
    sleeper.wait()
    assert not is_alive(process)


def test_a_dead_process_that_nobody_collected_counts_as_dead(sleeper):
    process = name(sleeper.pid)
    sleeper.kill()
    assert wait_gone([process], seconds_max=10)


def test_another_process_with_the_same_number_is_never_taken_for_ours(sleeper):
    recycled = replace(name(sleeper.pid), started="long ago")
    assert not is_alive(recycled)
    send_signal(recycled, signal.SIGKILL)
    end_processes([recycled], grace_seconds=0)
    assert sleeper.poll() is None


def test_a_process_tells_its_memory_and_a_dead_one_does_not():
    me = name(os.getpid())
    assert (resident_bytes(me) or 10**6) >= 10**6
    assert resident_bytes(ProcessId(pid=2**22 + 1, started="never")) is None


# --- the guard -------------------------------------------------------------------------------------


def test_a_guard_starts_programs_and_ends_them(tmp_path):
    guard = Guard(grace_seconds=0, scratch=tmp_path / "scratch")
    (tmp_path / "scratch" / "below").mkdir(parents=True)
    node = launch(guard, SLEEP, tmp_path)
    assert is_alive(node)
    guard.finish()
    assert not is_alive(node)
    assert not (tmp_path / "scratch").exists()


def test_what_a_program_prints_is_in_its_file_and_its_input_is_empty(tmp_path):
    guard = Guard(grace_seconds=0)
    script = "import os, sys; print(sys.stdin.read() + 'said', os.getcwd(), flush=True)"
    launch(guard, [sys.executable, "-c", script], tmp_path)
    assert wait_until(lambda: (tmp_path / "out.log").exists() and (tmp_path / "out.log").read_text().endswith("\n"))
    guard.finish()
    assert (tmp_path / "out.log").read_text() == f"said {tmp_path}\n"


def test_a_program_that_cannot_be_run_says_so_in_its_file(tmp_path):
    guard = Guard(grace_seconds=0)
    launch(guard, ["/no/such/java"], tmp_path)
    assert wait_until(lambda: "cannot run /no/such/java" in (tmp_path / "out.log").read_text())
    guard.finish()


def test_a_program_that_ignores_the_polite_signal_is_killed_after_the_grace(tmp_path):
    guard = Guard(grace_seconds=0.2)
    node = launch(guard, STUBBORN, tmp_path)
    assert wait_until(lambda: (tmp_path / "out.log").read_text() == "deaf\n")
    guard.finish()
    assert not is_alive(node)


def test_released_programs_live_on_without_us(tmp_path):
    guard = Guard(grace_seconds=0, detach=True)
    node = launch(guard, SLEEP, tmp_path)
    guard.release()
    assert is_alive(node)
    end_processes([node], grace_seconds=0)
    assert not is_alive(node)


def test_programs_that_were_not_yet_released_end_with_a_broken_start(tmp_path):
    guard = Guard(grace_seconds=0, detach=True)
    node = launch(guard, SLEEP, tmp_path)
    guard.finish()
    assert not is_alive(node)


def test_a_lost_guard_is_an_error_and_takes_its_programs_with_it(tmp_path):
    guard = Guard(grace_seconds=0)
    node = launch(guard, SLEEP, tmp_path)
    guard._process.kill()
    guard._process.wait()
    with pytest.raises(Unavailable, match="guards"):
        launch(guard, SLEEP, tmp_path)
    guard.finish()
    if sys.platform != "linux":  # Only Linux ends a child with its parent.
        end_processes([node], grace_seconds=0)
    assert wait_gone([node], seconds_max=10)


# --- a dead owner ----------------------------------------------------------------------------------


def test_a_killed_owner_leaves_no_process_and_no_scratch_directory(tmp_path):
    (tmp_path / "scratch" / "node1").mkdir(parents=True)
    owner, pids = start_owner(tmp_path)
    assert not any(gone(pid) for pid in (pids["guard"], *pids["nodes"]))
    owner.kill()
    assert wait_until(lambda: all(gone(pid) for pid in (pids["guard"], *pids["nodes"])))
    assert not (tmp_path / "scratch").exists()
    owner.communicate()


def test_a_killed_owner_whose_child_lives_on_leaves_nothing_either(tmp_path):
    owner, pids = start_owner(tmp_path, then=FORK_AND_WAIT)
    child = int(owner.stdout.readline())
    owner.kill()
    assert wait_until(lambda: all(gone(pid) for pid in (pids["guard"], *pids["nodes"])))
    assert not gone(child)
    os.kill(child, signal.SIGKILL)
    owner.communicate()


def test_an_owner_that_just_returns_leaves_nothing(tmp_path):
    owner, pids = start_owner(tmp_path, then="import os; os._exit(0)")
    assert wait_until(lambda: all(gone(pid) for pid in (pids["guard"], *pids["nodes"])))
    owner.communicate()


def test_nodes_with_data_to_keep_are_asked_to_stop_before_they_are_killed(tmp_path):
    polite = (
        "import os, signal, sys, time\n"
        "def leave(*_):\n"
        "    open('bye-%d' % os.getpid(), 'w').close()\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    owner, pids = start_owner(tmp_path, argv=[sys.executable, "-c", polite], grace=20.0)
    assert wait_until(lambda: (tmp_path / "out.log").read_text() == "ready\n" * 2)
    owner.kill()
    assert wait_until(lambda: all(gone(pid) for pid in (pids["guard"], *pids["nodes"])))
    assert sorted(tmp_path.glob("bye-*")) == sorted(tmp_path / f"bye-{pid}" for pid in pids["nodes"])
    owner.communicate()


def test_a_signal_to_the_terminal_reaches_neither_guard_nor_nodes(tmp_path):
    guard = Guard(grace_seconds=0)
    node = launch(guard, SLEEP, tmp_path)
    assert os.getpgid(node.pid) != os.getpgid(0)
    assert os.getpgid(guard._process.pid) != os.getpgid(0)
    began = time.monotonic()
    guard.finish()
    assert time.monotonic() - began < 5
