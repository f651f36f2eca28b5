"""The page from made-up result files: every section, and the verdict on each target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import budget, charts, judgement, report, results_files
from benchmarks.cases import CASES
from benchmarks.nexmark.cases import NEXMARK
from benchmarks.processes import Usage
from benchmarks.stages import WHOLE_JOB
from benchmarks.threads import OF_CLIENT, OTHERS, WORKING
from benchmarks.throughput import Run, summary
from tests.benchmarks.test_figures import RIGHT

MACHINE = {
    "when": "2026-01-01 00:00 UTC", "commit": "abc", "path": "native", "processor": "p", "cores": 2, "memory_gb": 8,
    "system": "Linux", "python": "3.11", "priority": "normal",
    "versions": dict.fromkeys(("confluent-kafka", "pandas", "pyarrow", "msgspec", "streamframe-native"), "1"),
}  # fmt: skip
STAGES = {"decode JSON, find event time": 200.0, "keys to slots, fold": 100.0, "close, emit, encode, seal": 10.0,
          "encode JSON": 50.0, "results per record": 0.3}  # fmt: skip


def case_of(cpu: float, *, right: bool = True) -> dict[str, Any]:
    """A throughput case that costs so many seconds per million records."""
    verdict = RIGHT if right else type(RIGHT)(expected=10, missing=3, unexpected=0, doubled=0, wrong=0)
    runs = [
        Run(
            records=millions * 1_000_000,
            usage=Usage(wall=2.0 + cpu * millions, cpu=1.0 + cpu * millions, rss_mb=240.0, worker_rss_mb=200.0),
            verdict=verdict,
            others=0.0,
            pause_ms=5.0,
        )
        for millions in (1, 4)
    ]
    return summary(CASES["tumbling"], runs)


RESULTS: dict[str, dict[str, Any]] = {
    "throughput-native": {"tumbling": case_of(0.6), "map": case_of(1.2), "changes": case_of(1.0, right=False)},
    "throughput-pure": {"tumbling": case_of(2.0)},
    "nexmark-native": {name: case_of(1.5) for name in NEXMARK},
    "workers-native": {"1": case_of(0.6), "2": case_of(0.62)},
    "growth-native": {
        "keys": {"100": STAGES, "1000000": STAGES},
        "columns": {"1": STAGES},
        "aggregates": {"1": STAGES},
        "batch": {"5000": STAGES},
        "partitions": {"1": case_of(0.6)},
    },
    "metrics-native": {
        "records": 1,
        "rounds": 5,
        "with_cpu_s_per_million": 0.61,
        "without_cpu_s_per_million": 0.6,
        "overhead_percent": 1.7,
        "overhead_low_percent": -1.0,
        "overhead_high_percent": 3.0,
        "scrapes": 9,
        "others_cores": 0.0,
        "right": True,
        "meter": {"batch": 5000, "work_us": 5_000.0, "measuring_us": 50.0, "percent": 1.0},
    },
    "stages-native": {
        "tumbling, 10000 users": STAGES,
        WHOLE_JOB: {WORKING: 500.0, OF_CLIENT: 80.0, OTHERS: 5.0},
    },
    "peers": {
        "kafka-streams": {"title": "Kafka Streams 4.4.0, RocksDB", "cases": {"tumbling": case_of(4.8)}},
        "quix": {
            "title": "Quix Streams",
            "cases": {"tumbling": case_of(60.0, right=False), "map": {"reason": "it is ill"}},
        },
    },
}


@pytest.fixture(autouse=True)
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, measured in RESULTS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"machine": MACHINE, "measured": measured}))
    monkeypatch.setattr(results_files, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(charts, "IMAGES", tmp_path / "images")
    monkeypatch.setattr(budget, "PAGE", tmp_path / "performance.md")
    (tmp_path / "performance.md").write_text(f"# Before\n{budget.BEGIN}\nstale\n{budget.END}\nafter\n")
    return tmp_path / "benchmarks.md"


def test_every_subject_that_was_measured_has_its_section(page: Path) -> None:
    report.write_report()

    text = page.read_text()
    for title in ("How it is judged", "Throughput", "Side by side", "Nexmark", "How the cost grows", "Workers",
                  "What metrics cost", "Stages"):  # fmt: skip
        assert f"\n## {title}\n" in text
    assert "not measured: it is ill" in text
    assert "**no**: of 10 rows 3 missing" in text
    assert {image.stem for image in (page.parent / "images").iterdir()} >= {"nexmark", "growth-keys", "peers-tumbling"}


def test_the_budget_goes_between_its_marks_and_adds_up(page: Path) -> None:
    report.write_report()

    text = (page.parent / "performance.md").read_text()
    assert text.startswith("# Before\n")
    assert text.endswith(f"{budget.END}\nafter\n")
    assert "stale" not in text
    # 80 of the client, 360 of stages, 140 of the loop, 5 of others.
    assert "| the loop | 140 |" in text
    assert "| **all** | **585** |" in text


def test_a_target_is_reached_by_a_right_figure_alone() -> None:
    verdicts = {row[0]: row[-1] for row in judgement.rows()}

    assert verdicts["tumbling per user, CPU s/M"] == "**0.60** ✔✔"
    assert verdicts["filter and map, CPU s/M"] == "1.20 ✘"
    assert verdicts["… per core, times Kafka Streams"] == "**8.0** ✔✔"
    assert verdicts["every change of windows, CPU s/M"] == "not measured"
    assert verdicts["what metrics cost, %"] == "**1.0** ✔"


def test_limits_are_processor_time_whatever_the_target_counts() -> None:
    assert judgement.limits("pure")["pandas-function"] == 4.0
    assert judgement.limits("native")["tumbling"] == 0.95
