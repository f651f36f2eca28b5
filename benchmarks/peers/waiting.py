"""When a peer that runs for ever is done: everything that its group reads has been committed."""

from __future__ import annotations

import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.reading import reader

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
