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
        self.arrived = threading.Semaphore(0)


class Answering(socketserver.BaseRequestHandler):
    """One connection to it."""

    server: Echo

    def handle(self) -> None:
        """Answer until the client leaves."""
        frames = Frames()
        while chunk := self.request.recv(4096):
            for frame in frames.feed(chunk):
                self.server.seen.append(frame)
                self.server.arrived.release()
                self.request.sendall(framed(frame[4:8] + struct.pack(">ih", 0, 0) + frame[8:]))


class Fixed:
    """Disturbs every request of one api in the same way."""

    def __init__(self, api: Api, fault: Fault) -> None:
        self.api, self.fault, self.counted = api, fault, 0

    def decide(self, head: Head) -> Fault | None:
        """Return the fault for its api."""
        return self.fault if head.api == self.api else None

    def count(self, head: Head, fault: Fault) -> None:
        """Count it."""
        self.counted += 1


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
        if fault.kind == "hold":
            assert echo.arrived.acquire(timeout=10)
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

    assert through(echo, fault, request(26, 1), 1) == ([struct.pack(">iih", 1, 0, 16)], 1)
    assert echo.seen == []


def test_a_lost_answer_takes_the_connection_with_it(echo: Echo) -> None:
    assert through(echo, Fault(kind="lose-answer"), request(26, 1), 1) == ([], 1)
    assert len(echo.seen) == 1


def test_a_swallowed_request_reaches_nobody(echo: Echo) -> None:
    assert through(echo, Fault(kind="swallow"), request(26, 1), 1) == ([], 1)
    assert echo.seen == []


def test_a_request_that_is_held_back_arrives_when_its_connection_is_gone(echo: Echo) -> None:
    assert through(echo, Fault(kind="hold", seconds=0.05), request(26, 1), 1) == ([], 1)
    assert echo.seen == [request(26, 1)[4:]]


def test_a_delayed_request_is_answered(echo: Echo) -> None:
    assert through(echo, Fault(kind="delay", seconds=0.02), request(26, 1), 1)[0] == [struct.pack(">iih", 1, 0, 0)]
