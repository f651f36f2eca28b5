"""Where the time of a running worker goes: a flame graph, and a table of the functions that took most.

Needs ``py-spy``: the ``make profile`` target installs it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.events import read_events, total
from benchmarks.world import World

RATE = 200
START_SECONDS_MAX = 60.0
WORK = "Driver.run ("


def profile(case_name: str, records: int, seconds: int, output: Path) -> None:
    """Run a case and look at its worker for some seconds; write ``<output>.svg`` and ``<output>.txt``.

    Args:
        case_name: Name in ``cases.CASES``.
        records: Size of the input; too small, and the worker is done before it was looked at.
        seconds: Of each of the two recordings.
        output: Path without suffix.
    """
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise SystemExit("py-spy is not installed: make profile installs it, or pip install py-spy")
    case = CASES[case_name]
    with World() as world:
        source = world.input(case.input, records)
        sink = world.create("out-profile")
        launch = world.launch("profile", telemetry_ms=100)
        with world.engine("profile", launch, program=case.program, source=source.topic, output=sink) as running:
            running.until(lambda: total(launch.events, "rows_in") > 0, START_SECONDS_MAX)
            pid = _worker(launch.events)
            raw = output.with_suffix(".raw")
            for form, path in (("raw", raw), ("flamegraph", output.with_suffix(".svg"))):
                command = [spy, "record", "--pid", str(pid), "--rate", str(RATE), "--duration", str(seconds)]
                subprocess.run([*command, "--format", form, "--output", str(path)], check=True)
    output.with_suffix(".txt").write_text(table(raw.read_text()))
    raw.unlink()
    print(output.with_suffix(".txt").read_text())
    print(f"flame graph: {output.with_suffix('.svg')}")


def table(collapsed: str, rows: int = 40) -> str:
    """Return shares of time by function, with and without what they call; ``collapsed`` has a stack per line.

    Only the thread that works counts: on a busy machine, waiting threads look as if they did something.
    """
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    samples = 0
    for line in collapsed.splitlines():
        stack, _, count = line.rpartition(" ")
        if WORK not in stack:
            continue
        frames = [re.sub(r":\d+\)", ")", frame) for frame in stack.split(";")]
        samples += int(count)
        own[frames[-1]] += int(count)
        for frame in dict.fromkeys(frames):
            whole[frame] += int(count)
    lines = [f"{samples} samples at {RATE}/s, {time.strftime('%Y-%m-%d')}", ""]
    for title, counter in (("with what they call", whole), ("alone", own)):
        lines.append(f"functions, {title}:")
        lines += [f"  {100 * count / max(1, samples):5.1f} %  {name}" for name, count in counter.most_common(rows)]
        lines.append("")
    return "\n".join(lines)


def _worker(events: str) -> int:
    started = [each["text"] for each in read_events(events) if each["kind"] == "WorkerStarted"]
    found = re.search(r"pid=(\d+)", started[-1])
    assert found is not None, started
    return int(found.group(1))
