"""Questions to something that is no broker, or not a ready one. (Real answers: test_cluster.)"""

import socketserver
import struct
import threading

import pytest

from streamframe.broker import wire
from streamframe.broker.ports import free_ports

METADATA, FIND_COORDINATOR, DESCRIBE_GROUPS, INIT_PRODUCER, DESCRIBE_TRANSACTIONS = 3, 10, 15, 22, 65


class FakeBroker(socketserver.ThreadingTCPServer):
    """Answers each kind of request with fixed bytes; closes the connection where it has none."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        self.answers: dict[int, bytes] = {}
        super().__init__(("127.0.0.1", 0), FakeConnection)
        self.port = self.server_address[1]


class FakeConnection(socketserver.BaseRequestHandler):
    def handle(self):
        (size,) = struct.unpack(">i", self.request.recv(4))
        request = self.request.recv(size)
        api, _version, correlation = struct.unpack_from(">hhi", request)
        assert isinstance(self.server, FakeBroker)
        answer = self.server.answers.get(api)
        if answer is not None:
            body = struct.pack(">i", correlation) + answer
            self.request.sendall(struct.pack(">i", len(body)) + body)


@pytest.fixture
def broker():
    """A ready broker, as far as the answers go."""
    with FakeBroker() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.answers = {
            FIND_COORDINATOR: coordinator(0, server.port),
            DESCRIBE_GROUPS: struct.pack(">ih", 1, 0),
            DESCRIBE_TRANSACTIONS: struct.pack(">bibh", 0, 0, 2, 105),
            INIT_PRODUCER: struct.pack(">ihqh", 0, 0, 17, 0),
        }
        yield server
        server.shutdown()
        thread.join()


def text(value):
    return struct.pack(">h", len(value)) + value


def coordinator(error, port):
    return struct.pack(">ihh", 0, error, -1) + struct.pack(">i", 1) + text(b"localhost") + struct.pack(">i", port)


def numbers(values):
    return struct.pack(f">i{len(values)}i", len(values), *values)


def metadata(*partitions):
    brokers = b"".join(
        struct.pack(">i", node) + text(b"localhost") + struct.pack(">ih", 9092, -1) for node in (1, 2, 3)
    )
    topic = struct.pack(">h", 0) + text(b"clicks") + struct.pack(">bi", 0, len(partitions))
    for number, (leader, replicas, in_sync) in enumerate(partitions):
        topic += struct.pack(">hii", 0, number, leader) + numbers(replicas) + numbers(in_sync)
    return struct.pack(">i", 3) + brokers + struct.pack(">ii", 1, 1) + topic


def test_where_nobody_listens_nothing_is_ready():
    (port,) = free_ports(1)
    assert wire.broker_count(port) == 0
    assert not wire.coordinators_ready(port)
    assert not wire.are_replicas_in_sync(port, [1])


def test_something_that_hangs_up_is_no_ready_broker(broker):
    broker.answers = {}
    assert wire.broker_count(broker.port) == 0
    assert not wire.coordinators_ready(broker.port)
    assert not wire.are_replicas_in_sync(broker.port, [1])


def test_an_answer_that_is_cut_off_is_no_answer(broker):
    broker.answers = dict.fromkeys(broker.answers, b"\0")
    assert wire.broker_count(broker.port) == 0
    assert not wire.coordinators_ready(broker.port)
    broker.answers = {METADATA: metadata((1, [1], [1]))[:-3]}
    assert not wire.are_replicas_in_sync(broker.port, [1])


def test_coordinators_are_ready_when_each_request_is_served(broker):
    assert wire.coordinators_ready(broker.port)


@pytest.mark.parametrize(
    ("api", "answer"),
    [
        (FIND_COORDINATOR, coordinator(15, 0)),
        (DESCRIBE_GROUPS, struct.pack(">ih", 1, 14)),
        (DESCRIBE_TRANSACTIONS, struct.pack(">bibh", 0, 0, 2, 14)),
        (INIT_PRODUCER, struct.pack(">ihqh", 0, 14, -1, -1)),
    ],
)
def test_one_thing_that_is_still_loading_is_waited_for(broker, api, answer):
    broker.answers[api] = answer
    assert not wire.coordinators_ready(broker.port)


def test_replicas_are_in_sync_when_each_living_one_follows(broker):
    broker.answers[METADATA] = metadata((1, [1, 2, 3], [1, 2]), (2, [2, 3, 1], [1, 2, 3]))
    assert wire.broker_count(broker.port) == 3
    assert wire.are_replicas_in_sync(broker.port, [1, 2])
    assert not wire.are_replicas_in_sync(broker.port, [1, 2, 3])


def test_a_partition_without_a_leader_is_not_in_sync(broker):
    broker.answers[METADATA] = metadata((-1, [1], [1]))
    assert not wire.are_replicas_in_sync(broker.port, [1])
