"""Identifiers print as in the field and sort as numbers."""

from streamframe.core.ids import TaskId, TopicPartition


def test_identifiers_print_as_in_kafka_streams() -> None:
    assert str(TopicPartition("clicks", 3)) == "clicks[3]"
    assert str(TaskId(0, 3)) == "0_3"


def test_identifiers_sort_by_number_not_by_text() -> None:
    assert sorted([TaskId(0, 10), TaskId(0, 2)]) == [TaskId(0, 2), TaskId(0, 10)]
    assert sorted([TopicPartition("a", 10), TopicPartition("a", 9)])[0] == TopicPartition("a", 9)
