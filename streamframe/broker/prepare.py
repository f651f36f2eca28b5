"""Make a Kafka release ready to run: fetch it, ask it for its feature levels, record a class image.

All of it happens once, under the lock of the release, and survives a crash at any moment: what is in the
cache home is complete. The image is worth its eight seconds and 67 MB: with it a broker listens after 0.5 s
instead of 1.4 s, and that is spent by every test session and every demo.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from streamframe.broker.boot import PortsLost, choose_ports, launch_node, wait_until_up
from streamframe.broker.caches import cache_home, locked, make_dir
from streamframe.broker.jars import fetch_jars
from streamframe.broker.java import Java, find_java
from streamframe.broker.nodes import make_node, new_uuid
from streamframe.broker.process import Guard, end_processes
from streamframe.broker.progress import Progress
from streamframe.broker.properties import node_properties, render
from streamframe.broker.release import FIRST_JAVA_WITH_AOT, Release, format_command
from streamframe.broker.spec import BrokerSpec
from streamframe.broker.state import RunningCluster
from streamframe.core.errors import ConfigError, StreamFrameError, Unavailable

_FORMAT_SECONDS_MAX = 120
_IMAGE_SECONDS_MAX = 180.0


def prepare(version: str, progress: Progress) -> Release:
    """Return a release that can be started, making what is missing of it.

    Raises:
        ConfigError: There is no Java, or `jgo` is needed and not installed.
        Unavailable: The release could not be fetched.
    """
    java = find_java()
    ready = _ready(version, java)
    if ready is not None:
        return ready
    home = make_dir(cache_home() / "kafka" / version)

    def waiting(owner: str) -> None:
        progress.note(f"process {owner} prepares Kafka {version} just now: waiting for it ...")

    with locked(home.with_name(f"{version}.lock"), on_wait=waiting):
        if not (home / "jars").is_dir():
            fetch_jars(version, home / "jars", progress)
        release = Release(version=version, java=java, jars=_jars(home), template=home / "template", image=None)
        image = _image_path(home, release)
        if not release.template.exists() or not (image.exists() or _given_up(image).exists()):
            _make_ready(release, home, image, progress)
    return replace(release, image=image if image.exists() else None)


def _ready(version: str, java: Java) -> Release | None:
    """Return the release if all of it is there; no lock is needed, since files appear complete."""
    home = cache_home() / "kafka" / version
    template = home / "template"
    if not (home / "jars").is_dir() or not template.is_dir():
        return None
    release = Release(version=version, java=java, jars=_jars(home), template=template)
    image = _image_path(home, release)
    if image.exists():
        return replace(release, image=image)
    return release if _given_up(image).exists() else None


def _make_ready(release: Release, home: Path, image: Path, progress: Progress) -> None:
    progress.begin(f"preparing quick starts (once for Java {release.java.major})", 3, "steps")
    if not release.template.exists():
        _make_template(release, home)
    progress.advance(1)
    if not image.exists():
        try:
            _record_image(release, home, image, progress)
        except (StreamFrameError, PortsLost, OSError) as error:
            # A broker without an image is slower by a second, no more. Not tried again at each start.
            _given_up(image).write_text(f"{error}\n")
            progress.note(f"no class image could be made, starts take a second longer: {error}")
    progress.end()


def _make_template(release: Release, home: Path) -> None:
    """Let Kafka format a directory, and keep all but the names of its cluster and node."""
    spec = BrokerSpec(port=0, version=release.version)
    with _scratch(home) as scratch:
        broker_ports, controller_ports = choose_ports(spec)
        made = scratch / "data"
        properties = node_properties(
            spec, node=1, broker_ports=broker_ports, controller_ports=controller_ports, log_dir=made
        )
        (scratch / "server.properties").write_text(render(properties))
        command = format_command(release, properties=scratch / "server.properties", cluster_id=new_uuid())
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_FORMAT_SECONDS_MAX, cwd=scratch
        )
        levels = list(made.rglob("*.checkpoint"))
        if answer.returncode != 0 or not levels:
            raise ConfigError(
                f"Kafka {release.version} cannot format a directory\n{(answer.stdout + answer.stderr).strip()[-2000:]}",
                java=str(release.java.path),
            )
        (made / "meta.properties").unlink()
        made.rename(release.template)


def _record_image(release: Release, home: Path, image: Path, progress: Progress) -> None:
    """Run a broker once; Java writes the image of its classes when it stops."""
    spec = BrokerSpec(port=0, version=release.version)
    with _scratch(home) as scratch:
        part = scratch / "image.part"
        ports = choose_ports(spec)
        make_node(scratch, 1, spec=spec, release=release, cluster_id=new_uuid(), ports=ports)
        guard = Guard(grace_seconds=0)
        try:
            process = launch_node(guard, spec, release, data_dir=scratch, node=1, record_image=part)
            running = RunningCluster(
                owner=None,
                processes={1: process},
                broker_ports=ports[0],
                controller_ports=ports[1],
                version=release.version,
            )
            wait_until_up(running, scratch)
            progress.advance(1)
            end_processes([process], grace_seconds=_IMAGE_SECONDS_MAX)
        finally:
            guard.finish()
        if not part.exists():
            raise Unavailable("java wrote no class image", java=str(release.java.path))
        part.replace(image)
        progress.advance(1)


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """A directory beside the release, so that its files can be renamed into it."""
    for leftover in home.glob("scratch-*"):  # Of a process that was killed: we hold the lock, so it is dead.
        shutil.rmtree(leftover, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix="scratch-", dir=home))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _jars(home: Path) -> tuple[Path, ...]:
    return tuple(sorted((home / "jars").glob("*.jar")))


def _image_path(home: Path, release: Release) -> Path:
    key = hashlib.sha256(f"{release.java.text}\n{release.class_path}".encode()).hexdigest()[:12]
    return home / f"start-{key}.{'aot' if release.java.major >= FIRST_JAVA_WITH_AOT else 'jsa'}"


def _given_up(image: Path) -> Path:
    return image.with_suffix(".none")
