"""The generator of the demo makes what it promises: disorder, a hot key, late and malformed events."""

import json
from collections import Counter

import pytest

from streamframe.cli import demo_generator as generator
from streamframe.cli.demo_terms import GRACE_MS, WINDOW_MS
from streamframe.cli.demo_verify import read_input
from tests.cli.test_demo_verify import Stored

NOW = 1_700_000_000_000


@pytest.fixture(scope="module")
def events():
    source = generator.ClickSource(seed=3)
    return [source.draw(NOW) for _ in range(20_000)]


@pytest.fixture(scope="module")
def clicks(events):
    return read_input([Stored(event.value, 0, offset) for offset, event in enumerate(events)]).clicks


def test_equal_seeds_draw_equal_events(events):
    source, other = generator.ClickSource(seed=3), generator.ClickSource(seed=4)
    assert [source.draw(NOW) for _ in range(100)] == events[:100]
    assert [other.draw(NOW) for _ in range(100)] != events[:100]


def test_one_user_makes_a_fifth_of_the_events(events):
    [(user, count)] = Counter(event.user for event in events).most_common(1)
    assert user == generator.HOT_USER
    assert 0.18 < count / len(events) < 0.22


def test_the_key_of_a_readable_event_is_its_user(events, clicks):
    assert [events[offset].user for offset in clicks["offset"]] == clicks["user"].tolist()


def test_events_are_out_of_order_by_a_second_at_most_and_some_are_late_for_certain(clicks):
    age = NOW - clicks["ts"]
    late = age[age > generator.DISORDER_MS]
    assert age.min() >= 0
    assert late.min() > WINDOW_MS + GRACE_MS + generator.DISORDER_MS
    assert 0.003 < len(late) / len(clicks) < 0.007


def test_a_few_events_cannot_be_read_in_several_ways(events):
    malformed = read_input([Stored(event.value) for event in events]).malformed["value"]
    assert 0.001 < len(malformed) / len(events) < 0.003

    def why(value):
        try:
            click = json.loads(value)
        except ValueError:
            return "truncated"
        wrong = [
            name for name, kind in (("user", str), ("amount", float), ("ts", int)) if type(click[name]) is not kind
        ]
        return wrong[0]

    assert {why(value) for value in malformed} == {"truncated", "user", "amount", "ts"}


def test_the_closing_event_is_filtered_and_closes_every_window():
    click = json.loads(generator.closing_event(NOW).value)
    assert click["amount"] == 0
    assert click["ts"] > NOW + WINDOW_MS + GRACE_MS
