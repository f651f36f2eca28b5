"""Kafka Streams, in Java: ``java/StreamsPeer.java``, compiled on the spot. Needs a JDK (``javac``).

As somebody would set it up who knows it: exactly_once_v2, commits every second, final results by ``suppress``
(the public way that is right while catching up), a cache of 64 MB, lz4.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.peers.waiting import Progress
from benchmarks.processes import Measured, Usage
from benchmarks.world import InputTopic, World
from streamframe.broker.caches import cache_home

VERSION = "4.4.0"
CASES = ("tumbling", "changes", "map", "repartition")
LIMIT_SECONDS = 300.0
SOURCE = Path(__file__).parent / "java" / "StreamsPeer.java"
ROOTS = (
    f"org.apache.kafka:kafka-streams:{VERSION}",
    "com.fasterxml.jackson.core:jackson-databind:2.21.7",
    "org.slf4j:slf4j-simple:1.7.36",
)


def prepare() -> None:
    """Fetch the jars and compile the program, once.

    Raises:
        RuntimeError: There is no JDK, or the jars cannot be fetched.
    """
    compiler = shutil.which("javac")
    if compiler is None:
        raise RuntimeError("there is no javac: install a JDK >= 17")
    _jars()
    classes = _classes()
    classes.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        [compiler, "-nowarn", "-cp", _class_path(), "-d", str(classes), str(SOURCE)], capture_output=True, text=True
    )
    if made.returncode:
        raise RuntimeError(f"javac: {made.stderr[:400]}")


def run(world: World, case: Case, source: InputTopic, output: str) -> tuple[Usage, float]:
    """Run a topology until its group has committed the end of the input, then end it."""
    application = f"ks-{output}"
    state = world.place / application
    arguments = [case.program, world.bootstrap, source.topic, output, application, str(state)]
    java = ["java", "-Xms512m", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", _class_path()]
    progress = Progress(world.bootstrap, application, source.topic)
    log = world.place / f"{output}.log"
    with Measured([*java, "StreamsPeer", *arguments], cores=world.cores.engine, environment={}, log=log) as running:
        usage = running.until(progress.reached, LIMIT_SECONDS)
        running.stop()
    progress.close()
    shutil.rmtree(state, ignore_errors=True)
    world.drop_application(application)
    return usage, 0.0


def _home() -> Path:
    return cache_home() / "peers" / f"kafka-streams-{VERSION}"


def _classes() -> Path:
    return _home() / "classes"


def _class_path() -> str:
    return ":".join([str(_classes()), *sorted(map(str, _home().glob("jars/*.jar")))])


def _jars() -> None:
    target = _home() / "jars"
    if target.exists():
        return
    from jgo.maven import MavenContext, PythonResolver

    repository = _home() / "repository"
    context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=60)
    direct, transitive = context.resolver.resolve([context.create_dependency(name) for name in ROOTS])
    staging = _home() / "jars.part"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for dependency in (*direct, *transitive):
        if dependency.scope in (None, "compile", "runtime"):
            path = Path(dependency.artifact.resolve())
            shutil.copy(path, staging / path.name)
    staging.rename(target)
