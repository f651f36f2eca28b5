"""How far a program is behind, asked of the broker: works wherever the workers are, and when there are none."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from streamframe.app.application import App
from streamframe.core.errors import TopologyMismatch
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import Settings
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog


@dataclass(frozen=True, slots=True, kw_only=True)
class LagRow:
    """One input partition.

    Attributes:
        topic: Its topic.
        partition: Its number.
        committed: The next offset that counts; ``None``: nothing was committed yet.
        end: The last stable offset: what can be read.
        lag: Offsets between the two; from the first record when nothing was committed.
        member: Client id of the worker that has it; empty: nobody.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int
    member: str


def group_lag(app: App, settings: Settings) -> list[LagRow]:
    """Return a row per input partition.

    Raises:
        TopologyMismatch: An input topic does not exist.
        Unavailable: The broker does not answer.
    """
    admin = TopicAdmin(settings.kafka, ClientLog(logging.getLogger("streamframe.kafka")))
    admin.connect()
    try:
        return _rows(app, admin)
    finally:
        admin.close()


def _rows(app: App, admin: TopicAdmin) -> list[LagRow]:
    topics = list(dict.fromkeys(topic for sub in app.topology().sub_topologies for topic in sub.topics))
    found = admin.describe(topics)
    missing = [topic for topic in topics if topic not in found]
    if missing:
        raise TopologyMismatch("input topics do not exist", hint="streamframe topics create", topics=", ".join(missing))
    places = [TopicPartition(topic, number) for topic in topics for number in range(found[topic].partition_count)]
    bounds = admin.bounds(places)
    committed = admin.committed(app.name)
    owner = {place: member.client_id for member in admin.group(app.name).members for place in member.partitions}
    rows = []
    for place in places:
        at = committed[place].offset if place in committed else -1
        begin = bounds[place].begin if at < 0 else at
        rows.append(
            LagRow(
                topic=place.topic,
                partition=place.partition,
                committed=None if at < 0 else int(at),
                end=int(bounds[place].end),
                lag=max(0, int(bounds[place].end) - int(begin)),
                member=owner.get(place, ""),
            )
        )
    return rows
