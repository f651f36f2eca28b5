"""Each program once to the end of its topics, on a real broker, with two workers: the same as plain pandas."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streamframe.broker.clients import RecordReader, RecordWriter, TopicObserver
from streamframe.testing import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 4
NOW_MS = time.time_ns() // 1_000_000 // 60_000 * 60_000
ROWS = 5_000


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    """A broker of our own: the programs have fixed names of topics."""
    with KafkaBroker() as broker:
        yield broker


class Bench:
    """Topics of a program, and the program run over them."""

    def __init__(self, broker, state_dir):
        self._bootstrap = broker.bootstrap
        self._observer = TopicObserver(broker.bootstrap)
        self._state_dir = state_dir

    def create(self, *topics):
        self._observer.create(topics, partitions=PARTITIONS)

    def write(self, topic, keys, values):
        writer = RecordWriter(self._bootstrap, topic)
        for key, value in zip(keys, values, strict=True):
            writer.write(key, value)
        writer.flush()

    def run(self, program):
        command = [sys.executable, "-m", "streamframe", "run", f"topologies/{program}.py"]
        command += ["-b", self._bootstrap, "--state-dir", str(self._state_dir), "--workers", "2"]
        done = subprocess.run(
            [*command, "--until", "now", "--flush"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr

    def read(self, topic):
        ends = self._observer.end_offsets(topic)
        with RecordReader(self._bootstrap, {topic: len(ends)}) as reader:
            return pd.DataFrame(
                [json.loads(record.value or b"") for record in reader.read_to(topic, ends, seconds_max=30)]
            )


@pytest.fixture
def bench(broker, tmp_path):
    return Bench(broker, tmp_path)


def spread_over(minutes, rng):
    """Event times in order, so that nothing is late."""
    return np.sort(rng.integers(NOW_MS - minutes * 60_000, NOW_MS, ROWS))


def as_json(frame):
    return [json.dumps(row).encode() for row in frame.to_dict("records")]


def assert_same(found, expected, keys):
    columns = list(expected.columns)
    assert not found.empty
    pd.testing.assert_frame_equal(
        found[columns].sort_values(keys, ignore_index=True),
        expected.sort_values(keys, ignore_index=True),
        check_dtype=False,
        rtol=1e-9,
    )


def test_clicks(bench):
    rng = np.random.default_rng(1)
    clicks = pd.DataFrame(
        {
            "user": [f"u{n}" for n in rng.integers(0, 50, ROWS)],
            "page": "/",
            "amount": rng.integers(0, 500, ROWS) / 100,
            "ts": spread_over(5, rng),
        }
    )
    bench.create("clicks", "click-totals", "late-clicks", "clicks-dead-letters")
    bench.write("clicks", clicks["user"], as_json(clicks))
    bench.write("clicks", ["u1"], [b"not json"])
    bench.run("clicks")
    paid = clicks[clicks["amount"] > 0].assign(window_start=lambda df: df["ts"] // 10_000 * 10_000)
    euro = paid.assign(euro=paid["amount"] * 0.92).groupby(["user", "window_start"])["euro"]
    expected = euro.agg(total="sum", n="count").reset_index()
    assert_same(bench.read("click-totals"), expected, ["user", "window_start"])
    assert bench.read("late-clicks").empty


def test_fraud_features(bench):
    rng = np.random.default_rng(2)
    payments = pd.DataFrame(
        {
            "card": [f"c{n}" for n in rng.integers(0, 40, ROWS)],
            "merchant": [f"m{n}" for n in rng.integers(0, 9, ROWS)],
            "country": rng.choice(["DE", "FR"], ROWS, p=[0.95, 0.05]),
            "home_country": "DE",
            "cents": rng.integers(1, 100_000, ROWS),
            "status": rng.choice(["authorised", "declined"], ROWS),
            "at": spread_over(30, rng),
        }
    )
    bench.create("payments", "card-features", "late-payments", "payments-dead-letters")
    bench.write("payments", payments["card"], as_json(payments))
    bench.run("fraud_features")
    counted = payments[payments["status"] == "authorised"]
    minute = counted["at"] // 60_000 * 60_000
    in_windows = pd.concat([counted.assign(window_start=minute - 60_000 * back) for back in range(10)])
    grouped = in_windows.assign(abroad=in_windows["country"] != "DE").groupby(["card", "window_start"])
    expected = grouped.agg(
        payments=("cents", "size"),
        spent=("cents", "sum"),
        largest=("cents", "max"),
        typical=("cents", "mean"),
        spread=("cents", "std"),
        merchants=("merchant", "nunique"),
        countries=("country", "nunique"),
        abroad=("abroad", "any"),
        newest=("at", "max"),
    ).reset_index()
    newest = bench.read("card-features").drop_duplicates(["card", "window_start"], keep="last")
    assert_same(newest, expected, ["card", "window_start"])


def test_vitals(bench):
    rng = np.random.default_rng(3)
    readings = pd.DataFrame(
        {
            "patient": [f"p{n}" for n in rng.integers(0, 30, ROWS)],
            "signal": rng.choice(["heart_rate", "spo2"], ROWS),
            "value": rng.integers(45, 130, ROWS) / 1.0,
            "taken_at": spread_over(10, rng),
        }
    )
    bench.create("readings", "vitals-latest", "vitals-by-minute", "late-readings", "vitals-dead-letters")
    bench.write("readings", readings["patient"], as_json(readings))
    bench.run("vitals")
    plausible = readings[(readings["signal"] != "spo2") | (readings["value"] <= 100)]
    keys = ["patient", "signal"]
    latest = plausible.groupby(keys).agg(
        value=("value", "last"), taken_at=("taken_at", "max"), readings=("value", "size")
    )
    found = bench.read("vitals-latest").drop_duplicates(keys, keep="last")
    assert_same(found, latest.reset_index(), keys)
    by_minute = plausible.assign(window_start=plausible["taken_at"] // 60_000 * 60_000).groupby([*keys, "window_start"])
    expected = by_minute["value"].agg(mean="mean", low="min", high="max", spread="std", readings="size")
    assert_same(bench.read("vitals-by-minute"), expected.reset_index(), [*keys, "window_start"])


def test_wordcount(bench):
    rng = np.random.default_rng(4)
    words = [f"word{n}" for n in range(200)]
    lines = [" ".join(rng.choice(words, 6)) for _ in range(ROWS)]
    bench.create("lines", "word-counts")
    bench.write("lines", [str(number) for number in range(ROWS)], [line.encode() for line in lines])
    bench.run("wordcount")
    newest = bench.read("word-counts").drop_duplicates("word", keep="last")
    assert dict(zip(newest["word"], newest["n"], strict=True)) == Counter(" ".join(lines).split())
