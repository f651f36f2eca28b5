"""Processes of a broker: recognise them again, signal them, and have a guard that outlives us.

A process id alone is no name: it is reused. `ProcessId` adds the time of the process's start, so that a
state file of last week never leads to a signal for somebody else's process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamframe.core.errors import Unavailable

_GUARD_SCRIPT = Path(__file__).with_name("guard.py")
_GUARD_SECONDS_MAX = 30.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """One process for ever: its id and the moment it started, as the system writes it.

    Example:
        >>> me = identify(os.getpid())
        >>> me is not None and is_alive(me)
        True
    """

    pid: int
    started: str


def identify(pid: int) -> ProcessId | None:
    """Return the lasting name of a running process; ``None`` when there is none (or only a zombie)."""
    started = _started_linux(pid) if sys.platform == "linux" else _started_ps(pid)
    return None if started is None else ProcessId(pid=pid, started=started)


def is_alive(process: ProcessId) -> bool:
    """Tell whether this very process still runs."""
    return identify(process.pid) == process


def send_signal(process: ProcessId, number: signal.Signals) -> None:
    """Signal the process if it still runs."""
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def end_processes(processes: Sequence[ProcessId], *, grace_seconds: float) -> None:
    """End processes, politely for ``grace_seconds`` (0: not at all), and return when none runs."""
    if grace_seconds > 0:
        for process in processes:
            send_signal(process, signal.SIGTERM)
        wait_gone(processes, seconds_max=grace_seconds)
    for process in processes:
        send_signal(process, signal.SIGKILL)
    wait_gone(processes, seconds_max=_GUARD_SECONDS_MAX)


def wait_gone(processes: Sequence[ProcessId], *, seconds_max: float) -> bool:
    """Wait until none of the processes runs; return whether that came true in time."""
    deadline = time.monotonic() + seconds_max
    while any(is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def resident_bytes(process: ProcessId) -> int | None:
    """Return the resident memory of a process in bytes, where the system tells it."""
    try:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class Guard:
    """Starts the processes of one cluster and ends them when this process is gone.

    Args:
        grace_seconds: How long nodes may take to end by themselves after SIGTERM; 0 kills at once.
        scratch: A directory that is deleted when everything has ended.
        detach: The nodes will be released, and live on without us.
    """

    def __init__(self, *, grace_seconds: float, scratch: Path | None = None, detach: bool = False) -> None:
        argv = [sys.executable, "-I", "-S", str(_GUARD_SCRIPT)]
        argv += ["--owner", str(os.getpid()), "--grace", str(grace_seconds)]
        if scratch is not None:
            argv += ["--scratch", str(scratch)]
        if detach:
            argv.append("--detach")
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True
        )

    def launch(self, argv: Sequence[str], *, cwd: Path, output: Path) -> ProcessId | None:
        """Start a program; ``None`` when it has ended before it could be looked at.

        Args:
            argv: The program's path and arguments.
            cwd: Its working directory.
            output: The file that its standard output and error are appended to.
        """
        reply = self._ask({"op": "launch", "argv": list(argv), "cwd": str(cwd), "output": str(output)})
        return identify(int(str(reply["pid"])))

    def release(self) -> None:
        """Let the nodes live on after us, and end the guard."""
        self._ask({"op": "release"})
        self._close()

    def finish(self) -> None:
        """End every node that still runs, delete the scratch directory, and end the guard."""
        if self._process.poll() is None:
            with contextlib.suppress(Unavailable):
                self._ask({"op": "finish"})
        self._close()

    def _ask(self, request: dict[str, object]) -> dict[str, object]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            line = stdout.readline()
        except OSError as error:
            raise Unavailable("the process that guards the broker is gone", pid=self._process.pid) from error
        if not line:
            raise Unavailable("the process that guards the broker is gone", pid=self._process.pid)
        reply: dict[str, object] = json.loads(line)
        return reply

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.wait()


def _started_linux(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # The command, in brackets, may itself hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    state, start_ticks = fields[0], fields[19]
    return None if state in ("Z", "X") else f"{start_ticks}@{boot}"


def _started_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
