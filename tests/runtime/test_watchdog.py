"""The watchdog ends what does not return, and nothing else."""

import subprocess
import sys
import threading
import time

from streamframe.runtime.watchdog import WATCHDOG_EXIT_CODE, Watchdog


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_a_call_that_does_not_return_ends_the_process_with_one_line_and_the_stacks():
    ended = run_python(
        "import time\n"
        "from streamframe.runtime.watchdog import Watchdog\n"
        "def blocked_for_ever(): time.sleep(600)\n"
        "with Watchdog().watching('send_offsets', 0.05): blocked_for_ever()\n"
    )
    assert ended.returncode == WATCHDOG_EXIT_CODE
    first, *stacks = ended.stderr.splitlines()
    assert first == "watchdog: send_offsets did not return within 0.05 s, the worker ends"
    assert any("blocked_for_ever" in line for line in stacks)


def test_calls_that_return_in_time_do_no_harm_and_the_process_can_end():
    ended = run_python(
        "from streamframe.runtime.watchdog import Watchdog\n"
        "watchdog = Watchdog()\n"
        "for number in range(1000):\n"
        "    with watchdog.watching(str(number), 5): pass\n"
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_it_ends_the_process_although_stderr_is_closed():
    ended = run_python(
        "import os, time\n"
        "from streamframe.runtime.watchdog import Watchdog\n"
        "os.close(2)\n"
        "with Watchdog().watching('commit', 0.05): time.sleep(600)\n"
    )
    assert ended.returncode == WATCHDOG_EXIT_CODE


class Ends:
    """Takes the place of the end of the process."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended = threading.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self.ended.set()


def test_a_short_call_after_a_long_one_is_watched_by_its_own_deadline():
    ends = Ends()
    watchdog = Watchdog(ends)
    with watchdog.watching("long", 600):
        pass
    began = time.monotonic()
    watchdog.enter("short", 0.05)
    assert ends.ended.wait(20)
    assert 0.05 <= time.monotonic() - began < 10
    watchdog.leave()
    watchdog.close()
    assert ends.lines == ["watchdog: short did not return within 0.05 s, the worker ends\n"]


def test_a_call_that_raises_has_returned():
    ends = Ends()
    watchdog = Watchdog(ends)
    try:
        with watchdog.watching("failing", 0.05):
            raise ValueError
    except ValueError:
        pass
    assert not ends.ended.wait(0.2)
    watchdog.close()


def test_a_watchdog_that_never_watched_can_be_closed():
    Watchdog().close()
