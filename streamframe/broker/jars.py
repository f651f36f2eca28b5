"""Fetch the jars of a Kafka release with `jgo`, a Maven client in Python.

Only the layer of `jgo` that knows repositories is used. Its high-level ``build`` also wants a Java 11
of its own, to sort jars into modules, and fetches it; Kafka runs from a plain class path.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamframe.broker.caches import make_dir
from streamframe.broker.java import INSTALL_HINT
from streamframe.broker.pinned import PINNED_JARS
from streamframe.broker.progress import Progress
from streamframe.core.errors import ConfigError, Unavailable

LOGGING_JAR = "org.slf4j:slf4j-simple:1.7.36"
"""Writes the server log by system properties alone; log4j takes longer to start than the rest of Kafka."""

_PARALLEL_FETCHES = 4
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One jar of a pinned release."""

    coordinate: str
    size: int
    sha256: str


def pinned_jars(version: str) -> tuple[Jar, ...]:
    """Return the known jars of a release; empty when the release is not pinned."""
    lines = PINNED_JARS.get(version, "").splitlines()
    return tuple(
        Jar(coordinate=coordinate, size=int(size), sha256=sha256)
        for coordinate, size, sha256 in (line.split() for line in lines)
    )


def fetch_jars(version: str, target: Path, progress: Progress) -> None:
    """Put the jars of a release into a directory that appears only when it is complete.

    The caller holds the lock of the release.

    Raises:
        ConfigError: `jgo` is not installed, or there is no such release.
        Unavailable: The repository could not be reached, or sent something else than what was tested.
    """
    staging = target.with_name(f"{target.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    make_dir(staging)
    try:
        pinned = pinned_jars(version)
        if pinned:
            paths = _fetch_pinned(version, pinned, staging / "repository", progress)
        else:
            paths = _fetch_resolved(version, staging / "repository", progress)
        flat = make_dir(staging / "jars")
        for path in paths:
            path.rename(flat / path.name)
        flat.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fetch_pinned(version: str, jars: Sequence[Jar], repository: Path, progress: Progress) -> list[Path]:
    lock = threading.Lock()

    def count(amount: int) -> None:
        with lock:
            progress.advance(amount)

    context = _context(repository, count)

    def fetch(jar: Jar) -> Path:
        path = _download(context.create_dependency(jar.coordinate).artifact, version)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != jar.sha256:
            raise Unavailable(
                "a fetched jar is not the one that this release of Kafka was tested with",
                hint="try again; if it stays, the repository or a proxy on the way serves something else",
                jar=jar.coordinate,
                sha256=found,
            )
        return path

    progress.begin(f"fetching Kafka {version}", sum(jar.size for jar in jars), "bytes")
    with ThreadPoolExecutor(_PARALLEL_FETCHES) as pool:
        paths = list(pool.map(fetch, jars))
    progress.end()
    return paths


def _fetch_resolved(version: str, repository: Path, progress: Progress) -> list[Path]:
    context = _context(repository, lambda _amount: None)
    progress.begin(f"looking up the jars of Kafka {version}", 1, "steps")
    try:
        roots = [context.create_dependency(name) for name in (f"org.apache.kafka:kafka_2.13:{version}", LOGGING_JAR)]
        direct, transitive = context.resolver.resolve(roots)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(version, error) from error
    progress.advance(1)
    progress.end()
    wanted = {
        dependency.artifact.filename: dependency.artifact
        for dependency in (*direct, *transitive)
        if dependency.scope in (None, "compile", "runtime")
    }
    progress.begin(f"fetching Kafka {version}", len(wanted), "steps")
    paths = []
    for artifact in wanted.values():
        paths.append(_download(artifact, version))
        progress.advance(1)
    progress.end()
    return paths


def _context(repository: Path, count: Callable[[int], None]) -> Any:
    try:
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise ConfigError(
            "Kafka's jars are not here, and jgo, which fetches them, is not installed", hint=INSTALL_HINT
        ) from error

    @contextmanager
    def watch(_filename: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield count

    mirror = os.environ.get("STREAMFRAME_MAVEN")
    return MavenContext(
        resolver=PythonResolver(progress_callback=watch),
        repo_cache=repository,
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=_TIMEOUT_SECONDS,
    )


def _download(artifact: Any, version: str) -> Path:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return Path(artifact.resolve())
        except (OSError, RuntimeError) as error:
            # What a broken connection left behind would be taken for the jar.
            Path(artifact.cached_path).unlink(missing_ok=True)
            if attempt == _ATTEMPTS:
                raise _unreachable(version, error) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _unreachable(version: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"cannot fetch Kafka {version}",
        hint="check the network (HTTPS_PROXY is honoured), or name a mirror of Maven Central in STREAMFRAME_MAVEN",
        reason=str(error).splitlines()[0] if str(error) else type(error).__name__,
    )
