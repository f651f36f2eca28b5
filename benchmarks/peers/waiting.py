"""When a peer that runs for ever is done: everything that its group reads has been committed."""

from __future__ import annotations

import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.processes import Measured, Usage
from benchmarks.reading import reader
from benchmarks.throughput import Passed

MARKERS = 2
"""A transaction marker at the end of an internal topic is an offset that nobody commits."""


class Progress:
    """Looks whether a group has reached the end of a topic, and of its internal topics.

    Args:
        bootstrap: The broker.
        group: The consumer group.
        topic: The input.
    """

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._consumer = reader(bootstrap)
        self._group = group
        self._topic = topic
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        self._ends = {number: self._end(topic, number) for number in partitions}

    def records(self) -> int:
        """Return how many records of the input are committed."""
        committed = self._committed()
        return sum(max(0, min(committed.get((self._topic, number), 0), end)) for number, end in self._ends.items())

    def reached(self) -> bool:
        """Whether nothing is left to read."""
        committed = self._committed()
        done = all(committed.get((self._topic, number), -1) >= end for number, end in self._ends.items())
        return done and all(
            offset >= self._end(topic, number) - MARKERS
            for (topic, number), offset in committed.items()
            if topic != self._topic
        )

    def close(self) -> None:
        self._consumer.close()

    def _committed(self) -> dict[tuple[str, int], int]:
        asked = [ConsumerGroupTopicPartitions(self._group)]
        try:
            found = self._admin.list_consumer_group_offsets(asked)[self._group].result(10)
        except KafkaException:
            time.sleep(0.2)
            return {}
        return {(each.topic, each.partition): each.offset for each in found.topic_partitions}

    def _end(self, topic: str, number: int) -> int:
        return self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]


def pass_through(running: Measured, progress: Progress, first: int, limit: float) -> tuple[Passed, Usage]:
    """Wait until a number of records is committed, then until all are; return what was used until then."""
    records = 0

    def has_passed() -> bool:
        nonlocal records
        records = progress.records()
        return records >= first

    usage = running.until(has_passed, limit)
    return Passed(records=records, usage=usage), running.until(progress.reached, limit)
