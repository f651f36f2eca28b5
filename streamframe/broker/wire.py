"""Five Kafka requests, by hand: is this broker up, are its coordinators, are its replicas?

The client library would do, but it takes longer to start than the broker: it retries with pauses, while
these ask again every few milliseconds. Only requests whose bytes have not changed since Kafka 2 are used.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

_METADATA, _FIND_COORDINATOR, _DESCRIBE_GROUPS, _INIT_PRODUCER, _DESCRIBE_TRANSACTIONS = 3, 10, 15, 22, 65
_TIMEOUT_SECONDS = 5.0
_LOADING_ERRORS: Final = frozenset({14, 15, 16})  # load in progress, not available, not coordinator

# One key for each of four partitions: Kafka takes the Java hash of the key, and that of a
# one-letter string is the letter.
_PROBE_KEYS: Final = ("a", "b", "c", "d")


class Coordinator(NamedTuple):
    """Answer to "who coordinates this key?"."""

    error: int
    port: int


def broker_count(port: int) -> int:
    """Return how many live brokers the broker on this port knows; 0 when it does not answer."""
    answer = _ask(port, _METADATA, 1, struct.pack(">i", 0))
    return struct.unpack_from(">i", answer)[0] if answer is not None and len(answer) >= 4 else 0


def are_replicas_in_sync(port: int, nodes: Collection[int]) -> bool:
    """Tell whether every partition has a leader, and each replica on one of these nodes follows it."""
    answer = _ask(port, _METADATA, 1, struct.pack(">i", -1))
    if answer is None:
        return False
    try:
        return all(
            leader >= 0 and set(replicas) & set(nodes) <= set(in_sync)
            for leader, replicas, in_sync in _partitions(_Reader(answer))
        )
    except struct.error:
        return False


def _partitions(reader: _Reader) -> Iterator[tuple[int, list[int], list[int]]]:
    """Read a metadata answer (version 1): leader, replicas and in-sync replicas of each partition."""
    for _broker in range(reader.number(">i")):
        reader.number(">i")  # node
        reader.string()  # host
        reader.number(">i")  # port
        reader.string()  # rack
    reader.number(">i")  # controller
    for _topic in range(reader.number(">i")):
        reader.number(">h")  # error
        reader.string()  # name
        reader.number(">b")  # is internal
        for _partition in range(reader.number(">i")):
            reader.number(">h")  # error
            reader.number(">i")  # partition
            leader = reader.number(">i")
            replicas = [reader.number(">i") for _ in range(reader.number(">i"))]
            in_sync = [reader.number(">i") for _ in range(reader.number(">i"))]
            yield leader, replicas, in_sync


class _Reader:
    """Walks through the bytes of an answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer, self._at = answer, 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from(kind, self._answer, self._at)
        self._at += struct.calcsize(kind)
        return int(value)

    def string(self) -> None:
        """Skip a string; -1 is the length of none."""
        length = self.number(">h")
        self._at += max(0, length)


def coordinators_ready(port: int) -> bool:
    """Tell whether groups and transactions can be used at once, through this broker.

    Asking for a coordinator creates its internal topic; then each of its partitions must have been loaded
    by its leader, and this broker must have numbers for new producers. Otherwise the client library finds
    out by itself, and tries again after half a second.
    """
    return all(_group_ready(port, key) and _transaction_ready(port, key) for key in _PROBE_KEYS) and (
        _has_producer_ids(port)
    )


def _group_ready(port: int, key: str) -> bool:
    coordinator = _find_coordinator(port, key, kind=0)
    if coordinator is None or coordinator.error:
        return False
    name = struct.pack(">h", len(key)) + key.encode()
    answer = _ask(coordinator.port, _DESCRIBE_GROUPS, 0, struct.pack(">i", 1) + name)
    if answer is None or len(answer) < 6:
        return False
    return struct.unpack_from(">ih", answer)[1] not in _LOADING_ERRORS


def _transaction_ready(port: int, key: str) -> bool:
    coordinator = _find_coordinator(port, key, kind=1)
    if coordinator is None or coordinator.error:
        return False
    # The "flexible" encoding: lengths are one more than they are, and tagged fields (none) follow everything.
    body = bytes([2, len(key) + 1]) + key.encode() + b"\0"
    answer = _ask(coordinator.port, _DESCRIBE_TRANSACTIONS, 0, body, flexible=True)
    if answer is None or len(answer) < 8:
        return False
    _tags, _throttle_ms, _states, error = struct.unpack_from(">bibh", answer)
    return error not in _LOADING_ERRORS


def _has_producer_ids(port: int) -> bool:
    # Of an idempotent producer without transactions, which leaves nothing behind but a used number.
    answer = _ask(port, _INIT_PRODUCER, 0, struct.pack(">hi", -1, 1000))
    return answer is not None and len(answer) >= 6 and struct.unpack_from(">ih", answer)[1] == 0


def _find_coordinator(port: int, key: str, *, kind: int) -> Coordinator | None:
    body = struct.pack(">h", len(key)) + key.encode() + struct.pack(">b", kind)
    answer = _ask(port, _FIND_COORDINATOR, 1, body)
    if answer is None:
        return None
    reader = _Reader(answer)
    try:
        reader.number(">i")  # throttle
        error = reader.number(">h")
        reader.string()  # message
        reader.number(">i")  # node
        reader.string()  # host
        return Coordinator(error, reader.number(">i"))
    except struct.error:
        return None


def _ask(port: int, api: int, version: int, body: bytes, *, flexible: bool = False) -> bytes | None:
    """Send one request and return the answer after its correlation id; ``None`` when there was none."""
    request = struct.pack(">hhih", api, version, 1, -1) + (b"\0" if flexible else b"") + body
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) as connection:
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = connection.recv(8, socket.MSG_WAITALL)
            if len(head) < 8:
                return None
            size = struct.unpack(">i", head[:4])[0] - 4
            return connection.recv(size, socket.MSG_WAITALL)
    except OSError:
        return None
