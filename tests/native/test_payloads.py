"""Native payloads are a sequence of ``bytes | None`` like any other."""

import numpy as np
import pyarrow as pa
import pytest

from streamframe.core.acceleration import native
from streamframe.core.batch import OutputBatch
from streamframe.serde.json_native import native_payloads

ENTRIES = [b"a", b"", None, b"bcd", None]


@pytest.fixture
def payloads():
    return native.Payloads(ENTRIES)


def test_it_is_the_sequence_it_was_made_of(payloads):
    assert len(payloads) == 5
    assert list(payloads) == ENTRIES
    assert payloads == ENTRIES
    assert payloads != ENTRIES[:-1]
    assert payloads[-2] == b"bcd"
    assert payloads[1:4] == ENTRIES[1:4]
    assert payloads[::-2] == ENTRIES[::-2]
    assert pa.array(payloads, pa.large_binary()).to_pylist() == ENTRIES


def test_there_is_nothing_beyond_its_ends(payloads):
    for row in (5, -6):
        with pytest.raises(IndexError):
            payloads[row]
    with pytest.raises(IndexError):
        payloads.take(np.array([0, 5]))
    with pytest.raises(TypeError):
        payloads["a"]


def test_some_of_it_may_be_taken(payloads):
    assert payloads.take(np.array([3, 3, 2, 0])) == [b"bcd", b"bcd", None, b"a"]


def test_a_column_becomes_payloads():
    column = pa.array([b"x", *ENTRIES], pa.large_binary()).slice(1)
    assert native_payloads(column) == ENTRIES


def test_bounds_outside_of_the_bytes_are_refused():
    with pytest.raises(ValueError, match="bounds"):
        native.Payloads.from_buffers(np.array([0, 9]), np.zeros(3, np.uint8))


def test_the_bytes_of_an_output_are_counted_by_either_path(payloads):
    assert OutputBatch(topic="t", values=payloads).size_bytes == OutputBatch(topic="t", values=ENTRIES).size_bytes == 4
