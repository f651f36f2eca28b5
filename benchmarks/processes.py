"""Starting what is measured on its own core, and what it costs: wall time, processor time, memory."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 0.1
MEBIBYTE = 1 << 20
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process tree used.

    Attributes:
        wall: Seconds from its start to its end, or to the moment that was waited for.
        cpu: Seconds of processor time, user and system, all processes and threads.
        rss_mb: Highest sum of resident memory of the tree, pages shared by forks counted once per process.
        worker_rss_mb: Highest resident memory of one process.
    """

    wall: float
    cpu: float
    rss_mb: float
    worker_rss_mb: float


class Measured:
    """A process tree on given cores.

    Args:
        command: What to start.
        cores: Where it may run.
        environment: Variables added to ours.
        log: File for its output.
    """

    def __init__(
        self, command: Sequence[str], *, cores: frozenset[int], environment: Mapping[str, str], log: Path
    ) -> None:
        self._command = list(command)
        self._cores = cores
        self._environment = os.environ | dict(environment)
        self.log = log
        self._rss = 0.0
        self._worker_rss = 0.0

    def __enter__(self) -> Self:
        self.started = time.monotonic()
        self.started_at = time.time()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._prepare,
            )
        self._tree = psutil.Process(self._process.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _prepare(self) -> None:
        """Runs in the new process: takes its cores, and ends with us however we end."""
        os.sched_setaffinity(0, self._cores)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    @property
    def pid(self) -> int:
        return self._process.pid

    def to_end(self, limit: float, seen: Callable[[float], object] = lambda _megabytes: None) -> Usage:
        """Wait until the tree has ended by itself; fails when that is an error, or too late.

        Args:
            limit: Seconds.
            seen: Told the memory in use, in MB, now and then.
        """
        while True:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                break
            assert time.monotonic() - self.started < limit, f"not done after {limit:.0f} s, see {self.log}"
            seen(self.sample())
            time.sleep(SAMPLE_SECONDS)
        wall = time.monotonic() - self.started
        self._process.returncode = os.waitstatus_to_exitcode(status)
        assert self._process.returncode == 0, f"exit code {self._process.returncode}:\n{self.tail()}"
        return self._usage(wall, usage.ru_utime + usage.ru_stime)

    def until(self, reached: Callable[[], bool], limit: float, pause: float = SAMPLE_SECONDS) -> Usage:
        """Wait for a condition, and return what was used until then."""
        while not reached():
            assert self._process.poll() is None, f"ended too early:\n{self.tail()}"
            assert time.monotonic() - self.started < limit, f"not reached in {limit:.0f} s:\n{self.tail()}"
            self.sample()
            time.sleep(pause)
        self.sample()
        return self._usage(time.monotonic() - self.started, self.cpu())

    def go_on(self, seconds: float) -> None:
        """Let it run for some more time."""
        limit = time.monotonic() - self.started + seconds
        self.until(lambda: time.monotonic() - self.started > limit, limit + 60.0)

    def cpu(self) -> float:
        """Return the processor seconds of the living processes of the tree and of their dead children."""
        total = 0.0
        for process in self._processes():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
            if process.pid == self._process.pid:
                total += times.children_user + times.children_system
        return total

    def sample(self) -> float:
        """Take note of the memory in use; return it in MB."""
        sizes = []
        for process in self._processes():
            try:
                sizes.append(process.memory_info().rss / MEBIBYTE)
            except psutil.NoSuchProcess:
                continue
        self._rss = max(self._rss, sum(sizes))
        self._worker_rss = max([self._worker_rss, *sizes])
        return sum(sizes)

    def stop(self, limit: float = 60.0) -> int:
        """Ask the tree to end, as an operator would; return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(limit)

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self._tree, *self._tree.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _usage(self, wall: float, cpu: float) -> Usage:
        return Usage(wall=wall, cpu=cpu, rss_mb=self._rss, worker_rss_mb=self._worker_rss)


def python(*arguments: str) -> list[str]:
    """Return a command of this interpreter."""
    return [sys.executable, *arguments]
