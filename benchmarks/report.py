"""``docs/benchmarks.md`` and its plots, from the result files alone: nothing is measured here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.plots import Bar, bars
from benchmarks.results_files import PATHS, load

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "benchmarks.md"
IMAGES = DOCS / "images"

HEAD = """\
# Benchmarks

Generated from the files in `benchmarks/results` by `make bench`; do not edit. `make bench PEERS=1` measures the
peers in the same session. Why the figures are what they are: [performance](performance.md).

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

PEERS_NOTE = """\
Look at the sizes before comparing: where they are smaller than StreamFrame's, a Java peer is still compiling itself in
the difference between them, and looks slower than it is. Figures of sessions with different *others* do not compare."""


def write_report() -> Path:
    """Write the page and its plots; return the page."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    sections = [HEAD, _throughput(), _peers(), _stages()]
    for title, subject, section in (
        ("Workers", "workers", _workers),
        ("Latency", "latency", _latency),
        ("Restore", "restore", _restore),
        ("Memory", "memory", _memory),
        ("Idle and start", "standing", _standing),
    ):
        sections.append(_by_path(title, subject, section))
    PAGE.write_text("\n".join(section for section in sections if section).rstrip() + "\n")
    return PAGE


def _by_path(title: str, subject: str, section: Callable[[dict[str, Any]], list[str]]) -> str:
    """Return a section with what was measured on each data path."""
    lines = []
    for path in PATHS:
        found = load(subject, path)
        if found is not None:
            lines += [_machine(found), "", *section(found["measured"]), ""]
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _throughput() -> str:
    lines: list[str] = []
    drawn: dict[str, list[Bar]] = {}
    for path in PATHS:
        found = load("throughput", path)
        if found is None:
            continue
        limit = "native_target" if path == "native" else "target"
        lines += [_machine(found), "", _case_table(found["measured"], limit), ""]
        for name, case in found["measured"].items():
            bar = _case_bar(f"{case['title']}: {path}", case, limit=case[limit], ours=path == "native")
            drawn.setdefault(name, []).append(bar)
    if not lines:
        return ""
    plot = bars("Processor time; red: the target", "CPU s per million records", list(chain(*drawn.values())))
    return "\n".join(["## Throughput", "", _image("throughput", plot), "", *lines])


def _case_table(cases: dict[str, Any], limit: str) -> str:
    rows = [
        [
            case["title"],
            _spread(case["cpu_s_per_million"]),
            _number(case[limit]),
            f"{case['records_per_core_second'] / 1_000:,.0f}",
            f"{case['records_per_second'] / 1_000:,.0f}",
            str(case["rss_mb"]),
            str(case["longest_pause_ms"]),
            _number(case["others_cores"]),
            _yes(case["right"]),
        ]
        for case in cases.values()
    ]
    head = ["workload", "CPU s/M", "target", "k records/s of a core", "k records/s by the clock", "RSS MB",
            "longest pause ms", "others", "right"]  # fmt: skip
    return _table(head, rows)


def _peers() -> str:
    found = load("peers", "")
    if found is None:
        return ""
    ours = {path: measured for path in PATHS if (measured := load("throughput", path)) is not None}
    lines = ["## Side by side", "", _machine(found), ""]
    names = dict.fromkeys(name for peer in found["measured"].values() for name in peer.get("cases", {}))
    for name in names:
        drawn = [
            _case_bar(f"StreamFrame, {path}", measured["measured"][name])
            for path, measured in reversed(ours.items())
            if name in measured["measured"]
        ]
        for peer in found["measured"].values():
            case = peer.get("cases", {}).get(name)
            if case is not None and "reason" not in case:
                note = "" if case["right"] else ": WRONG RESULTS"
                drawn.append(_case_bar(peer["title"].split(",")[0].split("(")[0] + note, case, ours=False))
        lines += [_image(f"peers-{name}", bars(CASES[name].title, "CPU s per million records", drawn)), ""]
    rows = [row for peer in found["measured"].values() for row in _peer_rows(peer)]
    head = ["peer", "workload", "records", "CPU s/M", "k records/s of a core", "RSS MB", "others", "right"]
    lines += [PEERS_NOTE, "", _table(head, rows), ""]
    return "\n".join(lines)


def _peer_rows(peer: dict[str, Any]) -> list[list[str]]:
    if "reason" in peer:
        return [[peer["title"], *[""] * 6, f"not measured: {peer['reason']}"]]
    rows = []
    for name, case in peer["cases"].items():
        if "reason" in case:
            rows.append([peer["title"], name, *[""] * 5, f"not measured: {case['reason'].splitlines()[0]}"])
            continue
        right = "yes" if case["right"] else _what_is_wrong(case)
        rate = f"{case['records_per_core_second'] / 1_000:,.0f}"
        sizes = " and ".join(f"{records:,}" for records in case["records"])
        cost, others = _spread(case["cpu_s_per_million"]), _number(case["others_cores"])
        rows.append([peer["title"], name, sizes, cost, rate, str(case["rss_mb"]), others, right])
    return rows


def _what_is_wrong(case: dict[str, Any]) -> str:
    verdict = max((run["verdict"] for run in case["runs"]), key=lambda each: each["missing"] + each["wrong"])
    parts = [f"{verdict[name]:,} {name}" for name in ("missing", "unexpected", "doubled", "wrong") if verdict[name]]
    return f"**no**: of {verdict['expected']:,} rows {', '.join(parts)}"


def _stages() -> str:
    found = {path: measured for path in PATHS if (measured := load("stages", path)) is not None}
    if not found:
        return ""
    places = dict.fromkeys((program, stage) for each in found.values() for program, stages in each["measured"].items()
                           for stage in stages)  # fmt: skip
    rows = [
        [program, stage, *(_number(each["measured"].get(program, {}).get(stage)) for each in found.values())]
        for program, stage in places
    ]
    note = (
        "Processor time of the task's own thread in nanoseconds per record of input (of output for *produce*), "
        "records in memory, no broker. What the client's threads do is not in it."
    )
    machines = [line for each in found.values() for line in (_machine(each), "")]
    table = _table(["program", "stage", *(f"{path}, ns" for path in found)], rows)
    return "\n".join(["## Stages", "", note, "", *machines, table, ""])


def _workers(measured: dict[str, Any]) -> list[str]:
    rows = [
        [count, _spread(case["cpu_s_per_million"]), f"{case['records_per_second'] / 1_000:,.0f}", str(case["rss_mb"]),
         _number(case["others_cores"]), _yes(case["right"])]
        for count, case in measured.items()
    ]  # fmt: skip
    head = ["workers", "CPU s/M", "k records/s by the clock", "RSS MB", "others", "right"]
    note = "All workers share core 1: what is seen here is the cost of sharing, not a speed-up."
    return [note, "", _table(head, rows)]


def _latency(measured: dict[str, Any]) -> list[str]:
    head = ["results", "p50 ms", "p90 ms", "p99 ms", "max ms", "commit pause, median ms", "CPU % of a core", "others",
            "right"]  # fmt: skip
    rows = []
    for name, runs in measured.items():
        for run in runs:
            values = [run[key] for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms", "median_pause_ms", "cpu_percent")]
            rows.append([name, *map(_number, values), _number(run["others_cores"]), _yes(run["right"])])
    note = (
        "20 000 records a second, a commit every 100 ms. From the broker's time of appending a record to a "
        "`read_committed` reader seeing the first result that includes it; every record counts. Broker, producer and "
        "reader share core 0."
    )
    return [note, "", _table(head, rows)]


def _restore(measured: dict[str, Any]) -> list[str]:
    head = ["keys", "changelog MB", "restore s", "k rows/s", "running s after start", "longest commit pause ms",
            "RSS MB filling", "others", "right"]  # fmt: skip
    rows = [
        [f"{run['keys']:,}", _number(run["changelog_mb"]), _number(run["restore_s"]),
         f"{run['rows_per_s'] / 1000:,.0f}",
         _number(run["running_after_s"]), _number(run["longest_pause_ms"]), str(run["filling_rss_mb"]),
         _number(run["others_cores"]), _yes(run["right"])]
        for run in measured["runs"]
    ]  # fmt: skip
    note = (
        "A window that stays open is filled with many keys, the state directory is wiped, and the program started "
        "again; its output shows whether everything came back. The longest pause is that of filling."
    )
    return [note, "", _table(head, rows)]


def _memory(measured: dict[str, Any]) -> list[str]:
    head = [
        "`state.memory` MB",
        "live rows",
        "state in memory, peak MB",
        "at the end MB",
        "RSS of the worker MB",
        "CPU s/M",
        "right",
    ]
    rows = [
        [str(run["bound_mb"]), f"{run['rows']:,}", str(run["state_peak_mb"]), str(run["state_end_mb"]),
         str(run["worker_rss_mb"]),
         _number(run["cpu_s_per_million"]), _yes(run["right"])]
        for run in measured["bounds"]
    ]  # fmt: skip
    note = (
        "Windows of a second that stay open for an hour. Cold ones leave memory after a commit, once the local store "
        "has them: the peak is the bound and what changed in up to two commits. A second run closes all of them."
    )
    return [note, "", _table(head, rows)]


def _standing(measured: dict[str, Any]) -> list[str]:
    idle, start = measured["idle"], measured["start"]
    rows = [
        ["idle: worker and supervisor, % of a core", _number(idle["cpu_percent"])],
        ["start to first visible result, s", f"{start['first_output_s']} ({start['low']}-{start['high']})"],
        ["start to assigned tasks, s", _number(start["tasks_assigned_s"])],
    ]
    return [_table(["", ""], rows)]


def _case_bar(label: str, case: dict[str, Any], *, limit: float | None = None, ours: bool = True) -> Bar:
    cost = case["cpu_s_per_million"]
    return Bar(label=label, value=cost["median"], low=cost["low"], high=cost["high"], limit=limit, ours=ours)


def _machine(found: dict[str, Any]) -> str:
    machine = found["machine"]
    packages = ("confluent-kafka", "pandas", "pyarrow", "msgspec", "streamframe-native")
    versions = ", ".join(f"{name} {machine['versions'][name]}" for name in packages)
    return (
        f"{machine['when']}, commit {machine['commit']}, data path **{machine['path']}**; {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}, {versions}, scheduling priority {machine.get('priority', 'normal')}"
    )


def _image(name: str, text: str) -> str:
    (IMAGES / f"{name}.svg").write_text(text)
    return f"![{name}](images/{name}.svg)"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _spread(cost: dict[str, float]) -> str:
    return f"**{cost['median']:.2f}** ({cost['low']:.2f}-{cost['high']:.2f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


def _yes(right: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if right else "**no**"
