"""Statistics of librdkafka, cut down to what an operator can use; see its STATISTICS.md.

Asked for with ``telemetry.metrics = "debug"`` only: the client writes them as JSON every few seconds, some tens of
kilobytes when there are many partitions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import libversion

from streamframe.core.time import MICROS_PER_SECOND
from streamframe.engine.snapshot import ClientSnapshot

INTERVAL_MS: Final = 5_000


class ClientStats:
    """The last statistics of each client; ``record(name)`` is its ``stats_cb``. Called from inside ``poll``."""

    def __init__(self) -> None:
        self._latest: dict[str, ClientSnapshot] = {}

    def record(self, client: str) -> Callable[[str], None]:
        """Return the callback of a client."""

        def take(text: str) -> None:
            self._latest[client] = summary(client, json.loads(text))

        return take

    def latest(self) -> tuple[ClientSnapshot, ...]:
        """Return what is known, by name of the client."""
        return tuple(self._latest[name] for name in sorted(self._latest))


def summary(client: str, found: dict[str, Any]) -> ClientSnapshot:
    """Return what matters in the statistics of a client.

    Example:
        >>> brokers = {"b": {"rtt": {"cnt": 2, "avg": 1000}}, "c": {"rtt": {"cnt": 0, "avg": 0}}}
        >>> summary("producer", {"type": "producer", "brokers": brokers, "msg_cnt": 3}).rtt_seconds
        0.001
    """
    windows = [broker["rtt"] for broker in found.get("brokers", {}).values() if broker.get("rtt", {}).get("cnt")]
    answers = sum(window["cnt"] for window in windows)
    partitions = [
        partition for topic in found.get("topics", {}).values() for partition in topic.get("partitions", {}).values()
    ]
    is_producer = found.get("type") == "producer"
    return ClientSnapshot(
        client=client,
        rtt_seconds=(
            sum(window["avg"] * window["cnt"] for window in windows) / answers / MICROS_PER_SECOND if answers else None
        ),
        fetch_queue_bytes=None if is_producer else sum(each.get("fetchq_size", 0) for each in partitions),
        queue_records=found.get("msg_cnt", 0) if is_producer else None,
    )


def client_version() -> str:
    """Return the version of librdkafka."""
    version: str = libversion()[0]
    return version
