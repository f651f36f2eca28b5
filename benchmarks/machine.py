"""What the figures were measured on: cores, versions, commit, and who else was using the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from streamframe.core.acceleration import native

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("confluent-kafka", "msgspec", "numpy", "pandas", "pyarrow", "rocksdict", "streamframe-native")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores belong to whom."""

    broker: frozenset[int]
    engine: frozenset[int]


def cores() -> Cores:
    """Return core 0 for the broker and the harness, the others for the engine; one core is shared."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == 1:
        return Cores(frozenset(allowed), frozenset(allowed))
    return Cores(frozenset(allowed[:1]), frozenset(allowed[1:2]))


def native_path() -> str:
    """Return which data path a worker takes: ``native`` or ``pure``."""
    return "pure" if native is None else "native"


def describe() -> dict[str, object]:
    """Return everything about this machine and tree that a reader needs to compare."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed_files": sum(1 for line in _git("status", "--porcelain", "streamframe").splitlines() if line),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "versions": versions,
        "path": native_path(),
        "priority": _priority(),
    }


class Neighbours:
    """How much of the machine others took while something was measured.

    Args:
        ours: Gives the processor seconds that belong to the measurement so far, broker and harness included.
    """

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._busy = self._busy_seconds()

    def cores_taken(self, ours_seconds: float) -> float:
        """Return the mean number of cores that were busy with something else since the start."""
        wall = max(1e-9, time.monotonic() - self._wall)
        return max(0.0, (self._busy_seconds() - self._busy - ours_seconds) / wall)

    @staticmethod
    def _busy_seconds() -> float:
        times = psutil.cpu_times()
        return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _priority() -> str:
    """Return how the system favours us over others: ``normal``, or what was asked for."""
    policies = {os.SCHED_FIFO: "real-time", os.SCHED_RR: "real-time"}
    nice = os.nice(0)
    return policies.get(os.sched_getscheduler(0), "normal" if nice == 0 else f"nice {nice}")


def _git(*arguments: str) -> str:
    try:
        answer = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
