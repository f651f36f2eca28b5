"""Quix Streams, in a virtual environment of its own: its requirements need not agree with ours.

<its python> benchmarks/peers/quix.py CASE BOOTSTRAP INPUT OUTPUT GROUP STATE
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.cases import Case
    from benchmarks.processes import Usage
    from benchmarks.world import InputTopic, World

VERSION = "3.28"
CASES = ("tumbling", "map")
LIMIT_SECONDS = 300.0


def prepare() -> None:
    """Install it, once.

    Raises:
        RuntimeError: It cannot be installed.
    """
    if _python().exists():
        return
    home = _home()
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    asked = [str(_python()), "-m", "pip", "install", "--quiet", f"quixstreams=={VERSION}.*"]
    installed = subprocess.run(asked, capture_output=True, text=True)
    if installed.returncode:
        _python().unlink(missing_ok=True)
        raise RuntimeError(f"pip install quixstreams: {installed.stderr[-300:]}")


def run(world: World, case: Case, source: InputTopic, output: str) -> tuple[Usage, float]:
    """Run until the group has committed the end of the input, then end it."""
    from benchmarks.peers.waiting import Progress
    from benchmarks.processes import Measured

    group = f"quix-{output}"
    state = world.place / group
    arguments = [case.program, world.bootstrap, source.topic, output, group, str(state)]
    log = world.place / f"{output}.log"
    progress = Progress(world.bootstrap, group, source.topic)
    command = [str(_python()), str(Path(__file__)), *arguments]
    with Measured(command, cores=world.cores.engine, environment={}, log=log) as running:
        usage = running.until(progress.reached, LIMIT_SECONDS)
        running.stop()
    progress.close()
    world.drop_containing(group)
    return usage, 0.0


def _home() -> Path:
    from streamframe.broker.caches import cache_home

    return cache_home() / "peers" / f"quix-{VERSION}"


def _python() -> Path:
    return _home() / "bin" / "python"


def main() -> None:
    from quixstreams import Application  # type: ignore[import-not-found]
    from quixstreams.dataframe.windows import Count, Max, Min, Sum  # type: ignore[import-not-found]

    case, bootstrap, source, output, group, state = sys.argv[1:]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=1.0,
        state_dir=state,
        loglevel="WARNING",
        producer_extra_config={"compression.type": "lz4"},
    )
    clicks = app.topic(source, value_deserializer="json", timestamp_extractor=lambda value, *_: value["ts"])
    results = app.topic(output, value_serializer="json")
    frame = app.dataframe(clicks)
    if case == "map":
        frame = frame[frame["amount"] >= 25]
        frame["cost"] = frame["amount"] * 1.19
        frame = frame[["user", "page", "country", "cost", "ts"]]
    else:
        windows = frame.tumbling_window(10_000, grace_ms=2_000)
        totals = windows.agg(n=Count(), total=Sum("amount"), low=Min("amount"), high=Max("amount"))
        # The default closes the windows of a key when the key is seen again: for most keys too late.
        totals = totals.final(closing_strategy="partition")

        def shaped(value, key, _timestamp, _headers):
            user = key.decode() if isinstance(key, bytes) else key
            row = {name: value[name] for name in ("n", "total", "low", "high")}
            return {"user": user, "window_start": value["start"], **row}

        frame = totals.apply(shaped, metadata=True)
    frame.to_topic(results)
    app.run()


if __name__ == "__main__":
    main()
