"""The proxy between a client that speaks in bytes and a broker that answers each request with itself."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.faults.plan import Fault
from tests.faults.proxy import Proxy
from tests.faults.wire import Api, Code, Frames, Head, framed


class Echo(socketserver.ThreadingTCPServer):
    """Answers a request with its correlation id, a throttle time, the code 0, and what followed the head."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.seen: list[bytes] = []


class Answering(socketserver.BaseRequestHandler):
    """One connection to it."""

    server: Echo

    def handle(self) -> None:
        """Answer until the client leaves."""
        frames = Frames()
        while chunk := self.request.recv(4096):
            for frame in frames.feed(chunk):
                self.server.seen.append(frame)
                self.request.sendall(framed(frame[4:8] + struct.pack(">ih", 0, 0) + frame[8:]))


class Fixed:
    """Disturbs every request of one api in the same way."""

    def __init__(self, api: Api, fault: Fault) -> None:
        self.api, self.fault, self.counted = api, fault, 0
        self.late: list[tuple[int, int | None]] = []

    def decide(self, head: Head) -> Fault | None:
        """Return the fault for its api."""
        return self.fault if head.api == self.api else None

    def count(self, head: Head, fault: Fault) -> None:
        """Count it."""
        self.counted += 1

    def came_late(self, head: Head, code: int | None) -> None:
        """Remember it."""
        self.late.append((head.correlation, code))


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def request(api: int, correlation: int, body: bytes = b"") -> bytes:
    return framed(struct.pack(">hhi", api, 1, correlation) + body)


def answers(client: socket.socket, count: int) -> list[bytes]:
    client.settimeout(10)
    frames, found = Frames(), list[bytes]()
    while len(found) < count and (chunk := client.recv(4096)):
        found += frames.feed(chunk)
    return found


def through(echo: Echo, fault: Fault, sent: bytes, count: int) -> tuple[list[bytes], int]:
    """Return what comes back through a proxy that disturbs EndTxn, and how often it did."""
    decider = Fixed(Api.END_TXN, fault)
    host, port = str(echo.server_address[0]), int(echo.server_address[1])
    with Proxy((host, port), decider) as proxy, socket.create_connection(proxy.address) as client:
        client.sendall(sent)
        found = answers(client, count)
    return found, decider.counted


REWRITE = Fault(kind="rewrite", code=Code.PRODUCER_FENCED)


def test_requests_in_a_row_and_unknown_ones_go_through_untouched(echo: Echo) -> None:
    found, count = through(echo, REWRITE, request(4711, 1, b"abc") + request(18, 2) + request(3, 3), 3)

    assert found == [struct.pack(">iih", 1, 0, 0) + b"abc", struct.pack(">iih", 2, 0, 0), struct.pack(">iih", 3, 0, 0)]
    assert count == 0


def test_a_code_is_rewritten_after_the_broker_has_done_its_work(echo: Echo) -> None:
    assert through(echo, REWRITE, request(26, 1), 1) == ([struct.pack(">iih", 1, 0, 90)], 1)
    assert len(echo.seen) == 1


def test_a_refused_request_does_not_reach_the_broker(echo: Echo) -> None:
    fault = Fault(kind="refuse", code=Code.NOT_COORDINATOR)

    nameless = request(26, 1, struct.pack(">h", -1))

    assert through(echo, fault, nameless, 1) == ([struct.pack(">iih", 1, 0, 16)], 1)
    assert echo.seen == []


def test_a_lost_answer_takes_the_connection_with_it(echo: Echo) -> None:
    assert through(echo, Fault(kind="lose-answer"), request(26, 1), 1) == ([], 1)
    assert len(echo.seen) == 1


def test_a_swallowed_request_reaches_nobody(echo: Echo) -> None:
    assert through(echo, Fault(kind="swallow"), request(26, 1), 1) == ([], 1)
    assert echo.seen == []


def test_a_request_that_is_held_back_arrives_in_the_next_transaction(echo: Echo) -> None:
    decider = Fixed(Api.END_TXN, Fault(kind="hold", until=Api.ADD_OFFSETS_TO_TXN))
    held, again = request(Api.END_TXN, 1), request(Api.END_TXN, 2)
    offsets, offsets_later = request(Api.ADD_OFFSETS_TO_TXN, 3), request(Api.ADD_OFFSETS_TO_TXN, 4)
    host, port = str(echo.server_address[0]), int(echo.server_address[1])
    with Proxy((host, port), decider) as proxy:
        with socket.create_connection(proxy.address) as client:
            client.sendall(held)
            assert answers(client, 1) == []
        decider.api = Api.FETCH
        with socket.create_connection(proxy.address) as client:
            # What is answered while the transaction still lasts is not the moment.
            for each in (offsets, again, offsets_later):
                client.sendall(each)
                assert len(answers(client, 1)) == 1

    assert echo.seen == [each[4:] for each in (offsets, again, offsets_later, held)]
    assert decider.late == [(1, 0)]


def test_a_delayed_request_is_answered(echo: Echo) -> None:
    assert through(echo, Fault(kind="delay", seconds=0.02), request(26, 1), 1)[0] == [struct.pack(">iih", 1, 0, 0)]
