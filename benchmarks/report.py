"""``docs/benchmarks.md`` and its plots, from the result files alone: nothing is measured here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import judgement, tables
from benchmarks.budget import write_budget
from benchmarks.charts import DOCS, case_bar, image
from benchmarks.plots import Line, bars, lines
from benchmarks.results_files import PATHS, load
from benchmarks.side_by_side import side_by_side
from benchmarks.tables import machine, number, spread, table, thousands, when, yes

PAGE = DOCS / "benchmarks.md"
Sections = Callable[[dict[str, Any]], list[str]]

HEAD = """\
# Benchmarks

Generated from the files in `benchmarks/results` by `python -m benchmarks report`; do not edit. `make bench` measures
everything and writes this page, `make bench PEERS=1` measures the peers in the same session. Why the figures are what
they are: [performance](performance.md).

How it is measured:

* A real Apache Kafka with one node, together with the harness, on core 0; the engine with its supervisor, all processes
  and threads, on core 1. JSON records of about 110 bytes, lz4, 4 partitions, generated from a seed, event time out of
  order by up to a second, 13 333 records per second of event time. Exactly once, a commit every second.
* **Every run is verified**: a `read_committed` reader's rows are compared with a computation in plain pandas.
* Throughput is the slope between two sizes of one input, so that starting up does not count; it is reported apart.
  *CPU s/M* is processor time, user and system, of the whole process tree per million records. Medians of the pairs of
  runs, with the lowest and the highest.
* *Others* is how many cores were busy with something else meanwhile. Where it is not close to zero, the machine was
  shared: processor time is then up to a third too high (cold caches), wall time says little, and latency nothing
  unless the session had real-time priority (`chrt -r 1 make bench ARGS="--only latency"`).
"""

JUDGED = """\
Computed from the result files: ✔ reaches the target of its path, ✔✔ the stretch too, ✘ neither. *pure* is without
`streamframe-native`, *native* with it. Ratios are processor time per record against a peer."""

NEXMARK_NOTE = """\
[Queries](../benchmarks/nexmark/queries.py) over the [model](../benchmarks/nexmark/generator.py) of an auction house:
people, auctions and bids as 1 : 3 : 46, in one topic, events of about 270 bytes, 10 000 per second of event time. Per
million *events*, of which 92 % are bids. Not possible yet: q3, q4, q8, q9, q13, q20 and q23 join streams, q19 wants
top-n, q11 sessions. q12 is by the clock of the broker that appended the record, not by that of the machine that
processes: StreamFrame has no windows of processing time, because their results would depend on where batches end and
on crashes. q5 and q7 keep ties by an aggregate of their own, where SQL would join."""

GROWTH_NOTE = """\
The tumbling job unless it says otherwise. Keys, columns, aggregates and batches: real operators on records in memory,
nanoseconds of processor time per record, one thread. With more keys the same records make more results: a window of
10 s holds 133 333 records, so with a million keys nearly every record is a result. Columns: read and passed on.
Partitions: the whole job on a broker."""


AGAIN = """\
## Measuring again

```sh
make bench                                           # everything but the peers, on both data paths: about an hour
make bench ARGS="--quick"                            # small sizes, once each, nothing is written: does it run?
make bench ARGS="--only throughput,peers --case tumbling --path native"   # side by side in one session
make bench ARGS="--only nexmark --case q7 --records 2000000 --repeat 5"
.venv/bin/python -m benchmarks report                # this page and its plots from the result files
```

Nothing else should run meanwhile. On the machine above, with `--records 2000000`, one data path takes: throughput 6
minutes, Nexmark 6, stages 1, workers 2, growth 4, restore 2, memory 1, metrics 2, idle and start 1, latency 4. A Java
peer takes about a minute for each run of four million records, so three for a workload; those in Python less."""


def write_report() -> Path:
    """Write the page, its plots and the budget in ``performance.md``; return the page."""
    sections = [HEAD, _judged(), _throughput(), side_by_side(), _nexmark(), _growth()]
    shown: tuple[tuple[str, str, Sections], ...] = (
        ("Workers", "workers", tables.workers),
        ("What metrics cost", "metrics", tables.metrics),
        ("Latency", "latency", tables.latency),
        ("Restore", "restore", tables.restore),
        ("Memory", "memory", tables.memory),
        ("Large state", "large-state", tables.large_state),
        ("Idle and start", "standing", tables.standing),
    )
    sections += [_by_path(title, subject, section) for title, subject, section in shown]
    sections += [_stages(), AGAIN]
    PAGE.write_text("\n".join(section for section in sections if section).rstrip() + "\n")
    write_budget()
    return PAGE


def _judged() -> str:
    head = ["", "target, pure", "target, native", "stretch", "pure", "native"]
    score = ", ".join(f"{path} {found} of {count}" for path in PATHS for found, count in [judgement.reached(path)])
    return "\n".join(
        ["## How it is judged", "", JUDGED, "", table(head, judgement.rows()), "", f"Reached: {score}.", ""]
    )


def _by_path(title: str, subject: str, section: Sections) -> str:
    """Return a section with what was measured on each data path."""
    found = [measured for path in PATHS if (measured := load(subject, path)) is not None]
    written = [line for each in found for line in (machine(each), "", *section(each["measured"]), "")]
    return "\n".join([f"## {title}", "", *written]) if written else ""


def _throughput() -> str:
    goals = {path: judgement.limits(path) for path in PATHS}
    return _cases("Throughput", "throughput", "", goals)


def _nexmark() -> str:
    return _cases("Nexmark", "nexmark", NEXMARK_NOTE, {path: {} for path in PATHS})


def _cases(title: str, subject: str, note: str, goals: dict[str, dict[str, float]]) -> str:
    """Return a section of throughput cases: a plot of both paths, and a table for each."""
    found = {path: measured for path in PATHS if (measured := load(subject, path)) is not None}
    if not found:
        return ""
    names = dict.fromkeys(name for each in found.values() for name in each["measured"])
    groups = []
    written: list[str] = []
    for name in names:
        drawn = [
            case_bar("", case, kind=path, limit=goals[path].get(name))
            for path, each in found.items()
            if (case := each["measured"].get(name)) is not None
        ]
        label = next(each["measured"][name]["title"] for each in found.values() if name in each["measured"])
        groups.append((label, drawn))
    for path, each in found.items():
        written += [machine(each), "", _case_table(each["measured"], goals[path]), ""]
    plot = bars(f"{title}: processor time", "CPU seconds per million records; less is better", groups)
    intro = [note, ""] if note else []
    return "\n".join([f"## {title}", "", *intro, image(subject, plot), "", *written])


def _case_table(cases: dict[str, Any], limits: dict[str, float]) -> str:
    rows = [
        [case["title"], spread(case["cpu_s_per_million"]), *([number(limits.get(name))] if limits else []),
         thousands(case["records_per_core_second"]), thousands(case["records_per_second"]), number(case["start_s"]),
         str(case["rss_mb"]), str(case["longest_pause_ms"]), number(case["others_cores"]), yes(case["right"]),
         when(case)]
        for name, case in cases.items()
    ]  # fmt: skip
    head = ["workload", "CPU s/M", *(["target"] if limits else []), "k/s of a core", "k/s by the clock", "start s",
            "RSS MB", "longest pause ms", "others", "right", "measured"]  # fmt: skip
    return table(head, rows)


def _growth() -> str:
    found = {path: measured for path in PATHS if (measured := load("growth", path)) is not None}
    if not found:
        return ""
    titles = {"keys": "Keys", "columns": "Columns read and written", "aggregates": "Aggregates of one column",
              "batch": "Records in a batch", "partitions": "Partitions (whole job)"}  # fmt: skip
    parts: list[str] = []
    for what, title in titles.items():
        positions = list(dict.fromkeys(place for each in found.values() for place in each["measured"].get(what, {})))
        if not positions:
            continue
        drawn = [
            Line(
                label=path, kind=path, values=[_grown(each["measured"].get(what, {}).get(place)) for place in positions]
            )
            for path, each in found.items()
        ]
        unit = "CPU s per million records" if what == "partitions" else "ns of processor time per record"
        parts.append(image(f"growth-{what}", lines(title, unit, [_brief(place) for place in positions], drawn)))
    rows = [
        [titles[what], place, *(number(_grown(each["measured"].get(what, {}).get(place))) for each in found.values())]
        for what in titles
        for place in dict.fromkeys(place for each in found.values() for place in each["measured"].get(what, {}))
    ]
    machines = [line for each in found.values() for line in (machine(each), "")]
    return "\n".join(["## How the cost grows", "", GROWTH_NOTE, "", *machines, " ".join(parts), "",
                      table(["", "", *found], rows), ""])  # fmt: skip


def _grown(found: dict[str, Any] | None) -> float | None:
    """Return nanoseconds per record of all stages, or processor seconds per million of a whole job."""
    if found is None:
        return None
    if "cpu_s_per_million" in found:
        return float(found["cpu_s_per_million"]["median"])
    return round(sum(value for stage, value in found.items() if stage != "results per record"), 1)


def _brief(place: str) -> str:
    count = int(place)
    for unit, size in ((" M", 1_000_000), (" k", 1_000)):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return place


def _stages() -> str:
    found = {path: measured for path in PATHS if (measured := load("stages", path)) is not None}
    if not found:
        return ""
    places = dict.fromkeys((program, stage) for each in found.values() for program, stages in each["measured"].items()
                           for stage in stages)  # fmt: skip
    rows = [
        [program, stage, *(number(each["measured"].get(program, {}).get(stage)) for each in found.values())]
        for program, stage in places
    ]
    note = (
        "Processor time of the task's own thread in nanoseconds per record of input (of output for *produce*), "
        "records in memory, no broker. What the client's threads do is not in it."
    )
    machines = [line for each in found.values() for line in (machine(each), "")]
    shown = table(["program", "stage", *(f"{path}, ns" for path in found)], rows)
    return "\n".join(["## Stages", "", note, "", *machines, shown, ""])
