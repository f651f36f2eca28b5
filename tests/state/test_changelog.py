"""Changelog records and the local position."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import StoreCorrupted, StoreIncompatible
from streamframe.state.changelog import LocalPosition, apply_records
from streamframe.state.memory import MemoryStore

RECORDS = st.lists(st.tuples(st.binary(max_size=1), st.none() | st.binary(max_size=2)), max_size=20)


@given(RECORDS, st.integers(0, 20))
def test_cutting_the_records_elsewhere_changes_nothing(records, cut):
    whole, parts = MemoryStore(), MemoryStore()
    whole.write(apply_records(records))
    parts.write(apply_records(records[:cut]))
    parts.write(apply_records(records[cut:]))
    assert whole.content() == parts.content()


@given(st.none() | st.binary(min_size=16, max_size=16), st.integers(-1, 2**63 - 1))
def test_a_position_comes_back(topic_id, offset):
    position = LocalPosition(topic_id, offset)
    assert LocalPosition.decode(position.encode()) == position


def test_a_position_of_another_format_is_refused():
    stored = LocalPosition(None, 5).encode()
    with pytest.raises(StoreIncompatible):
        LocalPosition.decode(b"\2" + stored[1:])
    with pytest.raises(StoreCorrupted):
        LocalPosition.decode(stored[:-1])
