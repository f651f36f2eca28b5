"""Reading where partitions begin and end, from whoever leads them at the moment.

A partition whose leader has just moved, or that was created a moment ago, is answered for with an error that passes by
itself. The client hands it through; here it is asked again, for these partitions only, until there is an answer or the
limit is reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.ids import Offset, TopicPartition
from streamframe.kafka.codes import LEADER_CODES, MISSING_TOPIC_CODES
from streamframe.kafka.deadline import Deadline
from streamframe.kafka.errors import as_error, facts_of

NEWS_SECONDS: Final = 2.0
"""How long a broker may take to hear of a topic that was created at another one."""

SLACK_SECONDS: Final = 5.0
"""The client keeps the limit of a request; this much more is waited for its answer to reach us."""

LOOK_SECONDS: Final = 1.0
"""One look for the leaders of a topic; nodes that are away are asked as well."""

PAUSE_SECONDS: Final = 0.05
"""Between two questions for the same partition."""


class OffsetReader:
    """Asks for offsets by a rule: the first, the last, the first of a time.

    Args:
        client: An ``AdminClient``, or what answers ``list_offsets`` and ``list_topics`` as it does.
        timeout: Limit of one reading, seconds.
    """

    def __init__(self, client: Any, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    def ask(
        self, partitions: Sequence[TopicPartition], which: Any, isolation: IsolationLevel, timeout: float | None = None
    ) -> Mapping[TopicPartition, Future[Any]]:
        """Ask without waiting: each future gives an answer with an ``offset``, or raises ``KafkaException``."""
        asked = {ClientPartition(each.topic, each.partition): which for each in partitions}
        limit = self._timeout if timeout is None else timeout
        futures = self._client.list_offsets(asked, isolation_level=isolation, request_timeout=limit)
        return {TopicPartition(each.topic, each.partition): future for each, future in futures.items()}

    def read(
        self, partitions: Sequence[TopicPartition], which: Any, isolation: IsolationLevel
    ) -> dict[TopicPartition, Offset]:
        """Return the offset of each partition; ``-1`` where a time has none.

        Raises:
            Unavailable: A partition has no leader within the limit, or there is no answer at all.
            TopologyMismatch: A partition does not exist.
            ConfigError: Reading is not allowed.
        """
        deadline, news = Deadline(self._timeout), Deadline(min(self._timeout, NEWS_SECONDS))
        found: dict[TopicPartition, Offset] = {}
        open_ones = list(partitions)
        while open_ones:
            # The client refuses a limit of zero, and the last question is worth an answer.
            answers = self.ask(open_ones, which, isolation, max(PAUSE_SECONDS, deadline.remaining()))
            open_ones = []
            for partition, future in answers.items():
                try:
                    found[partition] = Offset(future.result(self._timeout + SLACK_SECONDS).offset)
                except (KafkaException, TimeoutError) as error:
                    if not _passes(error, deadline, news):
                        where = f"{partition.topic}[{partition.partition}]"
                        raise as_error(error, "cannot read offsets", partition=where) from error
                    open_ones.append(partition)
            if open_ones:
                deadline.pause(PAUSE_SECONDS)
                self._find_leaders({each.topic for each in open_ones}, deadline)
        return found

    def _find_leaders(self, topics: Iterable[str], deadline: Deadline) -> None:
        """Let the client learn anew who leads these topics.

        It asks whom it believes to lead a partition, with the epoch that it remembers, and an answer that says
        otherwise does not make it look again before minutes have passed.
        """
        for topic in topics:
            with suppress(KafkaException):
                self._client.list_topics(topic, timeout=min(LOOK_SECONDS, max(PAUSE_SECONDS, deadline.remaining())))


def _passes(error: BaseException, deadline: Deadline, news: Deadline) -> bool:
    """Return whether it is worth asking again."""
    if isinstance(error, TimeoutError):
        return False
    code = facts_of(error).code
    return (code in LEADER_CODES and not deadline.passed) or (code in MISSING_TOPIC_CODES and not news.passed)
