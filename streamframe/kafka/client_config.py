"""Settings become properties of librdkafka: one function per client.

Rules:
    1. What correctness rests on is ``RESERVED``: it cannot be overridden. Everything else can, in the order
       our defaults, ``settings.client``, ``settings.consumer`` or ``settings.producer``.
    2. Properties are never printed as they are: ``masked`` first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from streamframe.core.errors import ConfigError
from streamframe.core.settings import KafkaSettings, Limits
from streamframe.kafka.client_log import ConnectionLog

Properties = dict[str, Any]
Protocol = Literal["consumer", "classic"]

RESERVED: Final = frozenset(
    {
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "partitioner",
        "transactional.id",
    }
)
"""Set by us; exactly-once, restoring and co-partitioning depend on these."""

CLASSIC_ONLY: Final = frozenset({"heartbeat.interval.ms", "partition.assignment.strategy", "session.timeout.ms"})
"""A client of the new group protocol refuses to start with one of these."""

RECORD_BYTES_MAX: Final = 8 << 20
"""Largest record we write. The topic has its own limit; this one only keeps the client from being stricter."""

SOCKET_MS_MIN: Final = 2_000
"""The client wants a second more than the longest wait of a fetch."""

_LOG_LEVEL_DEBUG: Final = 7

_SECRETS: Final = ("password", "secret", "token", "sasl.username", "key.pem", "private", "oauthbearer.config", "jaas")

_RECONNECT: Final[Properties] = {
    # A broker that restarts is back within a second; the default of 10 s would be most of the outage.
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1000,
    "socket.keepalive.enable": True,
    # A new or moved topic is looked for at this pace.
    "topic.metadata.refresh.fast.interval.ms": 100,
}


def group_protocols(settings: KafkaSettings) -> tuple[Protocol, ...]:
    """Return the group protocols to try, in order; ``auto`` tries the new one unless a property forbids it."""
    if settings.group_protocol != "auto":
        return (settings.group_protocol,)
    chosen = settings.client.keys() | settings.consumer.keys()
    return ("classic",) if chosen & CLASSIC_ONLY else ("consumer", "classic")


def client_properties(settings: KafkaSettings, client_id: str) -> Properties:
    """Return what every client has in common.

    Raises:
        ConfigError: A property of the user is one of ``RESERVED``.
    """
    return {
        "bootstrap.servers": settings.bootstrap,
        "client.id": client_id,
        **_RECONNECT,
        # Default 60 s. Calls that ignore the timeout they are given end with the request they wait for.
        "socket.timeout.ms": max(SOCKET_MS_MIN, settings.request_timeout_ms),
        **_checked(settings.client, "client"),
    }


def input_properties(
    settings: KafkaSettings, limits: Limits, *, group: str, member: str, protocol: Protocol, queues: int = 1
) -> Properties:
    """Return the properties of the consumer of input topics.

    Args:
        settings: Connection and group.
        limits: How much may be prefetched.
        group: Id of the consumer group.
        member: Name of this worker, the ``group.instance.id`` under static membership.
        protocol: ``consumer`` (KIP-848) or ``classic``.
        queues: Into how many queues records may be fetched: one for all partitions, or, on the native path, one for
            each partition of the application, which this worker may get all of.
    """
    properties = client_properties(settings, member) | _reading(group)
    properties |= {
        "group.protocol": protocol,
        # A position out of range must never become a silent jump: we always say where to start.
        "auto.offset.reset": "error",
        **_fetching(limits.prefetch_kib, queues),
        # How long an idle fetch waits. The news of a partition's end and the first record after a seek wait
        # for up to two of these.
        "fetch.wait.max.ms": 50,
    }
    if protocol == "consumer":
        properties["group.remote.assignor"] = "range"
    else:
        properties["partition.assignment.strategy"] = "range"
        properties["session.timeout.ms"] = settings.session_timeout_ms
        properties["heartbeat.interval.ms"] = max(100, min(3000, settings.session_timeout_ms // 10))
    if settings.static_membership:
        properties["group.instance.id"] = member
    return {**properties, **_checked(settings.consumer, "consumer")}


def _fetching(prefetch_kib: int, queues: int) -> Properties:
    """Return how much is fetched ahead. The client bounds each queue, so with many each gets less.

    A record that waits takes about 350 bytes beside its own: twelve partitions with 50 000 of 110 bytes each took
    250 MB. What one answer brings of a partition is unpacked at once, whatever is queued: with 1 MiB of compressed
    records of each of four partitions that was 35 MB more than with 256 KiB, at the same speed. A record that is larger
    than a limit comes all the same.
    """
    share = max(1, queues // 4)
    return {
        "queued.min.messages": max(5_000, 20_000 // share),
        "queued.max.messages.kbytes": max(min(512, prefetch_kib), prefetch_kib // share),
        "fetch.message.max.bytes": max(64 << 10, (256 << 10) // share),
    }


def restore_properties(settings: KafkaSettings, *, group: str, member: str) -> Properties:
    """Return the properties of the consumer of changelogs: assigned by us, never a member of a group."""
    properties = client_properties(settings, f"{member}-restore") | _reading(group)
    properties |= {
        "auto.offset.reset": "error",
        "queued.min.messages": 20_000,
        "queued.max.messages.kbytes": 16 * 1024,
        # Most changelogs end in a transaction marker, so a restore ends with the news that there is no more.
        "fetch.wait.max.ms": 10,
    }
    user = _checked(settings.consumer, "consumer")
    return properties | {name: value for name, value in user.items() if name not in CLASSIC_ONLY}


def producer_properties(settings: KafkaSettings, limits: Limits, *, transactional_id: str | None) -> Properties:
    """Return the properties of the producer.

    Args:
        settings: Connection and timeouts.
        limits: How much output may wait.
        transactional_id: Identity for exactly-once; ``None`` makes an idempotent producer.
    """
    properties = client_properties(settings, transactional_id or "producer")
    properties |= {
        "enable.idempotence": True,
        # Java's partitioner, so that equal keys of any producer meet in one partition.
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 5,
        "message.max.bytes": RECORD_BYTES_MAX,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": limits.output_queue_kib,
        # The broker refuses the next transaction while it writes the markers of the last one.
        "retry.backoff.ms": 10,
        "retry.backoff.max.ms": 100,
    }
    if transactional_id is None:
        # Without a transaction nobody would tell us of a record that was not written: make it fatal instead.
        properties["enable.gapless.guarantee"] = True
    else:
        properties["transactional.id"] = transactional_id
        # Nothing is visible before the commit, which waits for no linger: larger requests cost nobody anything.
        properties["linger.ms"] = 25
        properties["transaction.timeout.ms"] = settings.transaction_timeout_ms
        # The client refuses to wait for an answer longer than the transaction may live.
        patience = int(properties["socket.timeout.ms"])
        properties["socket.timeout.ms"] = min(patience, settings.transaction_timeout_ms)
    properties |= _checked(settings.producer, "producer")
    if transactional_id is not None:
        # Whether a connection was lost is only said in debug lines, which nobody else gets to see.
        properties["debug"] = ",".join(filter(None, (properties.get("debug"), ConnectionLog.DEBUG_CONTEXT)))
        properties["log_level"] = _LOG_LEVEL_DEBUG
    return properties


def is_debugging(settings: KafkaSettings) -> bool:
    """Return whether the user wants to see the debug lines of a producer."""
    return "debug" in settings.client or "debug" in settings.producer


def masked(properties: Mapping[str, object]) -> dict[str, str]:
    """Return properties for printing, secrets replaced.

    Example:
        >>> masked({"sasl.password": "hunter2", "linger.ms": 5})
        {'sasl.password': '***', 'linger.ms': '5'}
    """
    return {name: "***" if any(word in name for word in _SECRETS) else str(value) for name, value in properties.items()}


def _reading(group: str) -> Properties:
    return {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        # Default 1000: a partition whose queue was full would wait that long for its next fetch.
        "fetch.queue.backoff.ms": 5,
        "fetch.message.max.bytes": 4 << 20,
        "fetch.error.backoff.ms": 50,
    }


def _checked(properties: Mapping[str, str], where: str) -> Mapping[str, str]:
    reserved = sorted(properties.keys() & RESERVED)
    if reserved:
        raise ConfigError(
            "a client property is set by streamframe and cannot be overridden",
            hint="leave it out; connection and group have settings of their own",
            group=f"kafka.{where}",
            property=reserved[0],
        )
    return properties
