"""Cells and tables of the page, and the sections that show one table for each data path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def spread(cost: dict[str, float]) -> str:
    """Return a median with the lowest and the highest value."""
    return f"**{cost['median']:.2f}** ({cost['low']:.2f}-{cost['high']:.2f})"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


def thousands(value: float) -> str:
    return f"{value / 1_000:,.0f}"


def yes(right: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if right else "**no**"


def when(case: dict[str, Any]) -> str:
    """Return when a case was measured; files of before have it only once."""
    return str(case.get("measured_at", "")).removesuffix(" UTC")


def machine(found: dict[str, Any]) -> str:
    """Return what the figures of a file were measured on."""
    about = found["machine"]
    packages = ("confluent-kafka", "pandas", "pyarrow", "msgspec", "streamframe-native")
    versions = ", ".join(f"{name} {about['versions'][name]}" for name in packages)
    return (
        f"{about['when']}, commit {about['commit']}, data path **{about['path']}**; {about['processor']}, "
        f"{about['cores']} cores, {about['memory_gb']} GB, {about['system']}, "
        f"Python {about['python']}, {versions}, scheduling priority {about.get('priority', 'normal')}"
    )


def latency(measured: dict[str, Any]) -> list[str]:
    head = ["results", "p50 ms", "p90 ms", "p99 ms", "max ms", "commit pause, median ms", "CPU % of a core", "others",
            "right"]  # fmt: skip
    rows = []
    for name, runs in measured.items():
        for run in runs:
            values = [run[key] for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms", "median_pause_ms", "cpu_percent")]
            rows.append([name, *map(number, values), number(run["others_cores"]), yes(run["right"])])
    note = (
        "20 000 records a second, a commit every 100 ms. From the broker's time of appending a record to a "
        "`read_committed` reader seeing the first result that includes it; every record counts. Broker, producer and "
        "reader share core 0."
    )
    return [note, "", table(head, rows)]


def restore(measured: dict[str, Any]) -> list[str]:
    head = ["keys", "changelog MB", "restore s", "k rows/s", "running s after start", "longest commit pause ms",
            "RSS MB filling", "others", "right"]  # fmt: skip
    rows = [
        [f"{run['keys']:,}", number(run["changelog_mb"]), number(run["restore_s"]),
         f"{run['rows_per_s'] / 1000:,.0f}",
         number(run["running_after_s"]), number(run["longest_pause_ms"]), str(run["filling_rss_mb"]),
         number(run["others_cores"]), yes(run["right"])]
        for run in measured["runs"]
    ]  # fmt: skip
    note = (
        "A window that stays open is filled with many keys, the state directory is wiped, and the program started "
        "again; its output shows whether everything came back. The longest pause is that of filling."
    )
    return [note, "", table(head, rows)]


def memory(measured: dict[str, Any]) -> list[str]:
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
         number(run["cpu_s_per_million"]), yes(run["right"])]
        for run in measured["bounds"]
    ]  # fmt: skip
    note = (
        "Windows of a second that stay open for an hour. Cold ones leave memory after a commit, once the local store "
        "has them: the peak is the bound and what changed in up to two commits. A second run closes all of them."
    )
    return [note, "", table(head, rows)]


def large_state(measured: dict[str, Any]) -> list[str]:
    head = ["live rows", "k records/s by the clock", "RSS MB", "state in memory MB", "longest stall of a commit ms"]
    rows = [
        [f"{point['rows']:,}", thousands(point["records_per_second"]), str(point["rss_mb"]), str(point["state_mb"]),
         number(point["longest_pause_ms"])]
        for point in measured["points"]
    ]  # fmt: skip
    note = (
        "Every record makes a new row; windows of ten seconds with 200 000 users each stay open for a day, with "
        f"`state.memory` at {measured['bound_mb']} MiB. Each line is the stretch from the number of rows above it. "
        f"{measured['cpu_s_per_million']} CPU seconds per million records; the changelog, {measured['changelog_mb']:,} "
        f"MB, was read back and counted: {'right' if measured['right'] else '**wrong**'}."
    )
    return [note, "", table(head, rows)]


def standing(measured: dict[str, Any]) -> list[str]:
    idle, start = measured["idle"], measured["start"]
    many = measured.get("idle_many_partitions")
    rows = [
        ["idle: worker and supervisor, % of a core", number(idle["cpu_percent"])],
        *([[f"… with {many['partitions']} partitions", number(many["cpu_percent"])]] if many else []),
        ["start to first visible result, s", f"{start['first_output_s']} ({start['low']}-{start['high']})"],
        ["start to assigned tasks, s", number(start["tasks_assigned_s"])],
    ]
    return [table(["", ""], rows)]


def workers(measured: dict[str, Any]) -> list[str]:
    first = next(iter(measured.values()))["cpu_s_per_million"]["median"]
    rows = [
        [count, spread(case["cpu_s_per_million"]), f"{case['cpu_s_per_million']['median'] / first:.2f}",
         thousands(case["records_per_second"]), str(case["rss_mb"]), number(case["others_cores"]), yes(case["right"])]
        for count, case in measured.items()
    ]  # fmt: skip
    head = ["workers", "CPU s/M", "times one", "k records/s by the clock", "RSS MB", "others", "right"]
    note = (
        "All workers share core 1, the machine has no more: what is seen here is what sharing costs, not a speed-up. "
        "Where the processor time of a record stays the same, more cores give as much more."
    )
    return [note, "", table(head, rows)]


def metrics(measured: dict[str, Any]) -> list[str]:
    meter = measured["meter"]
    rows = [
        ["calls of the meter, beside the work on the same batch, median", f"**{meter['percent']} %** "
         f"({meter['measuring_us']} of {meter['work_us']} µs, batches of {meter['batch']:,})"],
        ["whole job, with: snapshots every second, page and metrics served, scraped every second, CPU s/M",
         number(measured["with_cpu_s_per_million"])],
        ["whole job, without: no page, no snapshots, CPU s/M", number(measured["without_cpu_s_per_million"])],
        [f"difference of {measured['rounds']} alternating pairs, median (lowest, highest)",
         f"**{measured['overhead_percent']} %** ({measured['overhead_low_percent']}, "
         f"{measured['overhead_high_percent']})"],
        ["scrapes answered; others; right",
         f"{measured['scrapes']}; {number(measured['others_cores'])}; {yes(measured['right'])}"],
    ]  # fmt: skip
    note = (
        "Target: below 3 %. Counters that the engine needs to work run in both. Two equal runs on a shared machine "
        "differ by more than metrics cost, so the calls are also measured by themselves, without a broker."
    )
    return [note, "", table(["", ""], rows)]
