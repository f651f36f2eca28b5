"""The section of the page that compares with peers."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import CASES
from benchmarks.charts import case_bar, image
from benchmarks.plots import bars
from benchmarks.results_files import PATHS, load
from benchmarks.tables import machine, number, spread, table, thousands, when

PEERS_NOTE = """\
Each peer as somebody would set it up who knows it: [Kafka Streams](../benchmarks/peers/java/StreamsPeer.java) with
exactly_once_v2, a cache and final results by `suppress`; [Flink SQL](../benchmarks/peers/java/FlinkPeer.java) with
exactly-once checkpoints, one watermark per partition and mini batches; [Quix](../benchmarks/peers/scripts/quix_peer.py)
and [Faust](../benchmarks/peers/scripts/faust_peer.py) with their exactly-once settings; and the
[loop](../benchmarks/peers/hand_loop.py) that one writes by hand, which forgets its state when it ends. All of them
commit once a second and are judged by the same oracles. They run for ever, so the slope is taken while one run passes:
from its commit at or after the smaller size to that of the last record. Java peers get large sizes and have compiled
themselves by then; slow peers get smaller ones. *Start* is the time until then less what the records took. There is no
ratio where one of the two was measured while others were busy and the other was not."""

LIKE_CORES_MAX = 0.5
"""Two measurements are alike when what others took of the machine differs by no more."""


def side_by_side() -> str:
    """Return the section, or nothing when no peer was measured."""
    found = load("peers", "")
    if found is None:
        return ""
    ours = {path: measured["measured"] for path in reversed(PATHS) if (measured := load("throughput", path))}
    groups = []
    for name in (name for name in CASES if any(name in peer.get("cases", {}) for peer in found["measured"].values())):
        drawn = [
            case_bar(f"StreamFrame, {path}", cases[name], kind=path) for path, cases in ours.items() if name in cases
        ]
        for peer in found["measured"].values():
            case = peer.get("cases", {}).get(name)
            if case is not None and "reason" not in case:
                label = f"{peer['title'].split(' (')[0]}{'' if case['right'] else ': WRONG RESULTS'}"
                drawn.append(case_bar(label, case, kind="peer"))
        if any(bar.kind == "peer" for bar in drawn):
            groups.append((name, drawn))
    # Those that need a hundred times as much would make all others too short to be seen.
    plots = []
    for name, drawn in groups:
        shortest = min((bar.value for bar in drawn if bar.kind == "peer"), default=0.0)
        kept = [bar for bar in drawn if bar.value <= 12 * shortest]
        left = [f"{bar.label} {bar.value:,.0f}" for bar in drawn if bar not in kept]
        unit = "CPU seconds per million records; less is better" + (f"; not drawn: {', '.join(left)}" if left else "")
        plots += [image(f"peers-{name}", bars(CASES[name].title, unit, [("", kept)])), ""]
    rows = [
        row for name in CASES for peer in found["measured"].values()
        if (row := _peer_row(name, peer, ours)) is not None
    ]  # fmt: skip
    head = ["workload", "peer", "records", "CPU s/M", "× of native", "× of pure", "k/s of a core", "RSS MB",
            "start s", "others", "right", "measured"]  # fmt: skip
    return "\n".join(["## Side by side", "", PEERS_NOTE, "", machine(found), "", *plots, table(head, rows), ""])


def _peer_row(name: str, peer: dict[str, Any], ours: dict[str, Any]) -> list[str] | None:
    case = peer.get("cases", {}).get(name)
    if case is None:
        return None
    if "reason" in case:
        return [name, peer["title"], *[""] * 8, f"not measured: {case['reason'].splitlines()[0]}", ""]
    times = [_times(case, ours.get(path, {}).get(name)) for path in ("native", "pure")]
    sizes = " and ".join(f"{records:,}" for records in case["records"])
    right = "yes" if case["right"] else _what_is_wrong(case)
    return [name, peer["title"], sizes, spread(case["cpu_s_per_million"]), *times,
            thousands(case["records_per_core_second"]), str(case["rss_mb"]), number(case["start_s"]),
            number(case["others_cores"]), right, when(case)]  # fmt: skip


def _times(peer: dict[str, Any], case: dict[str, Any] | None) -> str:
    """Return how many times as much a peer needs; nothing where only one of the two had to share the machine."""
    if case is None or abs(peer["others_cores"] - case["others_cores"]) > LIKE_CORES_MAX:
        return ""
    return f"{peer['cpu_s_per_million']['median'] / case['cpu_s_per_million']['median']:.1f}"


def _what_is_wrong(case: dict[str, Any]) -> str:
    verdict = max((run["verdict"] for run in case["runs"]), key=lambda each: each["missing"] + each["wrong"])
    parts = [f"{verdict[name]:,} {name}" for name in ("missing", "unexpected", "doubled", "wrong") if verdict[name]]
    return f"**no**: of {verdict['expected']:,} rows {', '.join(parts)}"
