"""Open addressing: codes to slots."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.state.slot_index import SlotIndex


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=200), max_size=6))
def test_appended_codes_are_found_and_others_are_not(batches):
    index = SlotIndex()
    model: dict[int, int] = {}
    for batch in batches:
        codes = np.array([code for code in batch if code not in model], np.int64)
        model.update(zip(codes.tolist(), index.append(codes).tolist(), strict=True))
        probes = np.array(batch + [code ^ 1 for code in batch], np.int64)
        assert index.lookup(probes).tolist() == [model.get(code, -1) for code in probes.tolist()]
    assert sorted(model.values()) == list(range(len(index)))


@pytest.mark.parametrize("step", [1, 2**20, 2**32, 2**48, 0x9E3779B97F4A7C15 % 2**50])
def test_regular_sequences_of_codes_do_not_cluster(step):
    index = SlotIndex()
    codes = (np.arange(30_000, dtype=np.uint64) * np.uint64(step)).view(np.int64)
    codes = np.unique(codes)
    index.append(codes)
    assert index.lookup(codes).tolist() == list(range(len(codes)))


def test_no_code_leads_to_a_hidden_slot():
    index = SlotIndex()
    assert index.append_hidden(0) == 0
    assert index.lookup(np.array([0])).tolist() == [-1]
    index.append(np.arange(1, 1000))
    assert index.lookup(np.array([0, 1])).tolist() == [-1, 1]


def test_of_two_slots_with_one_code_the_same_is_found_after_growing():
    index = SlotIndex()
    slots = index.append(np.array([5, 5, 7, 5]))
    found = index.lookup(np.array([5]))[0]
    index.hide(np.array([slot for slot in slots[[0, 1, 3]].tolist() if slot != found]))
    index.append(np.arange(100, 5000))
    assert index.lookup(np.array([5, 7])).tolist() == [found, 2]
