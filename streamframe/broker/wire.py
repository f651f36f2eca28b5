"""Four Kafka requests, by hand: is this broker up, and are its coordinators?

The client library would do, but it takes longer to start than the broker: it retries with pauses, while
these ask again every few milliseconds. Only requests whose bytes have not changed since Kafka 2 are used.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, NamedTuple

_METADATA, _FIND_COORDINATOR, _DESCRIBE_GROUPS, _DESCRIBE_TRANSACTIONS = 3, 10, 15, 65
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


def coordinators_ready(port: int) -> bool:
    """Tell whether groups and transactions can be used at once.

    Asking for a coordinator creates its internal topic; then each of its partitions must have been
    loaded by its leader. Without the second part the first transaction waits for a second.
    """
    return all(_group_ready(port, key) and _transaction_ready(port, key) for key in _PROBE_KEYS)


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


def _find_coordinator(port: int, key: str, *, kind: int) -> Coordinator | None:
    body = struct.pack(">h", len(key)) + key.encode() + struct.pack(">b", kind)
    answer = _ask(port, _FIND_COORDINATOR, 1, body)
    if answer is None:
        return None
    try:
        _throttle_ms, error, message_len = struct.unpack_from(">ihh", answer)
        at = 8 + max(0, message_len)
        _node, host_len = struct.unpack_from(">ih", answer, at)
        (found,) = struct.unpack_from(">i", answer, at + 6 + host_len)
    except struct.error:
        return None
    return Coordinator(error, found)


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
