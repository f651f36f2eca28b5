"""What the driver measures, with a clock that is set by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.batch import ListBatch, OutputBatch
from streamframe.core.histogram import BatchHistogram
from streamframe.core.ids import TopicPartition
from streamframe.core.metric_catalogue import LATENCY_EDGES
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.positions import CommitRequest
from streamframe.runtime.meter import SAMPLE, Meter

CLICKS = TopicPartition("clicks", 0)
LOG = TopicPartition("app-totals-changelog", 0)


class Hand:
    def __init__(self) -> None:
        self.time = 1_000_000

    def now(self) -> int:
        return self.time


@pytest.fixture
def hand() -> Hand:
    return Hand()


def records(count: int, *, at_ms: int = 500) -> ListBatch:
    return ListBatch(CLICKS, values=[b"four"] * count, timestamps=[at_ms] * count)


def commit(meter: Meter, changelog: dict | None = None, *, since: int = 1_000_000) -> None:
    meter.committed(cmd.Commit(sequence=1, request=CommitRequest(offsets={}, changelog=changelog or {})), 7_000)
    meter.went_on(since)


def test_every_moment_belongs_to_one_phase(hand):
    meter = Meter(hand.now)
    meter.enter("poll")
    hand.time += 30
    inside = meter.enter("commit")
    hand.time += 5
    meter.enter(inside)
    hand.time += 1
    meter.polled(idle=False)
    hand.time += 4

    loop = meter.measured().loop

    assert {name: micros for name, micros in loop.items() if micros} == {"poll": 31, "commit": 5, "other": 4}
    assert sum(loop.values()) == hand.time - 1_000_000


def test_a_poll_that_brings_nothing_is_idling(hand):
    meter = Meter(hand.now)
    meter.enter("poll")
    hand.time += 50_000
    meter.polled(idle=True)

    assert meter.measured().loop["idle"] == 50_000
    assert meter.measured().loop["poll"] == 0


def test_a_poll_that_waits_for_its_records_works_only_as_long_as_it_has_the_processor(hand):
    processor = Hand()
    meter = Meter(hand.now, worked=processor.now)
    meter.enter("poll")
    hand.time += 900
    processor.time += 100
    inside = meter.enter("commit")
    hand.time += 50
    processor.time += 50
    meter.enter(inside)
    hand.time += 1_000
    processor.time += 300
    meter.polled(idle=False)

    assert {name: micros for name, micros in meter.measured().loop.items() if micros} == {
        "poll": 400,
        "commit": 50,
        "idle": 1_500,
    }


def test_the_clock_of_the_processor_never_takes_more_than_has_passed(hand):
    processor = Hand()
    meter = Meter(hand.now, worked=processor.now)
    meter.enter("poll")
    hand.time += 100
    processor.time += 101
    meter.polled(idle=False)

    assert meter.measured().loop["poll"] == 100
    assert meter.measured().loop["idle"] == 0


def test_idling_is_progress(hand):
    meter = Meter(hand.now)
    hand.time += 10
    meter.turned(settled=True)

    assert meter.measured().progress_at == hand.time


def test_latency_runs_from_the_timestamp_to_the_commit_and_counts_each_record(hand):
    meter = Meter(hand.now)
    meter.processed(records(1_000, at_ms=500), duration=10)
    assert "end_to_end_latency_seconds:clicks" not in meter.measured().histograms
    hand.time = 900_000

    commit(meter)

    latency = meter.measured().histograms["end_to_end_latency_seconds:clicks"]
    assert sum(latency.counts) == 1_000
    assert latency.counts[LATENCY_EDGES.index(0.5)] == 1_000
    assert latency.total == pytest.approx(400.0)


def test_what_is_rolled_back_is_not_counted_as_latency(hand):
    meter = Meter(hand.now)
    meter.processed(records(10), duration=10)
    meter.rolled_back()
    commit(meter)

    assert "end_to_end_latency_seconds:clicks" not in meter.measured().histograms
    assert meter.measured().commits[-1].records == 0


@given(st.integers(1, 10_000))
def test_a_sample_stands_for_every_record_of_its_batch(count):
    meter = Meter(lambda: 0)
    meter.processed(records(count), duration=0)
    waiting = meter._waiting["clicks"]

    assert waiting.weights[0].sum() == count
    assert len(waiting.times[0]) == min(SAMPLE, count)


def test_records_without_a_timestamp_have_no_latency(hand):
    meter = Meter(hand.now)
    meter.processed(ListBatch(CLICKS, values=[b"x"] * 5), duration=1)
    commit(meter)

    assert meter.record_times == {}
    assert sum(meter.measured().histograms["end_to_end_latency_seconds:clicks"].counts) == 0


def test_the_age_of_a_partition_is_that_of_its_last_record_and_goes_with_it(hand):
    meter = Meter(hand.now)
    meter.processed(ListBatch(CLICKS, values=[b"x"] * 200, timestamps=range(200)), duration=1)
    assert meter.record_times == {CLICKS: 199_000}

    meter.forget([CLICKS])
    assert meter.record_times == {}


def test_what_passes_is_counted_in_records_and_bytes(hand):
    meter = Meter(hand.now)
    meter.processed(records(3), duration=1)
    meter.produced(OutputBatch(topic="out", values=[b"ab", None, b"cd"]))
    commit(meter, {LOG: [(b"k", b"v"), (b"k2", None)]})

    measured = meter.measured()
    assert measured.consumed == {"clicks": (3, 12)}
    assert measured.produced == {"out": (3, 4)}
    assert measured.changelog == {"app-totals-changelog": 2}
    assert sum(measured.histograms["commit_duration_seconds"].counts) == 1


def test_a_commit_has_stalled_the_loop_from_its_decision_until_the_loop_went_on(hand):
    meter = Meter(hand.now)
    hand.time += 90_000
    commit(meter, since=hand.time - 40_000)
    meter.went_on(since=hand.time - 1_000)

    assert [each.stalled for each in meter.measured().commits] == [40_000], "what follows is no commit"
    assert meter.measured().histograms["commit_stall_seconds"].total == 0.04


def test_a_dead_letter_is_remembered_by_its_place_and_not_by_its_content(hand):
    meter = Meter(hand.now, dead_letters="letters")
    headers = [("sf.topic", b"clicks"), ("sf.partition", b"2"), ("sf.offset", b"77"), ("sf.error", b"json"),
               ("sf.message", b"secret value")]  # fmt: skip
    meter.produced(OutputBatch(topic="letters", values=[b"secret"], headers=[headers], step="clicks"))

    (letter,) = meter.measured().dead_letters
    assert (letter.step, letter.topic, letter.partition, letter.offset) == ("clicks", "clicks", "2", "77")
    assert "secret" not in repr(letter)


def test_a_restore_lasts_until_every_task_processes(hand):
    meter = Meter(hand.now)
    meter.rebalanced(ev.PartitionsAssigned(partitions=(CLICKS,)))
    hand.time += 1_000_000
    meter.turned(settled=False)
    hand.time += 2_000_000
    meter.turned(settled=True)
    meter.turned(settled=True)

    histograms = meter.measured().histograms
    assert histograms["restore_duration_seconds"].total == 2.0
    assert histograms["rebalance_duration_seconds"].total == 3.0
    assert sum(histograms["rebalance_duration_seconds"].counts) == 1


@given(st.lists(st.floats(0, 100), max_size=50))
def test_a_batch_histogram_equals_one_observation_at_a_time(values):
    edges = (0.5, 1.0, 50.0)
    histogram = BatchHistogram(edges)
    histogram.observe(np.array(values))
    one_by_one = BatchHistogram(edges)
    for value in values:
        one_by_one.count(value)

    assert one_by_one.snapshot().counts == histogram.snapshot().counts
    expected = [0] * 4
    for value in values:
        expected[next((number for number, edge in enumerate(edges) if value <= edge), 3)] += 1
    assert list(histogram.snapshot().counts) == expected
