"""Where the input partitions end, asked of the broker now and then, without waiting for the answer.

What the client remembers of an end is that of its last fetch. A worker that cannot keep up has its queues full and
fetches seldom, so just then the remembered end stands still and the lag seems to shrink.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import KafkaException

from streamframe.core.ids import Offset, TopicPartition

ASK_SECONDS: Final = 1.0
"""At most one question in this time, and one at a time."""

AskEnds = Callable[[Sequence[TopicPartition]], Mapping[TopicPartition, "Future[Any]"]]
"""Asks for the last stable offsets; returns at once."""


class EndWatch:
    """The last stable offsets of partitions, as of the last answer.

    Args:
        ask: Asks the broker.
        now: A clock that only goes on, seconds.
    """

    def __init__(self, ask: AskEnds, now: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now = now
        self._asked_at = float("-inf")
        self._answers: Mapping[TopicPartition, Future[Any]] = {}
        self._ends: dict[TopicPartition, Offset] = {}

    def look(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        """Return the ends that are known of these partitions, and ask anew when the last answers are in."""
        wanted = set(partitions)
        if self._answers and all(answer.done() for answer in self._answers.values()):
            for partition, answer in self._answers.items():
                # No answer is no end; the next question is already due.
                with suppress(KafkaException):
                    self._ends[partition] = Offset(answer.result().offset)
            self._answers = {}
        if wanted and not self._answers and self._now() - self._asked_at >= ASK_SECONDS:
            self._asked_at = self._now()
            self._answers = self._ask(sorted(wanted))
        self._ends = {partition: end for partition, end in self._ends.items() if partition in wanted}
        return self._ends
