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
from functools import partial
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.events import total
from benchmarks.nexmark.cases import NEXMARK
from benchmarks.threads import thread_seconds, worker_pid
from benchmarks.world import World

RATE = 200
START_SECONDS_MAX = 60.0
SPY_SECONDS_MAX = 120.0
WORK = "Driver.run ("


def profile(case_name: str, records: int, seconds: int, output: Path) -> None:
    """Run a case twice and look at its worker for some seconds; write ``<output>.svg`` and ``<output>.txt``.

    Args:
        case_name: Name in ``cases.CASES`` or ``nexmark.cases.NEXMARK``.
        records: Size of the input; a worker that is done sooner ends the recording.
        seconds: Of each of the two recordings.
        output: Path without suffix.
    """
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise SystemExit("py-spy is not installed: make profile installs it, or pip install py-spy")
    case = {**CASES, **NEXMARK}[case_name]
    raw = output.with_suffix(".raw")
    with World() as world:
        source = world.input(case.input, records)
        threads: list[str] = []
        for form, path in (("raw", raw), ("flamegraph", output.with_suffix(".svg"))):
            name = world.next_name("profile")
            launch = world.launch(name, program=case.file, telemetry_ms=100)
            sink = world.create(f"out-{name}")
            with world.engine(name, launch, program=case.program, source=source.topic, output=sink) as running:
                running.until(partial(_has_begun, launch.events), START_SECONDS_MAX, pause=0.02)
                pid = worker_pid(launch.events)
                _record(spy, pid, form, seconds, path)
                threads = _threads(pid) or threads
    text = "\n".join([table(raw.read_text()), "processor time of the worker's threads, since its start:", *threads])
    output.with_suffix(".txt").write_text(text + "\n")
    raw.unlink()
    print(text)
    print(f"flame graph: {output.with_suffix('.svg')}")


def _has_begun(events: str) -> bool:
    return total(events, "rows_in") > 0


def _record(spy: str, pid: int, form: str, seconds: int, path: Path) -> None:
    """Look at a process, with the frames of native extensions where this machine allows it."""
    command = [spy, "record", "--pid", str(pid), "--rate", str(RATE), "--duration", str(seconds), "--format", form,
               "--output", str(path)]  # fmt: skip
    failures = []
    for extra in (["--native"], []):
        found = subprocess.run([*command, *extra], capture_output=True, text=True, timeout=SPY_SECONDS_MAX, check=False)
        if found.returncode == 0 and path.exists() and path.stat().st_size > 0:
            return
        failures.append(f"{found.stderr.strip()[-300:]}")
    hint = "to look into another process needs the right to trace it: run as root, or sysctl kernel.yama.ptrace_scope=0"
    raise SystemExit("\n".join(["py-spy could not look at the worker", *failures, hint]))


def _threads(pid: int) -> list[str]:
    """Return processor seconds and name of each thread: those of the Kafka client never run Python."""
    ordered = sorted(thread_seconds(pid).values(), key=lambda thread: -thread[1])
    return [f"  {seconds:8.2f} s  {name}" for name, seconds in ordered if seconds > 0]


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
