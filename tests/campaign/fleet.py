"""Instances of a program: each a supervisor with one worker and a state directory of its own, like a machine.

They are started, stopped as an operator would, and killed at once with everything that belongs to them. Between two
lives the state directory is kept, wiped, or replaced by an older copy.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

import psutil
from prometheus_client.parser import text_string_to_metric_families

StateTreatment = Literal["kept", "wiped", "rolled-back"]
TREATMENTS: tuple[StateTreatment, ...] = get_args(StateTreatment)
STOP_SECONDS_MAX = 90.0
PR_SET_PDEATHSIG = 1
STARVED: Mapping[str, str | int] = {"broker.session.timeout.ms": 18_000}
"""Settings for a broker that is never killed: when it does not get a processor for some seconds, it is not dead."""

IMPATIENT = ("-X", "limits.watchdog=20s", "-X", "kafka.request_timeout_ms=10000")
"""A hang is noticed after twice the limit of a request, or the watchdog's, whichever is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What every instance of a fleet runs.

    Attributes:
        program: File with the app.
        bootstrap: The broker.
        environment: Variables that the program reads.
        options: Further arguments of ``streamframe run``.
    """

    program: Path
    bootstrap: str
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()


class Fleet:
    """Instances by name.

    Args:
        launch: What they run.
        place: Directory for their states and logs; it stays, and tells what happened.
        state: What becomes of the state of an instance between two lives.
        note: Told what happens to the instances, line by line.
    """

    def __init__(
        self, launch: Launch, place: Path, *, state: StateTreatment = "kept", note: Callable[[str], object] = str
    ) -> None:
        self._launch = launch
        self._place = place
        self._state = state
        self._note = note
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.kills = 0
        self.stops = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._processes):
            self._end(name)

    @property
    def names(self) -> list[str]:
        """Instances that run, the oldest first."""
        return list(self._processes)

    def add(self, name: str) -> None:
        """Start an instance."""
        assert name not in self._processes, f"{name} is running"
        self._note(f"+{name}")
        place = self._place / name
        place.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "streamframe", "run", str(self._launch.program)]
        command += ["-b", self._launch.bootstrap, "--workers", "1", "--state-dir", str(place / "state")]
        # Machines have names of their own, and so do instances: their transactional ids must differ.
        command += ["-X", f"kafka.instance={name}", "-X", f"telemetry.targets_file={self._targets(name)}"]
        command += self._launch.options
        with (place / "log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                env=os.environ | dict(self._launch.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,
            )

    def stop(self, name: str) -> None:
        """Stop an instance as an operator would, and wait for its end."""
        self._note(f"-{name}")
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS_MAX)
        assert code == 0, f"{name} ended with exit code {code} when it was asked to stop:\n{self.tail(name)}"
        self.stops += 1
        self._treat_state(name)

    def kill(self, name: str) -> None:
        """End an instance and all that belongs to it with SIGKILL, as if its machine had lost its power."""
        self._note(f"kill -9 {name}")
        self._end(name)
        self.kills += 1
        self._treat_state(name)

    def kill_worker(self, name: str) -> bool:
        """End the worker of an instance with SIGKILL: its supervisor starts another. Return whether there was one."""
        for worker in workers_of(self._processes[name].pid):
            self._note(f"kill -9 the worker of {name}")
            worker.kill()
            self.kills += 1
            return True
        return False

    def pid(self, name: str) -> int:
        """Return the process of an instance's supervisor."""
        return self._processes[name].pid

    def metric(self, name: str, metric: str) -> float | None:
        """Return what the worker of an instance says of itself; ``None`` while it does not answer."""
        families = text_string_to_metric_families(self._ask_worker(name, "/metrics") or "")
        return next((each.value for family in families for each in family.samples if each.name == metric), None)

    def is_ready(self, name: str) -> bool:
        """Return whether the worker of an instance says that it is at work."""
        return self._ask_worker(name, "/readyz") is not None

    def _ask_worker(self, name: str, path: str) -> str | None:
        try:
            groups = json.loads(self._targets(name).read_text())
            (address,) = [target for group in groups for target in group["targets"]]
            with urllib.request.urlopen(f"http://{address}{path}", timeout=2) as answer:
                return str(answer.read().decode())
        except (OSError, ValueError):
            return None

    def _targets(self, name: str) -> Path:
        return self._place / name / "targets.json"

    def check(self) -> None:
        """Fail when an instance has ended by itself."""
        for name, process in self._processes.items():
            assert process.poll() is None, f"{name} ended with exit code {process.returncode}:\n{self.tail(name)}"

    def tail(self, name: str, lines: int = 40) -> str:
        """Return the end of what an instance has written."""
        return "\n".join(self.log(name).splitlines()[-lines:])

    def log(self, name: str) -> str:
        """Return all that an instance has written in all its lives."""
        return (self._place / name / "log").read_text(errors="replace")

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        if process.poll() is None:
            # The supervisor first: it would start another worker.
            process.send_signal(signal.SIGSTOP)
            tree = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            for child in tree:
                child.kill()
            process.wait()
            psutil.wait_procs(tree, timeout=STOP_SECONDS_MAX)

    def _treat_state(self, name: str) -> None:
        state, copy = self._place / name / "state", self._place / name / "older"
        if self._state == "wiped":
            shutil.rmtree(state, ignore_errors=True)
        elif self._state == "rolled-back" and state.exists():
            # Every other life begins with what the one before the last had left.
            if copy.exists():
                shutil.rmtree(state)
                copy.rename(state)
            else:
                shutil.copytree(state, copy)


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the workers below a supervisor."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def wait_until(condition: Callable[[], object], seconds: float, what: str, *, pause: float = 0.2) -> None:
    """Look until the condition holds.

    Raises:
        AssertionError: It did not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        time.sleep(pause)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
