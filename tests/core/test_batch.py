"""Raw records over plain lists."""

import pytest

from streamframe.core.batch import ListBatch, OutputBatch
from streamframe.core.ids import TopicPartition

TP = TopicPartition("t", 0)


def test_columns_that_were_not_given_have_their_defaults() -> None:
    batch = ListBatch(TP, values=[b"a", None, b"ccc"])

    assert batch.keys() == [None, None, None]
    assert batch.offsets().tolist() == [0, 1, 2]
    assert batch.timestamps().tolist() == [-1, -1, -1]
    assert batch.headers(1) == ()
    assert (len(batch), batch.next_offset, batch.size_bytes) == (3, 3, 4)


def test_the_next_offset_lies_behind_the_last_record_also_with_gaps() -> None:
    assert ListBatch(TP, values=[b"a", b"b"], offsets=[5, 9]).next_offset == 10


def test_columns_of_unequal_length_are_a_bug() -> None:
    with pytest.raises(AssertionError):
        ListBatch(TP, values=[b"a", b"b"], keys=[b"k"])


def test_an_output_has_as_many_records_as_values() -> None:
    assert len(OutputBatch(topic="t", values=[b"a", None])) == 2
