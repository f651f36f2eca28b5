"""As much of the Kafka protocol as faults need: frames, request heads, and where answers hold their error codes.

Rules:
    1. What is not understood is ``None`` or empty, never an error: the proxy forwards it untouched.
    2. Answers are changed in place, so lengths never change.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Api(IntEnum):
    """Requests that can be disturbed, or that name the broker's address."""

    PRODUCE = 0
    FETCH = 1
    METADATA = 3
    FIND_COORDINATOR = 10
    HEARTBEAT = 12
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28
    DESCRIBE_CLUSTER = 60
    CONSUMER_GROUP_HEARTBEAT = 68


APIS: Final = frozenset(Api)


class Code(IntEnum):
    """Error codes of the protocol that are given out."""

    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    ILLEGAL_GENERATION = 22
    UNKNOWN_MEMBER_ID = 25
    REBALANCE_IN_PROGRESS = 27
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    INVALID_PRODUCER_EPOCH = 47
    INVALID_PRODUCER_ID_MAPPING = 49
    CONCURRENT_TRANSACTIONS = 51
    PRODUCER_FENCED = 90
    STALE_MEMBER_EPOCH = 113


CODE_NUMBERS: Final = frozenset(Code)

# First version whose heads and bodies are in the flexible encoding.
_FLEXIBLE: Final = {
    Api.PRODUCE: 9,
    Api.FETCH: 12,
    Api.FIND_COORDINATOR: 3,
    Api.HEARTBEAT: 4,
    Api.INIT_PRODUCER_ID: 2,
    Api.ADD_PARTITIONS_TO_TXN: 3,
    Api.ADD_OFFSETS_TO_TXN: 3,
    Api.END_TXN: 3,
    Api.TXN_OFFSET_COMMIT: 3,
    Api.CONSUMER_GROUP_HEARTBEAT: 0,
}
# Newest version whose answer is understood.
_NEWEST: Final = {
    Api.PRODUCE: 12,
    Api.FETCH: 17,
    Api.FIND_COORDINATOR: 3,
    Api.HEARTBEAT: 4,
    Api.INIT_PRODUCER_ID: 5,
    Api.ADD_PARTITIONS_TO_TXN: 3,
    Api.ADD_OFFSETS_TO_TXN: 4,
    Api.END_TXN: 4,
    Api.TXN_OFFSET_COMMIT: 5,
    Api.CONSUMER_GROUP_HEARTBEAT: 1,
}
# Answers that begin with throttle time and error code.
_SIMPLE: Final = {
    Api.FIND_COORDINATOR: 1,
    Api.HEARTBEAT: 1,
    Api.INIT_PRODUCER_ID: 0,
    Api.ADD_OFFSETS_TO_TXN: 0,
    Api.END_TXN: 0,
    Api.CONSUMER_GROUP_HEARTBEAT: 0,
}
_LENGTH: Final = struct.Struct(">i")


@dataclass(frozen=True, slots=True)
class Head:
    """Beginning of a request."""

    api: int
    version: int
    correlation: int


class Frames:
    """Cuts a stream of bytes into frames, wherever it was cut before.

    Example:
        >>> frames = Frames()
        >>> list(frames.feed(bytes([0, 0, 0, 2, 7]))), list(frames.feed(bytes([8])))
        ([], [b'\\x07\\x08'])
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take bytes; yield each frame that is complete, without its length."""
        self._rest += chunk
        while len(self._rest) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._rest)[0]
            if len(self._rest) < end:
                return
            frame = bytes(self._rest[_LENGTH.size : end])
            del self._rest[:end]
            yield frame


def framed(frame: bytes | bytearray) -> bytes:
    """Return a frame with its length in front."""
    return _LENGTH.pack(len(frame)) + bytes(frame)


def head_of(frame: bytes) -> Head:
    """Return the beginning of a request; one that is too short for it has the api key -1."""
    return Head(*struct.unpack_from(">hhi", frame)) if len(frame) >= 8 else Head(-1, 0, 0)


def with_code(head: Head, answer: bytes, code: Code) -> bytes | None:
    """Return an answer in which every error code that we know to find is this one; ``None`` if there is none."""
    try:
        places = list(_places(head, answer))
    except (struct.error, IndexError):
        return None
    changed = bytearray(answer)
    for place in places:
        struct.pack_into(">h", changed, place, code)
    return bytes(changed) if places else None


def code_of(head: Head, answer: bytes) -> int | None:
    """Return the first error code that an answer has and is not 0, else 0; ``None`` if we know of no place for one."""
    try:
        codes = [struct.unpack_from(">h", answer, place)[0] for place in _places(head, answer)]
    except (struct.error, IndexError):
        return None
    return next((code for code in codes if code), 0) if codes else None


def led_back(head: Head, answer: bytes, broker: tuple[str, int], proxy: tuple[str, int]) -> bytes:
    """Return an answer that names the proxy wherever it named the broker; both have the same host."""
    assert broker[0] == proxy[0], "an answer keeps its length"
    if head.api not in (Api.METADATA, Api.FIND_COORDINATOR, Api.DESCRIBE_CLUSTER):
        return answer
    host = broker[0].encode()
    return answer.replace(host + _LENGTH.pack(broker[1]), host + _LENGTH.pack(proxy[1]))


def is_flexible(head: Head) -> bool:
    """Return whether heads and bodies of this request are in the flexible encoding."""
    return head.api in APIS and head.version >= _FLEXIBLE.get(Api(head.api), 1 << 15)


def _places(head: Head, answer: bytes) -> Iterator[int]:
    if head.api not in APIS or head.version > _NEWEST.get(Api(head.api), -1):
        return
    flexible = is_flexible(head)
    start = _LENGTH.size + flexible
    if head.api in _SIMPLE:
        if head.version >= _SIMPLE[Api(head.api)]:
            yield start + 4
    elif head.api in (Api.ADD_PARTITIONS_TO_TXN, Api.TXN_OFFSET_COMMIT):
        yield from _all_codes(Walk(answer, start + 4, flexible=flexible))
    elif head.api == Api.PRODUCE:
        yield _first_code(Walk(answer, start, flexible=flexible), by_id=False)
    elif head.api == Api.FETCH and head.version >= 7:
        # A session without news has no partition, and then there is nothing to spoil.
        place = _first_code(Walk(answer, start + 10, flexible=flexible), by_id=head.version >= 13)
        if place:
            yield place


class Walk:
    """Walks through the body of a request or of an answer, in either encoding.

    Raises:
        IndexError: The bytes end too early; so does ``struct.error``.
    """

    def __init__(self, frame: bytes, at: int, *, flexible: bool) -> None:
        self.at = at
        self._frame, self._flexible = frame, flexible

    def skip(self, size: int) -> None:
        """Go on by so many bytes."""
        if self.at + size > len(self._frame):
            raise IndexError
        self.at += size

    def number(self) -> int:
        """Take 32 bits."""
        (found,) = struct.unpack_from(">i", self._frame, self.at)
        self.at += 4
        return int(found)

    def count(self) -> int:
        """Take the length of an array or of bytes, 0 for none."""
        return max(0, self._varint() - 1 if self._flexible else self.number())

    def name(self) -> bytes:
        """Take a text."""
        if self._flexible:
            length = self._varint() - 1
        else:
            (length,) = struct.unpack_from(">h", self._frame, self.at)
            self.at += 2
        begin = self.at
        self.skip(max(0, int(length)))
        return self._frame[begin : self.at]

    def skip_tags(self) -> None:
        """Go over tagged fields, of which there are none."""
        if self._flexible:
            self.skip(1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._frame[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7


def _all_codes(walk: Walk) -> Iterator[int]:
    """Yield the place of the code of every partition: topics [name, partitions [index, error code]]."""
    for _topic in range(walk.count()):
        walk.name()
        for _partition in range(walk.count()):
            yield walk.at + 4
            walk.skip(6)
            walk.skip_tags()
        walk.skip_tags()


def _first_code(walk: Walk, *, by_id: bool) -> int:
    """Return the place of the first partition's code, 0 when there is no partition; topics by name or by id."""
    if not walk.count():
        return 0
    if by_id:
        walk.skip(16)
    else:
        walk.name()
    if not walk.count():
        return 0
    place = walk.at + 4
    walk.skip(6)
    return place
