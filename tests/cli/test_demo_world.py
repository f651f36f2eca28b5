"""What the demo starts ends with it, and what a killed demo left behind is removed by the next one."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from streamframe.cli.demo_world import Generator, LagWatch, RunDirectory, program_path, stderr_in
from streamframe.core.errors import StreamFrameError, Unavailable


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMFRAME_CACHE", str(tmp_path))
    return tmp_path


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_the_program_is_found_where_the_repository_has_it():
    assert program_path() == Path(__file__).resolve().parents[2] / "topologies" / "clicks.py"


def test_the_directory_is_removed_at_the_end():
    with RunDirectory(keep=False) as directory:
        (directory.path / "kafka").mkdir()
    assert not directory.path.exists()


def test_a_directory_that_is_kept_survives_later_demos():
    with RunDirectory(keep=True) as directory:
        (directory.path / "kafka").mkdir()
    with RunDirectory(keep=False):
        assert (directory.path / "kafka").is_dir()


def test_the_directory_of_a_killed_demo_is_removed_and_that_of_a_living_one_is_not(cache):
    dead, living = cache / "demo" / "dead", cache / "demo" / "living"
    for path in (dead, living):
        path.mkdir(parents=True)
        (path / "lock").touch()
    with open(living / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with RunDirectory(keep=False):
            assert not dead.exists()
            assert living.exists()


def test_standard_error_of_children_goes_to_the_file_and_comes_back(tmp_path, capfd):
    log = tmp_path / "stderr.log"
    with stderr_in(log) as before:
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'child')"], check=True)
        before.write("seen")
    os.write(2, b" after")
    assert log.read_text() == "child"
    assert capfd.readouterr().err == "seen after"


def test_a_slow_answer_about_the_lag_holds_nobody_up():
    slow = threading.Event()

    def measure():
        slow.wait(20)
        return 5

    with LagWatch(measure) as watch:
        assert watch.lag is None
        slow.set()
        wait_until(lambda: watch.lag == 5)


def test_a_lag_that_was_asked_for_before_is_no_answer():
    with LagWatch(lambda: 0) as watch:
        wait_until(lambda: watch.lag == 0)
        moment = time.monotonic()
        assert watch.lag_since(moment) is None
        wait_until(lambda: watch.lag_since(moment) == 0)


def test_a_broker_that_does_not_answer_is_asked_again():
    answers = iter([Unavailable("not now"), 3])

    def measure():
        answer = next(answers, 3)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with LagWatch(measure) as watch:
        wait_until(lambda: watch.lag == 3)


def test_a_generator_that_dies_is_noticed():
    with Generator("127.0.0.1:1", partitions=1, rate=1.0, seed=1) as generator:
        generator._process.kill()
        with pytest.raises(StreamFrameError, match="generator of the demo ended"):
            wait_until(lambda: generator.look())


def test_a_generator_ends_when_its_demo_is_gone():
    with Generator("127.0.0.1:1", partitions=1, rate=1.0, seed=1) as generator:
        assert generator._process.stdin is not None
        generator._process.stdin.close()
        wait_until(lambda: generator._process.poll() is not None)
