"""A real Prometheus with the configuration and the rules of ``deploy/prometheus``, and its HTTP API.

Three things differ from the files: targets are found in a file instead of a name service, the scrape interval is that
of the caller, and what an alert waits for (``for:``) is divided, because nobody watches a test for two minutes.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from grafana.rules import FILE as RULES

CONFIGURATION: Final = RULES.parent / "prometheus.yml"
START_SECONDS: Final = 60.0


class Prometheus:
    """A Prometheus between ``with`` and its end.

    Args:
        scratch: Directory for its data and configuration.
        scrape_seconds: Between two scrapes, and between two evaluations of the rules.
        haste: What the waiting of alerts is divided by.

    Attributes:
        scrape_seconds: As above.
        url: Where it answers.
    """

    def __init__(self, scratch: Path, *, scrape_seconds: int = 1, haste: int = 60) -> None:
        self._scratch = scratch
        self.scrape_seconds = scrape_seconds
        self._haste = haste
        self._targets = scratch / "targets.json"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{_free_port()}"

    def __enter__(self) -> Self:
        self._scratch.mkdir(parents=True, exist_ok=True)
        self.scrape({})
        (self._scratch / "rules.yml").write_text(self._hasty_rules(), encoding="utf-8")
        (self._scratch / "prometheus.yml").write_text(yaml.safe_dump(self._configuration()), encoding="utf-8")
        with (self._scratch / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._scratch}/prometheus.yml",
                    f"--storage.tsdb.path={self._scratch}/data",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self._scratch / "prometheus.log").read_text(encoding="utf-8"))
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)

    def scrape(self, hosts: Mapping[str, str]) -> None:
        """Scrape replicas from now on: name to address. The port is that of the configuration."""
        groups = [
            {"targets": [f"{host}:{port}"], "labels": {"scraped_as": job, "instance": f"{name}:{port}"}}
            for job, port in self._ports().items()
            for name, host in hosts.items()
        ]
        fresh = self._targets.with_suffix(".new")
        fresh.write_text(json.dumps(groups), encoding="utf-8")
        fresh.rename(self._targets)

    def instant(self, query: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return the samples of a query now, or at a moment (seconds since 1970)."""
        return self._ask("query", {"query": query, **({} if at is None else {"time": f"{at:.3f}"})})

    def over_time(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of a query between two moments."""
        return self._ask(
            "query_range", {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step}"}
        )

    def alerts(self, state: str) -> set[str]:
        """Return the names of the alerts that are ``pending`` or ``firing`` now."""
        return {each["metric"]["alertname"] for each in self.instant(f'ALERTS{{alertstate="{state}"}}')}

    def _ask(self, page: str, words: Mapping[str, str]) -> list[dict[str, Any]]:
        body = urllib.parse.urlencode(words).encode()
        with urllib.request.urlopen(f"{self.url}/api/v1/{page}", body, timeout=30) as answer:  # noqa: S310
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    def _ports(self) -> dict[str, int]:
        described = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
        return {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in described["scrape_configs"]}

    def _configuration(self) -> dict[str, Any]:
        described: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
        interval = f"{self.scrape_seconds}s"
        described["global"] = {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval}
        described["rule_files"] = [str(self._scratch / "rules.yml")]
        for job in described["scrape_configs"]:
            del job["dns_sd_configs"]
            job["file_sd_configs"] = [{"files": [str(self._targets)], "refresh_interval": "1s"}]
            job["relabel_configs"] = [
                {"source_labels": ["scraped_as"], "regex": job["job_name"], "action": "keep"},
                {"regex": "scraped_as", "action": "labeldrop"},
            ]
        return described

    def _hasty_rules(self) -> str:
        def divided(match: re.Match[str]) -> str:
            return f"for: {max(1, int(match[1]) * 60 // self._haste)}s" if int(match[1]) else "for: 0m"

        return re.sub(r"for: (\d+)m", divided, RULES.read_text(encoding="utf-8"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
