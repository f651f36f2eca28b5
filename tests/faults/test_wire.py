"""Frames, and the places of error codes."""

from __future__ import annotations

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.wire import Api, Code, Frames, Head, code_of, framed, head_of, led_back, with_code


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 260), max_size=8))
def test_frames_come_out_whole_wherever_the_stream_is_cut(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(framed(frame) for frame in frames)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    cutter = Frames()

    found = [frame for begin, end in itertools.pairwise(edges) for frame in cutter.feed(stream[begin:end])]

    assert found == frames


def test_the_head_of_a_request_is_found() -> None:
    assert head_of(struct.pack(">hhih", 26, 1, 77, -1)) == Head(Api.END_TXN, 1, 77)
    assert head_of(b"\0").api == -1


def test_the_code_of_an_answer_is_replaced_in_both_encodings() -> None:
    plain = struct.pack(">iih", 5, 0, 0)
    flexible = struct.pack(">ibihb", 5, 0, 0, 0, 0)

    changed = with_code(Head(Api.END_TXN, 1, 5), plain, Code.PRODUCER_FENCED)
    changed_flexible = with_code(Head(Api.END_TXN, 3, 5), flexible, Code.PRODUCER_FENCED)

    assert changed == struct.pack(">iih", 5, 0, 90)
    assert changed_flexible == struct.pack(">ibihb", 5, 0, 0, 90, 0)


def test_every_partition_of_a_transactional_answer_gets_the_code() -> None:
    def answer(code: int) -> bytes:
        partitions = struct.pack(">iihih", 2, 0, code, 1, code)
        return struct.pack(">iii", 5, 0, 1) + struct.pack(">h", 3) + b"abc" + partitions

    assert with_code(Head(Api.ADD_PARTITIONS_TO_TXN, 0, 5), answer(0), Code.NOT_COORDINATOR) == answer(16)


def test_compact_names_and_tags_are_walked_over() -> None:
    def answer(code: int) -> bytes:
        return (
            struct.pack(">ibi", 5, 0, 0) + b"\x02\x04abc\x03" + struct.pack(">ihbihbbb", 0, code, 0, 1, code, 0, 0, 0)
        )

    assert with_code(Head(Api.TXN_OFFSET_COMMIT, 3, 5), answer(0), Code.UNKNOWN_MEMBER_ID) == answer(25)


def test_what_is_not_understood_is_left_alone() -> None:
    assert with_code(Head(4711, 0, 5), b"anything at all", Code.PRODUCER_FENCED) is None
    assert with_code(Head(Api.END_TXN, 99, 5), b"anything at all", Code.PRODUCER_FENCED) is None
    assert with_code(Head(Api.TXN_OFFSET_COMMIT, 3, 5), b"\0" * 9 + b"\x05", Code.PRODUCER_FENCED) is None
    assert code_of(Head(4711, 0, 5), b"anything at all") is None
    assert led_back(Head(4711, 0, 5), b"h\0\0\0\x01", ("h", 1), ("h", 2)) == b"h\0\0\0\x01"


def test_answers_with_addresses_name_the_proxy() -> None:
    answer = b"before127.0.0.1" + struct.pack(">i", 9092) + b"after"

    found = led_back(Head(Api.METADATA, 12, 5), answer, ("127.0.0.1", 9092), ("127.0.0.1", 7))

    assert found == b"before127.0.0.1" + struct.pack(">i", 7) + b"after"


def test_the_code_of_an_answer_is_read() -> None:
    assert code_of(Head(Api.END_TXN, 1, 5), struct.pack(">iih", 5, 0, 47)) == 47
    partitions = struct.pack(">h", 3) + b"abc" + struct.pack(">iihih", 2, 0, 0, 1, 16)
    assert code_of(Head(Api.ADD_PARTITIONS_TO_TXN, 0, 5), struct.pack(">iii", 5, 0, 1) + partitions) == 16
