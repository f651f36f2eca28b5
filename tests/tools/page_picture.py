"""Draws the pictures of the status page that the documentation shows: ``make page-picture``.

A real broker, the generator of the demo, two workers of ``topologies/clicks.py``, and a browser after a while.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from streamframe.cli.demo_world import BROKER_SETTINGS
from streamframe.testing import KafkaBroker
from tests.app.running_program import ROOT, RunningProgram, until
from tests.tools.browser import chromium

IMAGES = ROOT / "docs" / "images"
PROGRAM = ROOT / "topologies" / "clicks.py"
PARTITIONS = 4
RATE = 2_000
SECONDS = 150
"""Long enough for trends that show something."""


def draw(url: str) -> None:
    """Write a picture per colour scheme."""
    with chromium() as browser:
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=scheme, viewport={"width": 1640, "height": 1160})
            page.goto(url)
            page.screenshot(path=IMAGES / f"status-page-{scheme}.png")


def main() -> None:
    """Run the program for a while, and draw its page."""
    with tempfile.TemporaryDirectory() as scratch, KafkaBroker(settings=BROKER_SETTINGS) as broker:
        for topic in ("clicks", "click-totals", "late-clicks", "clicks-dead-letters"):
            broker.create_topic(topic, PARTITIONS)
        command = [sys.executable, "-m", "streamframe.cli.demo_generator", "--bootstrap", broker.bootstrap]
        command += ["--partitions", str(PARTITIONS), "--rate", str(RATE), "--seed", "1"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=os.environ) as generator:
            with RunningProgram(PROGRAM, broker.bootstrap, Path(scratch), workers=2) as running:
                until(lambda: running.document("status").get("state") == "running", "running")
                time.sleep(SECONDS)
                draw(f"http://{running.page}/")
            assert generator.stdin is not None
            generator.stdin.close()
    sys.stdout.write(f"written: {IMAGES}/status-page-light.png, status-page-dark.png\n")


if __name__ == "__main__":
    main()
