"""What Prometheus itself says about our metrics (Debian package: prometheus)."""

import subprocess

from streamframe.observe.exposition import SupervisorCollector, WorkerCollector, page_of
from tests.observe.fleets import IDENTITY, fleet, snapshot


def promtool(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], input=text, capture_output=True, text=True, check=False)


def test_promtool_finds_nothing_to_complain_about_in_the_metrics_of_a_worker():
    checked = promtool("check", "metrics", text=page_of(WorkerCollector(IDENTITY, snapshot))().decode())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_promtool_finds_nothing_to_complain_about_in_the_metrics_of_a_supervisor():
    checked = promtool("check", "metrics", text=page_of(SupervisorCollector(IDENTITY, fleet))().decode())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
