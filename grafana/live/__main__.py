"""``python -m grafana.live``: tell the story, ask every panel, and draw all dashboards to pictures.

The pictures of the documentation are made by it: ``make dashboard-pictures``. It takes about six minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from grafana.boards import as_json
from grafana.dashboards import DASHBOARDS
from grafana.live.answers import answer, panels, step_seconds
from grafana.live.compose import ROOT, Stack
from grafana.live.prometheus import Prometheus
from grafana.live.story import told

DRAW: Final = Path(__file__).parent / "draw"
PICTURES: Final = ROOT / "docs" / "images" / "dashboards"
SCRAPE_SECONDS: Final = 2


def tell(scratch: Path, pace: float) -> dict[str, Any]:
    """Let everything happen, and return what is drawn: dashboards, answers, times."""
    with told(
        Stack(scratch / "stack"), Prometheus(scratch / "prometheus", scrape_seconds=SCRAPE_SECONDS), pace=pace
    ) as story:
        say("two workers in quiet times")
        _, second = story.begin()
        say("ten times as much arrives")
        story.overload()
        say("late rows, unreadable records")
        story.trouble()
        say("a worker loses its power")
        story.power_cut(second)
        say("it comes back without its state")
        story.comeback(2)
        start, end = story.moments["begin"], time.time()
        answers: dict[str, dict[str, Any]] = {name: {} for name in DASHBOARDS}
        for name, panel in panels():
            answers[name][str(panel["id"])] = answer(
                story.prometheus, panel, scrape_seconds=SCRAPE_SECONDS, start=start, end=end
            )
    return {
        "start": start,
        "end": end,
        "step": step_seconds(SCRAPE_SECONDS, start, end),
        "moments": story.moments,
        "dashboards": {name: as_json(make()) for name, make in DASHBOARDS.items()},
        "answers": answers,
    }


def say(what: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"grafana.live: {what}", file=sys.stderr, flush=True)


def draw(story: Path, pictures: Path) -> None:
    """Draw a story that was told.

    Raises:
        subprocess.CalledProcessError: A tool is missing, a page has an error, or a panel has no data.
    """
    if not (DRAW / "node_modules").exists():
        subprocess.run(["npm", "ci", "--legacy-peer-deps", "--no-audit", "--no-fund"], cwd=DRAW, check=True)
    subprocess.run(["npm", "run", "--silent", "build"], cwd=DRAW, check=True)
    subprocess.run(["node", "draw.mjs", str(story), str(pictures)], cwd=DRAW, check=True)


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(prog="python -m grafana.live", description=main.__doc__)
    parser.add_argument("--pace", type=float, default=40.0, help="seconds for each state of affairs (default: 40)")
    parser.add_argument("--story", type=Path, help="file of a story: told into it, or drawn from it when it exists")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="where to put them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamframe-live-") as scratch:
        story = args.story or Path(scratch) / "story.json"
        if not story.exists():
            story.write_text(json.dumps(tell(Path(scratch), args.pace)), encoding="utf-8")
        draw(story.resolve(), args.pictures.resolve())


if __name__ == "__main__":
    main()
