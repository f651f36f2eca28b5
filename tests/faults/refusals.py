"""Answers of a broker that did nothing: made up from the request, for every api that can be disturbed.

What a request names (topics, partitions) its refusal must name too, so a request is walked over. Versions are those
that the client under test speaks; for any other one there is no refusal, and the request goes through.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from tests.faults.wire import APIS, Api, Code, Head, Walk, is_flexible

_HEARTBEAT_MS: Final = 5_000


def _body_of(request: bytes, *, flexible: bool) -> Walk:
    """Return a walk that stands behind the head of a request; the name of the client is never compact."""
    head = Walk(request, 8, flexible=False)
    head.name()
    walk = Walk(request, head.at, flexible=flexible)
    walk.skip_tags()
    return walk


def refusal(head: Head, request: bytes, code: Code) -> bytes | None:
    """Return the answer of a broker that did nothing; ``None`` where it is not known how that looks."""
    body = _BODIES.get((Api(head.api), head.version)) if head.api in APIS else None
    if body is None:
        return None
    flexible = is_flexible(head)
    try:
        answer = body(_body_of(request, flexible=flexible), code)
    except (struct.error, IndexError):
        return None
    return struct.pack(">i", head.correlation) + (b"\0" if flexible else b"") + answer


def _code_alone(_request: Walk, code: Code) -> bytes:
    return struct.pack(">ih", 0, code)


def _init_producer_id(_request: Walk, code: Code) -> bytes:
    return struct.pack(">ihqh", 0, code, -1, -1) + b"\0"


def _find_coordinator(_request: Walk, code: Code) -> bytes:
    return struct.pack(">ihhihi", 0, code, -1, -1, 0, -1)


def _member_heartbeat(_request: Walk, code: Code) -> bytes:
    return struct.pack(">ih", 0, code) + b"\0\0" + struct.pack(">ii", 0, _HEARTBEAT_MS) + b"\xff\0"


def _fetch(_request: Walk, code: Code) -> bytes:
    return struct.pack(">ihi", 0, code, 0) + b"\x01\0"


def _add_partitions(request: Walk, code: Code) -> bytes:
    request.name()
    request.skip(10)
    count = request.count()
    answer = struct.pack(">ii", 0, count)
    for _topic in range(count):
        name = request.name()
        partitions = [request.number() for _partition in range(request.count())]
        answer += struct.pack(">h", len(name)) + name + struct.pack(">i", len(partitions))
        answer += b"".join(struct.pack(">ih", partition, code) for partition in partitions)
    return answer


def _offset_commit(request: Walk, code: Code) -> bytes:
    for _identity in ("transaction", "group"):
        request.name()
    request.skip(10 + 4)
    for _identity in ("member", "instance"):
        request.name()
    count = request.count()
    answer = struct.pack(">i", 0) + _compact_count(count)
    for _topic in range(count):
        answer += _compact(request.name())
        partitions = request.count()
        answer += _compact_count(partitions)
        for _partition in range(partitions):
            answer += struct.pack(">ih", request.number(), code) + b"\0"
            request.skip(8 + 4)
            request.name()
            request.skip_tags()
        request.skip_tags()
        answer += b"\0"
    return answer + b"\0"


def _produce(request: Walk, code: Code) -> bytes:
    request.name()
    request.skip(2 + 4)
    count = request.count()
    answer = _compact_count(count)
    for _topic in range(count):
        answer += _compact(request.name())
        partitions = request.count()
        answer += _compact_count(partitions)
        for _partition in range(partitions):
            # No offset, no time, no start of the log; no errors of single records, no text, no tags.
            answer += struct.pack(">ihqqq", request.number(), code, -1, -1, -1) + b"\x01\0\0"
            request.skip(request.count())
            request.skip_tags()
        request.skip_tags()
        answer += b"\0"
    return answer + struct.pack(">i", 0) + b"\0"


def _compact_count(count: int) -> bytes:
    value, found = count + 1, bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _compact(text: bytes) -> bytes:
    return _compact_count(len(text)) + text


_BODIES: Final[dict[tuple[Api, int], Callable[[Walk, Code], bytes]]] = {
    (Api.ADD_OFFSETS_TO_TXN, 0): _code_alone,
    (Api.END_TXN, 1): _code_alone,
    (Api.HEARTBEAT, 3): _code_alone,
    (Api.INIT_PRODUCER_ID, 4): _init_producer_id,
    (Api.FIND_COORDINATOR, 2): _find_coordinator,
    (Api.CONSUMER_GROUP_HEARTBEAT, 1): _member_heartbeat,
    (Api.FETCH, 16): _fetch,
    (Api.ADD_PARTITIONS_TO_TXN, 0): _add_partitions,
    (Api.TXN_OFFSET_COMMIT, 3): _offset_commit,
    (Api.PRODUCE, 10): _produce,
}
"""What follows the head, by api and version."""
