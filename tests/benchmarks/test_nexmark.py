"""The Nexmark model and its queries: the published proportions, and each query against its oracle without a broker."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from benchmarks.nexmark import queries, topic
from benchmarks.nexmark.cases import NEXMARK
from benchmarks.nexmark.generator import EVENTS, FIRST_AUCTION, FIRST_PERSON, HOT_EVERY, Nexmark, last_person
from benchmarks.reading import decoded
from streamframe.testing import TopologyTest

MODEL = Nexmark(events=6_000, per_second=100, shuffled=100)
PARTITIONS = 4


@pytest.fixture(scope="module")
def stream() -> tuple[pd.DataFrame, pd.Series, list[tuple[bytes, bytes | None]]]:
    """The events as a frame, their partitions, and as records."""
    numbers = MODEL.numbers()
    events = list(MODEL.records(numbers))
    places = [row if auction is None else auction for row, (_, auction, _) in enumerate(events)]
    partition = pd.Series([topic.partition_of(place, PARTITIONS) for place in places])
    made = [(value.encode(), None if auction is None else str(auction).encode()) for _, auction, value in events]
    frame = topic.frame_of(MODEL, numbers)
    frame["appended"] = frame["dateTime"].cummax() + 5
    return frame, partition, made


@pytest.fixture
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    for name, value in (("APP", "nexmark"), ("BOOTSTRAP", "nowhere:1"), ("INPUT", "events"), ("OUTPUT", "out")):
        monkeypatch.setenv(f"BENCH_{name}", value)
    monkeypatch.setenv("BENCH_PROGRAM", request.param)
    yield importlib.reload(queries).app
    monkeypatch.delenv("BENCH_APP")
    importlib.reload(queries)


@pytest.mark.parametrize(("name", "program"), [(name, name) for name in NEXMARK], indirect=["program"])
def test_a_query_gives_what_its_oracle_says(name: str, program, stream) -> None:
    frame, partition, made = stream
    with TopologyTest(program, partitions={"events": PARTITIONS}) as t:
        for start in range(0, len(made), 1_500):
            part = slice(start, start + 1_500)
            for number in range(PARTITIONS):
                rows = np.flatnonzero(partition[part] == number) + start
                t.send(
                    "events",
                    [made[row][0] for row in rows],
                    key=[made[row][1] for row in rows],
                    partition=number,
                    timestamp=[int(frame["appended"][row]) for row in rows],
                )
        got = decoded([value or b"{}" for value in t.read_records("out")["value"]])

    verdict = NEXMARK[name].oracle(frame, partition, got)
    assert verdict.right, verdict


def test_people_auctions_and_bids_are_1_to_3_to_46_and_bids_are_hot_where_they_should_be() -> None:
    model = Nexmark(events=100_000)
    numbers = model.numbers()
    kinds = numbers % EVENTS
    bids = model.bids(numbers)

    assert sorted(numbers) == list(range(100_000))
    assert [(kinds < 1).sum(), ((kinds >= 1) & (kinds < 4)).sum(), len(bids)] == [2_000, 6_000, 92_000]
    assert ((bids["auction"] - FIRST_AUCTION) % HOT_EVERY == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert ((bids["bidder"] - FIRST_PERSON) % HOT_EVERY == 1).mean() == pytest.approx(0.75, abs=0.02)
    assert bids["channel"].isin(["Google", "Facebook", "Baidu", "Apple"]).mean() == pytest.approx(0.5, abs=0.02)
    # Even over six powers of ten.
    assert np.log10(bids["price"]).mean() == pytest.approx(5.0, abs=0.05)
    assert bids["extra"].str.len().mean() == pytest.approx(68, abs=2)
    assert not (last_person(numbers[bids["place"]]) + FIRST_PERSON + 10 < bids["bidder"]).any()


def test_an_event_depends_on_its_number_and_the_seed_alone() -> None:
    whole = list(Nexmark(events=200).records(np.arange(200)))
    part = list(Nexmark(events=200).records(np.arange(150, 200)))
    other = list(Nexmark(events=200, seed=2).records(np.arange(200)))

    assert whole[150:] == part
    assert whole != other
    kinds = [kind for kind, _, _ in whole[:50]]
    assert [kinds.count(kind) for kind in ("person", "auction", "bid")] == [1, 3, 46]


def test_the_sizes_of_records_are_about_those_of_the_model() -> None:
    lengths: dict[str, list[int]] = {}
    for kind, _, value in Nexmark(events=5_000).records(np.arange(5_000)):
        assert json.loads(value)["kind"] == kind
        lengths.setdefault(kind, []).append(len(value))

    assert 200 < np.mean(lengths["person"]) < 400
    assert 500 < np.mean(lengths["auction"]) < 750
    assert 200 < np.mean(lengths["bid"]) < 350


def test_each_query_is_measured() -> None:
    assert list(NEXMARK) == list(queries.QUERIES)
