"""A program under ``streamframe run``, seen through its metrics and documents."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60.0

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], what: str) -> Found:
    """Look again and again until something is there."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {DEADLINE_SECONDS:g} s: {what}")


def fetch(address: str, path: str) -> tuple[int, str]:
    """Status and text of a page; status 0: nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


class RunningProgram:
    """Started by ``with``, stopped by SIGTERM at its end, which must give exit code 0."""

    def __init__(self, program: Path, bootstrap: str, scratch: Path, *, workers: int = 1, options: tuple = ()) -> None:
        scratch.mkdir(exist_ok=True)
        self._targets = scratch / "targets.json"
        self._log = scratch / "run.log"
        self._words = [
            "run", str(program), "-b", bootstrap, "--workers", str(workers), "--state-dir", str(scratch / "state"),
            "-X", f"telemetry.targets_file={self._targets}", "-X", "telemetry.interval=100ms", *options,
        ]  # fmt: skip

    def __enter__(self):
        with self._log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "streamframe", *self._words], cwd=ROOT, stderr=log)
        return self

    def __exit__(self, kind, error, trace):
        self.process.terminate()
        code = self.process.wait(DEADLINE_SECONDS)
        if kind is None:
            assert code == 0, self._log.read_text()

    @property
    def page(self) -> str:
        """Address of the page over all workers."""
        line = until(lambda: next((x for x in self._log.read_text().splitlines() if "status page " in x), None), "page")
        return line.split("http://")[1].rstrip("/")

    def workers(self) -> list[str]:
        """Addresses of the workers."""
        if not self._targets.exists():
            return []
        return [target for group in json.loads(self._targets.read_text()) for target in group["targets"]]

    def document(self, name: str) -> dict:
        return json.loads(fetch(self.page, f"/api/{name}")[1] or "{}")

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of a metric over the workers, its other labels added up; ``None``: no such series."""
        found = [
            sample.value
            for address in self.workers()
            for family in text_string_to_metric_families(fetch(address, "/metrics")[1])
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None
