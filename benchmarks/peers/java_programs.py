"""Peers in Java: jars from Maven Central, a program that is compiled on the spot. Needs a JDK (``javac``)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.peers.waiting import Progress, pass_through
from benchmarks.processes import Measured, Usage
from benchmarks.throughput import Passed
from benchmarks.world import InputTopic, World
from streamframe.broker.caches import cache_home

SOURCES = Path(__file__).parent / "java"
LIMIT_SECONDS = 400.0
AFTERWARDS_SECONDS = 2.5
"""Until the transaction of the last commit, or checkpoint, is over too; not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JavaProgram:
    """A program and what it needs.

    Attributes:
        name: Of its place in the cache, with the version.
        main: Its class, and its file below ``java/``.
        roots: Maven coordinates; what they need comes too.
        options: Of the Java machine.
    """

    name: str
    main: str
    roots: Sequence[str]
    options: Sequence[str]

    def prepare(self) -> None:
        """Fetch the jars and compile the program.

        Raises:
            RuntimeError: There is no JDK, or the jars cannot be fetched.
        """
        compiler = shutil.which("javac")
        if compiler is None:
            raise RuntimeError("there is no javac: install a JDK >= 17")
        self._fetch()
        self._classes.mkdir(parents=True, exist_ok=True)
        source = str(SOURCES / f"{self.main}.java")
        made = subprocess.run(
            [compiler, "-nowarn", "-cp", self._class_path, "-d", str(self._classes), source],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(f"javac: {made.stderr[:400]}")

    def run(
        self, world: World, case: Case, source: InputTopic, output: str, first: int, *extra: str
    ) -> tuple[Passed, Usage]:
        """Run it until its group has committed the end of the input, then end it."""
        application = f"java-{output}"
        state = world.place / application
        arguments = [case.program, world.bootstrap, source.topic, output, application, str(state), *extra]
        command = ["java", *self.options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", self._class_path]
        progress = Progress(world.bootstrap, application, source.topic)
        log = world.place / f"{output}.log"
        with Measured([*command, self.main, *arguments], cores=world.cores.engine, environment={}, log=log) as running:
            passed, usage = pass_through(running, progress, first, LIMIT_SECONDS)
            running.go_on(AFTERWARDS_SECONDS)
            running.stop()
        progress.close()
        shutil.rmtree(state, ignore_errors=True)
        world.drop_application(application)
        return passed, usage

    @property
    def _home(self) -> Path:
        return cache_home() / "peers" / self.name

    @property
    def _classes(self) -> Path:
        return self._home / "classes"

    @property
    def _class_path(self) -> str:
        return ":".join([str(self._classes), *sorted(map(str, self._home.glob("jars/*.jar")))])

    def _fetch(self) -> None:
        target = self._home / "jars"
        if target.exists():
            return
        from jgo.maven import MavenContext, PythonResolver

        context = MavenContext(resolver=PythonResolver(), repo_cache=self._home / "repository", timeout=60)
        direct, transitive = context.resolver.resolve([context.create_dependency(name) for name in self.roots])
        staging = self._home / "jars.part"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for dependency in (*direct, *transitive):
            if dependency.scope in (None, "compile", "runtime"):
                path = Path(dependency.artifact.resolve())
                shutil.copy(path, staging / path.name)
        staging.rename(target)
