"""Messages arrive whole and in order, and neither end ever waits for the other."""

import pickle
import time

from hypothesis import given
from hypothesis import strategies as st

from streamframe.runtime.message_socket import TURN_BYTES_MAX, MessageSocket
from streamframe.runtime.restart import RestartPolicy


@given(st.lists(st.binary(max_size=300_000) | st.integers() | st.text(), max_size=8))
def test_messages_arrive_whole_and_in_order(messages):
    left, right = MessageSocket.pair()
    received: list[object] = []
    for message in messages:
        left.send(message)
        received += right.receive()
    while left.unsent_bytes:
        left.flush(0.0)
        received += right.receive()
    left.close()
    while not right.closed:
        received += right.receive()
    right.close()
    assert received == messages


def test_a_reader_that_is_stopped_does_not_stop_the_writer():
    left, right = MessageSocket.pair()
    began = time.monotonic()
    for _ in range(10):
        left.send(b"x" * 1_000_000)
    assert left.flush(0.05) is False
    assert time.monotonic() - began < 5
    assert left.unsent_bytes > 1_000_000
    right.close()
    left.close()


def read_to_the_end(end: MessageSocket) -> None:
    while not end.closed:
        assert end.receive() == []


def test_half_a_message_does_not_stop_the_reader():
    left, right = MessageSocket.pair()
    left.send(b"x" * 5_000_000)
    assert right.receive() == []
    assert not right.closed
    left.close()
    read_to_the_end(right)
    right.close()


def test_one_turn_takes_a_bounded_number_of_bytes():
    left, right = MessageSocket.pair()
    for _ in range(3):
        left.send(b"x" * (TURN_BYTES_MAX // 2))
    received = 0
    while left.unsent_bytes:
        left.flush(0.0)
        got = right.receive()
        assert len(got) <= 2
        received += len(got)
    received += len(right.receive())
    assert received == 3
    left.close()
    right.close()


def test_sending_to_an_end_that_is_gone_closes_ours_without_an_error():
    left, right = MessageSocket.pair()
    right.close()
    left.send("anybody there?")
    left.send("no")
    assert left.closed
    assert left.unsent_bytes == 0
    left.close()


def test_a_message_of_a_type_that_this_version_does_not_know_is_left_out():
    ours, theirs = MessageSocket.pair()
    unknown = pickle.dumps(RestartPolicy()).replace(b"RestartPolicy", b"RestartPoliXX")
    theirs.send("before")
    theirs._outgoing += len(unknown).to_bytes(4, "big") + unknown
    theirs.send("behind")
    assert theirs.flush(5.0)

    assert ours.receive() == ["before", "behind"]
    ours.close()
    theirs.close()
