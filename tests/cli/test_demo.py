"""The demo as a person sees it: it verifies itself, also when a worker is killed, and leaves nothing behind."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from streamframe.cli.main import build_parser
from tests.app.running_program import fetch

DEADLINE_SECONDS = 120.0


class RunningDemo:
    """A demo in a process of its own, with everything it writes."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._log = directory / "output.txt"
        with open(self._log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamframe", "demo", *arguments], stdout=log, stderr=subprocess.STDOUT
            )
        self._descendants: dict[int, psutil.Process] = {}

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, condition: Callable[[str], object]) -> None:
        """Return when the output fulfils a condition."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition(self.output):
            assert self.process.poll() is None, f"the demo has ended:\n{self.output}"
            assert time.monotonic() < deadline, f"it did not happen:\n{self.output}"
            self.note_descendants()
            time.sleep(0.1)

    def note_descendants(self) -> None:
        for child in psutil.Process(self.process.pid).children(recursive=True):
            self._descendants[child.pid] = child

    def wait(self) -> int:
        return self.process.wait(DEADLINE_SECONDS)

    def survivors(self) -> list[str]:
        """Processes that the demo has started and that outlive it."""
        _gone, alive = psutil.wait_procs(list(self._descendants.values()), timeout=60)
        return [" ".join(process.cmdline()) for process in alive]


@contextmanager
def running_demo(directory: Path, *arguments: str) -> Iterator[RunningDemo]:
    demo = RunningDemo(directory, *arguments)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()


def results_out(output: str) -> int:
    counts = re.findall(r"windows out ([\d ]+),", output)
    return int(counts[-1].replace(" ", "")) if counts else 0


@pytest.mark.kafka
@pytest.mark.slow
def test_the_demo_verifies_itself_although_a_worker_is_killed_and_ctrl_c_ends_it_in_good_order(tmp_path):
    with running_demo(tmp_path, "--seconds", "100", "--rate", "1500") as demo:
        demo.wait_for(results_out)
        pid = int(re.findall(r"worker 1 started, pid (\d+)", demo.output)[0])
        psutil.Process(pid).kill()
        demo.wait_for(lambda output: "has taken over" in output)
        # The worker that was killed shows on the page, too.
        (address,) = re.findall(r"status page: http://([^/]+)/", demo.output)
        assert json.loads(fetch(address, "/api/status")[1])["restarts"] == 1
        assert "a worker ended without a word" in fetch(address, "/")[1]
        seen = results_out(demo.output)
        demo.wait_for(lambda output: results_out(output) > seen)
        demo.process.send_signal(signal.SIGINT)
        assert demo.wait() == 0, demo.output
        assert f"worker 1, pid {pid}, ended by SIGKILL" in demo.output
        assert re.search(r"^verified: [\d ]+ windows, 0 missing, 0 doubled, 0 wrong$", demo.output, re.MULTILINE)
        assert re.search(r"late rows \([\d ]+\) and dead letters \([\d ]+\) are equal as well", demo.output)
        assert demo.survivors() == []


@pytest.mark.kafka
@pytest.mark.slow
def test_a_second_ctrl_c_breaks_the_demo_off_and_everything_ends(tmp_path):
    with running_demo(tmp_path, "--seconds", "100", "--workers", "1") as demo:
        demo.wait_for(lambda output: "worker 0 started" in output)
        demo.process.send_signal(signal.SIGINT)
        demo.wait_for(lambda output: "the generator has stopped" in output)
        demo.process.send_signal(signal.SIGINT)
        assert demo.wait() == 130, demo.output
        assert "broken off: nothing was verified" in demo.output
        assert demo.survivors() == []


@pytest.mark.parametrize("argument", ["--seconds=0", "--workers=0", "--rate=-1", "--workers=two"])
def test_numbers_without_a_meaning_are_refused(argument, capsys):
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["demo", argument])
    assert "positive number" in capsys.readouterr().err
