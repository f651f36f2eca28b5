"""Much state: restore after losing the disk, the longest pause of the loop, memory with and without a tight bound."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pandas as pd

from benchmarks.events import Event, pauses_of, snapshots
from benchmarks.machine import Neighbours
from benchmarks.oracles import compare, named
from benchmarks.reading import read_rows
from benchmarks.world import InputTopic, World

LIMIT_SECONDS = 300.0
DAY_MS, SECOND_MS = 86_400_000, 1_000


def measure_restore(world: World, records: int, users: str = "many-left") -> dict[str, Any]:
    """Fill a window that stays open, wipe the directory, start again; the output shows whether all came back."""
    source = world.input(users, records)
    name = world.next_name("restore")
    output = world.create(f"out-{name}")
    filling = world.launch(name, telemetry_ms=250)
    with world.engine(name, filling, program="live-state", source=source.topic, output=output) as running:
        filled = running.to_end(LIMIT_SECONDS)
    keys = int(source.frame["user"].nunique())
    pauses = pauses_of(snapshots(filling.events))
    changelog = _changelog_bytes(world, name)
    shutil.rmtree(filling.state)
    emptied = world.launch(name, events=str(world.place / name / "restored.jsonl"), telemetry_ms=50, flush=True)
    neighbours, before = Neighbours(), world.own_cpu()
    with world.engine(name, emptied, program="live-state", source=source.topic, output=output) as running:
        usage = running.to_end(LIMIT_SECONDS)
        started_at = running.started_at
    others = neighbours.cores_taken(world.own_cpu() - before + usage.cpu)
    found = snapshots(emptied.events)
    restoring = [each for each in found if any(task["state"] == "restoring" for task in each["tasks"])]
    ready = next(each for each in found if each["tasks"] and all(task["state"] == "running" for task in each["tasks"]))
    seconds = _restore_seconds(restoring, ready)
    verdict = compare(read_rows(world.bootstrap, output), open_windows(source, DAY_MS), ["user", "window_start"])
    world.drop(output)
    world.drop_application(name)
    return {
        "keys": keys,
        "records": records,
        "changelog_mb": round(changelog / 1e6, 1),
        "restore_s": round(seconds, 2),
        "rows_per_s": round(keys / seconds),
        "running_after_s": round(ready["at"] - started_at, 2),
        "right": verdict.right,
        "filling_cpu_s_per_million": round(filled.cpu / records * 1e6, 2),
        "filling_rss_mb": round(filled.rss_mb),
        "rss_mb": round(usage.rss_mb),
        "others_cores": round(others, 2),
        **pauses,
    }


def measure_memory(world: World, records: int, bounds_mb: tuple[int, ...] = (1024, 16)) -> list[dict[str, Any]]:
    """Run short windows that all stay open, under a wide and a tight bound of memory for state.

    A second run closes them all: what was dropped from memory must come back right.
    """
    source = world.input("uniform", records)
    found = []
    for bound in bounds_mb:
        name = world.next_name("memory")
        output = world.create(f"out-{name}")
        launch = world.launch(name, telemetry_ms=50, state_memory=bound << 20)
        with world.engine(name, launch, program="many-windows", source=source.topic, output=output) as running:
            usage = running.to_end(LIMIT_SECONDS)
        closing = replace(launch, events=str(world.place / name / "closing.jsonl"), flush=True)
        with world.engine(name, closing, program="many-windows", source=source.topic, output=output) as running:
            running.to_end(LIMIT_SECONDS)
        taken = snapshots(launch.events)
        state = [sum(task["state_bytes"] for task in each["tasks"]) / 2**20 for each in taken if each["tasks"]]
        want = open_windows(source, SECOND_MS)
        verdict = compare(read_rows(world.bootstrap, output), want, ["user", "window_start"])
        world.drop(output)
        world.drop_application(name)
        found.append(
            {
                "bound_mb": bound,
                "rows": len(want),
                "state_peak_mb": round(max(state)),
                "state_end_mb": round(state[-1]),
                "worker_rss_mb": round(usage.worker_rss_mb),
                "cpu_s_per_million": round(usage.cpu / records * 1e6, 2),
                "right": verdict.right,
            }
        )
    return found


def open_windows(source: InputTopic, size_ms: int) -> pd.DataFrame:
    """Return the rows of all windows, open ones too; nothing is late with these programs."""
    rows = source.frame.assign(window_start=source.frame["ts"] // size_ms * size_ms, amount=source.frame["cents"] / 100)
    grouped = rows.groupby(["user", "window_start"], sort=True)["amount"]
    return named(grouped.agg(n="count", total="sum", low="min", high="max").reset_index())


def _restore_seconds(restoring: list[Event], ready: Event) -> float:
    """From the first sight of a restore to the first snapshot in which all run; never zero."""
    begun = restoring[0]["at"] if restoring else ready["at"]
    return max(0.05, ready["at"] - begun)


def _changelog_bytes(world: World, application: str) -> int:
    return world.size_of(f"{application}-")
