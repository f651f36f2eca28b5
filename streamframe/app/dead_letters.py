"""Dead letters: what was set aside and why, and putting it back where it came from.

A replay writes raw key and raw value to the partition they were read from, with the headers they had. How far it got
is remembered as the offsets of a group of its own, so a letter is replayed once, unless one is asked for again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from streamframe.app.application import App
from streamframe.core.batch import Headers
from streamframe.core.errors import ConfigError
from streamframe.core.ids import Offset, TopicPartition
from streamframe.core.settings import Settings
from streamframe.engine.ports import Bounds, Committed
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.reading import read_first
from streamframe.kafka.writing_back import WholeRecord, write_back

GROUP_SUFFIX: Final = "-dead-letters"
"""Group that remembers what was replayed: application and this."""

_OURS: Final = "sf."


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter.

    Attributes:
        place: The partition of the dead-letter topic that holds it.
        offset: Its offset there.
        topic: Topic it was read from; empty: its columns were written as JSON, there is no raw record.
        partition: Partition it was read from.
        record_offset: Its offset there.
        step: The step that could not use it.
        error: A short word for the reason.
        message: One sentence for people; may quote values.
        key: Raw key.
        value: Raw value.
        headers: Headers that it had.
    """

    place: TopicPartition
    offset: int
    topic: str
    partition: int
    record_offset: int
    step: str
    error: str
    message: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which letters.

    Attributes:
        step: Those of this step; empty: of all.
        error: Those with this reason; empty: with any.
        limit: At most so many; 0: all.
        again: Also those that were replayed already.
    """

    step: str = ""
    error: str = ""
    limit: int = 0
    again: bool = False


class DeadLetters:
    """The dead letters of an app.

    Args:
        app: The app.
        settings: Effective settings.

    Raises:
        ConfigError: The app has no dead-letter topic, or it does not exist.
        Unavailable: The broker does not answer.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        topic = app.plan().dead_letters
        if topic is None:
            raise ConfigError(
                "the program has no dead-letter topic", hint='App(..., dead_letters="topic")', app=app.name
            )
        self._settings = settings
        self._group = app.name + GROUP_SUFFIX
        self._raw_topics = {source.topic for source in app.topology().sources}
        self._admin = TopicAdmin(settings.kafka, ClientLog(logging.getLogger("streamframe.kafka")))
        self._admin.connect()
        found = self._admin.describe([topic])
        if topic not in found:
            raise ConfigError("the dead-letter topic does not exist", hint="streamframe topics create", topic=topic)
        self._places = [TopicPartition(topic, number) for number in range(found[topic].partition_count)]

    def letters(self, choice: Choice) -> Iterator[Letter]:
        """Yield letters, partition by partition, in the order they were written."""
        begins = {} if choice.again else self._admin.committed(self._group)
        bounds = self._admin.bounds(self._places)
        count = 0
        for place in self._places:
            committed = begins.get(place, Committed(Offset(-1))).offset
            begin = max(bounds[place].begin, committed)
            for letter in self._read(place, Bounds(Offset(begin), bounds[place].end)):
                if _chosen(letter, choice):
                    yield letter
                    count += 1
                    if choice.limit and count >= choice.limit:
                        return

    def replay(self, letters: Sequence[Letter], *, remember: bool) -> None:
        """Write letters back, then remember how far this got.

        Args:
            letters: Letters with a raw record.
            remember: All letters up to these are done with; leave it out when some were passed over on purpose.

        Raises:
            Unavailable: Not all of them could be written.
        """
        records = [
            WholeRecord(
                topic=each.topic, partition=each.partition, key=each.key, value=each.value, headers=each.headers
            )
            for each in letters
        ]
        write_back(self._settings.kafka, self._settings.limits, records)
        if remember and letters:
            ends = {each.place: Committed(Offset(each.offset + 1)) for each in letters}
            self._admin.reset(self._group, ends)

    def can_go_back(self, letter: Letter) -> bool:
        """Whether a letter is a raw record of an input topic."""
        return letter.topic in self._raw_topics

    def close(self) -> None:
        """Release the client."""
        self._admin.close()

    def _read(self, place: TopicPartition, bounds: Bounds) -> Iterator[Letter]:
        for batch in read_first(self._settings.kafka, place, bounds):
            rows = zip(batch.keys(), batch.values(), batch.offsets().tolist(), strict=True)
            for row, (key, value, offset) in enumerate(rows):
                if offset < bounds.end:
                    yield _letter(place, offset, key, value, batch.headers(row))


def _chosen(letter: Letter, choice: Choice) -> bool:
    return choice.step in ("", letter.step) and choice.error in ("", letter.error)


def _letter(place: TopicPartition, offset: int, key: bytes | None, value: bytes | None, headers: Headers) -> Letter:
    ours = {name: (text or b"").decode(errors="replace") for name, text in headers if name.startswith(_OURS)}
    return Letter(
        place=place,
        offset=offset,
        topic=ours.get("sf.topic", ""),
        partition=int(ours.get("sf.partition", "0")),
        record_offset=int(ours.get("sf.offset", "0")),
        step=ours.get("sf.step", ""),
        error=ours.get("sf.error", ""),
        message=ours.get("sf.message", ""),
        key=key,
        value=value,
        headers=[(name, text) for name, text in headers if not name.startswith(_OURS)],
    )
