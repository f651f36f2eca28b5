"""The meta record."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import StoreCorrupted, StoreIncompatible
from streamframe.core.time import MIN_TIME
from streamframe.state.meta import SourceTime, StateMeta

TIME = st.integers(-(2**63), 2**63 - 1)
BUCKETS = st.tuples(TIME, st.integers(0, 65535))
METAS = st.builds(
    StateMeta,
    seq=st.integers(0, 2**63),
    fingerprint=st.binary(min_size=16, max_size=16),
    closed_until=TIME,
    sources=st.lists(
        st.builds(SourceTime, st.text(max_size=9), st.integers(0, 999), TIME, st.booleans()), max_size=4
    ).map(tuple),
    expired_through=st.none() | BUCKETS,
    survivors=st.lists(BUCKETS, max_size=4).map(tuple),
)


@given(METAS)
def test_comes_back_as_it_was(meta):
    assert StateMeta.decode(meta.encode()) == meta


@given(METAS, st.data())
def test_damage_is_noticed(meta, data):
    stored = bytearray(meta.encode())
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(StoreCorrupted, StoreIncompatible):
        assert StateMeta.decode(bytes(stored)) == meta  # padding


@pytest.mark.parametrize("stored", [b"", b"SM", b"nonsense" * 9])
def test_other_bytes_are_refused(stored):
    with pytest.raises(StoreCorrupted):
        StateMeta.decode(stored)


def test_a_later_version_is_incompatible():
    stored = bytearray(StateMeta(fingerprint=bytes(16)).encode())
    stored[2] = 9
    with pytest.raises(StoreIncompatible):
        StateMeta.decode(bytes(stored))


def test_the_bytes_are_the_ones_written_down_for_ever():
    meta = StateMeta(
        seq=3,
        fingerprint=bytes(range(16)),
        closed_until=-1,
        sources=(SourceTime("t", 2, MIN_TIME, True),),
        expired_through=(60, 1),
        survivors=((0, 2),),
    )
    assert meta.encode().hex() == (
        "534d0100f669bc630300000000000000ffffffffffffffff000102030405060708090a0b0c0d0e0f0100000001000000"
        "010000003c0000000000000001000000000000000000020001000200000001000000000000800174"
    )
