"""How figures are made of runs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import budget, charts, report, results_files
from benchmarks.cases import CASES
from benchmarks.latency import latencies_of
from benchmarks.oracles import Verdict
from benchmarks.plots import Bar, bars
from benchmarks.processes import Usage
from benchmarks.profiling import table
from benchmarks.throughput import Run, summary

RIGHT = Verdict(expected=10, missing=0, unexpected=0, doubled=0, wrong=0)


def run_of(records: int, *, cpu: float, wall: float, verdict: Verdict = RIGHT) -> Run:
    usage = Usage(wall=wall, cpu=cpu, rss_mb=300.0, worker_rss_mb=270.0)
    return Run(records=records, usage=usage, verdict=verdict, others=0.1, pause_ms=20.0)


def test_the_slope_leaves_out_what_starting_costs() -> None:
    pair = [run_of(1_000_000, cpu=3.0, wall=4.0), run_of(4_000_000, cpu=9.0, wall=10.0)]

    found = summary(CASES["tumbling"], pair)

    assert found["cpu_s_per_million"]["median"] == 2.0
    assert found["records_per_core_second"] == 500_000
    assert found["start_s"] == 2.0
    assert found["right"]


def test_one_wrong_run_makes_the_figure_wrong() -> None:
    wrong = Verdict(expected=10, missing=1, unexpected=0, doubled=0, wrong=0)
    pair = [run_of(1, cpu=1.0, wall=1.0), run_of(2, cpu=2.0, wall=2.0, verdict=wrong)]

    assert not summary(CASES["tumbling"], pair)["right"]


def test_each_record_waits_for_the_first_change_that_counts_it() -> None:
    sent = pd.DataFrame({"user": [1, 1, 2, 1], "ts": [0, 1, 2, 3], "appended": [0, 1_000, 2_000, 3_000]})
    seen = pd.DataFrame(
        {
            "user": ["u000001", "u000002", "u000001"],
            "window_start": [0, 0, 0],
            "n": [2, 1, 3],
            "arrival": [50_000, 60_000, 90_000],
        }
    )

    assert latencies_of(sent, seen, "latency-changes").tolist() == [50_000, 49_000, 58_000, 87_000]


def test_a_record_that_never_came_out_is_missing_not_fast() -> None:
    sent = pd.DataFrame({"user": [1, 1], "ts": [0, 1], "appended": [0, 0]})
    seen = pd.DataFrame({"number": [0], "arrival": [5]})

    assert latencies_of(sent, seen, "latency-map").isna().tolist() == [False, True]


def test_a_plot_is_well_formed_and_says_its_values() -> None:
    text = bars(
        "a < b", "s", [("", [Bar(label="x & y", value=2.0, low=1.0, high=3.0, limit=2.5), Bar(label="z", value=0.0)])]
    )

    labels = [element.text for element in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    assert "x & y" in labels
    assert "2" in labels


def test_a_profile_counts_only_the_thread_that_works() -> None:
    collapsed = "main (a.py:1);Driver.run (d.py:2);decode (j.py:3) 30\nwait (threading.py:9) 70\n"

    assert "100.0 %  decode (j.py)" in table(collapsed)
    assert "wait" not in table(collapsed)


def test_the_committed_page_is_what_the_committed_results_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not results_files.subjects():
        pytest.fail("there are no result files: make bench")
    monkeypatch.setattr(report, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(charts, "IMAGES", tmp_path / "images")

    budget_page = tmp_path / "performance.md"
    budget_page.write_text(budget.PAGE.read_text())
    monkeypatch.setattr(budget, "PAGE", budget_page)

    report.write_report()

    committed = charts.DOCS
    assert (tmp_path / "benchmarks.md").read_text() == (committed / "benchmarks.md").read_text()
    assert budget_page.read_text() == (committed / "performance.md").read_text()
    for image in (tmp_path / "images").glob("*.svg"):
        assert image.read_text() == (committed / "images" / image.name).read_text(), image.name
