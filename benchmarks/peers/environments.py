"""Virtual environments for peers in Python: their requirements need not agree with ours."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.peers.waiting import Progress, pass_through
from benchmarks.processes import Measured, Usage
from benchmarks.throughput import Passed
from benchmarks.world import InputTopic, World
from streamframe.broker.caches import cache_home

LIMIT_SECONDS = 300.0
AFTERWARDS_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonProgram:
    """A script that runs in an environment of its own.

    Attributes:
        name: Of its place in the cache, with the version.
        requirements: What is installed.
        script: The file; its arguments are CASE BOOTSTRAP INPUT OUTPUT GROUP STATE.
    """

    name: str
    requirements: tuple[str, ...]
    script: Path

    def prepare(self) -> None:
        """Install what it needs, once.

        Raises:
            RuntimeError: It cannot be installed.
        """
        ready = self._home / ".ready"
        if ready.exists() and ready.read_text() == str(self.requirements):
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(self._home)], check=True)
        asked = [self._python, "-m", "pip", "install", "--quiet", *self.requirements]
        installed = subprocess.run(asked, capture_output=True, text=True)
        if installed.returncode:
            raise RuntimeError(f"pip install {' '.join(self.requirements)}: {installed.stderr[-300:]}")
        ready.write_text(str(self.requirements))

    def run(self, world: World, case: Case, source: InputTopic, output: str, first: int) -> tuple[Passed, Usage]:
        """Run until its group has committed the end of the input, then end it."""
        group = f"peer-{output}"
        state = world.place / group
        arguments = [case.program, world.bootstrap, source.topic, output, group, str(state)]
        log = world.place / f"{output}.log"
        progress = Progress(world.bootstrap, group, source.topic)
        command = [self._python, str(self.script), *arguments]
        with Measured(command, cores=world.cores.engine, environment={}, log=log) as running:
            passed, usage = pass_through(running, progress, first, LIMIT_SECONDS)
            running.go_on(AFTERWARDS_SECONDS)
            running.stop()
        progress.close()
        world.drop_containing(group)
        return passed, usage

    @property
    def _home(self) -> Path:
        return cache_home() / "peers" / self.name

    @property
    def _python(self) -> str:
        return str(self._home / "bin" / "python")
