"""Refusals are read by the client that they are made for: each of its requests is refused once, and then repeated."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streamframe.testing.broker import KafkaBroker
from tests.campaign.fleet import STARVED
from tests.faults.plan import Fault
from tests.faults.proxy import Proxy
from tests.faults.refusals import refusal
from tests.faults.wire import Api, Code, Head, code_of

CODES = {
    Api.ADD_OFFSETS_TO_TXN: Code.CONCURRENT_TRANSACTIONS,
    Api.END_TXN: Code.CONCURRENT_TRANSACTIONS,
    Api.INIT_PRODUCER_ID: Code.COORDINATOR_LOAD_IN_PROGRESS,
    Api.FIND_COORDINATOR: Code.COORDINATOR_NOT_AVAILABLE,
    Api.CONSUMER_GROUP_HEARTBEAT: Code.COORDINATOR_LOAD_IN_PROGRESS,
    Api.FETCH: Code.REQUEST_TIMED_OUT,
    Api.ADD_PARTITIONS_TO_TXN: Code.CONCURRENT_TRANSACTIONS,
    Api.TXN_OFFSET_COMMIT: Code.COORDINATOR_LOAD_IN_PROGRESS,
    Api.PRODUCE: Code.NOT_LEADER_OR_FOLLOWER,
}


class Once:
    """Refuses the first request of every api."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def decide(self, head: Head) -> Fault | None:
        """Return the refusal of a request that is the first of its api."""
        if head.api not in CODES or Api(head.api).name in self.refused:
            return None
        return Fault(kind="refuse", code=CODES[Api(head.api)])

    def count(self, head: Head, fault: Fault) -> None:
        """Remember it: only a refusal that could be made counts."""
        self.refused.append(Api(head.api).name)

    def came_late(self, head: Head, code: int | None) -> None:
        """Nothing is held back here."""


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    with KafkaBroker(settings=STARVED) as found:
        yield found


@pytest.mark.kafka
def test_the_client_understands_every_refusal_and_asks_again(broker: KafkaBroker) -> None:
    broker.create_topic("refused", 2)
    host, port = broker.bootstrap.split(":")
    with Proxy((host, int(port)), once := Once()) as proxy:
        common = {"bootstrap.servers": proxy.bootstrap}
        group = {"group.id": "refused", "group.protocol": "consumer", "auto.offset.reset": "earliest"}
        consumer = Consumer({**common, **group, "enable.auto.commit": False, "isolation.level": "read_committed"})
        consumer.subscribe(["refused"])
        producer = Producer({**common, "transactional.id": "refused", "retry.backoff.ms": 10})
        producer.init_transactions(60)
        for number in range(3):
            producer.begin_transaction()
            producer.produce("refused", b"%d" % number, partition=number % 2)
            producer.flush(60)
            metadata = consumer.consumer_group_metadata()
            if number:  # the member has a partition by then
                offsets = [TopicPartition("refused", number % 2, number)]
                producer.send_offsets_to_transaction(offsets, metadata, 60)
            producer.commit_transaction(60)
            if not number:
                assert consumer.consume(1, 60)[0].value() == b"0"
        consumer.close()
        del producer  # before the proxy goes

    assert sorted(once.refused) == sorted(api.name for api in CODES)


def test_a_refusal_has_the_code_where_the_answer_has_it() -> None:
    simple = Head(Api.END_TXN, 1, 5)
    body = struct.pack(">hhihb", Api.END_TXN, 1, 5, 1, ord("x"))

    assert refusal(simple, body, Code.NOT_COORDINATOR) == struct.pack(">iih", 5, 0, 16)
    assert code_of(simple, refusal(simple, body, Code.NOT_COORDINATOR) or b"") == 16

    flexible = Head(Api.INIT_PRODUCER_ID, 4, 5)
    tagged = struct.pack(">hhihbb", Api.INIT_PRODUCER_ID, 4, 5, 1, ord("x"), 0)
    assert refusal(flexible, tagged, Code.NOT_COORDINATOR) == struct.pack(">ibihqhb", 5, 0, 0, 16, -1, -1, 0)


def test_versions_that_nobody_speaks_are_not_refused() -> None:
    assert refusal(Head(Api.END_TXN, 99, 5), b"anything at all", Code.NOT_COORDINATOR) is None
    assert refusal(Head(4711, 0, 5), b"anything at all", Code.NOT_COORDINATOR) is None
    assert refusal(Head(Api.PRODUCE, 10, 5), b"too short", Code.NOT_COORDINATOR) is None
