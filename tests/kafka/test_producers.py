"""When a producer is used again, and when not. The broker is librdkafka's mock: no broker is needed.

Whether a request that comes late is refused shows on a real broker: ``tests/faults``, scenario T-37.
"""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError

from streamframe.engine.ports import ProducerFenced, TransactionAborted
from tests.kafka import mock_cluster as mock
from tests.kafka.cluster import SINK, SOURCE, Member, joined, output, request
from tests.kafka.mock_cluster import MockCluster

CUT = KafkaError._TRANSPORT  # the mock closes the connection
REFUSED = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def commit(member: Member, offset: int) -> None:
    member.log.produce(output(SINK, b"x"))
    member.log.commit(request({SOURCE: offset}))


@pytest.mark.parametrize("call", [mock.END_TXN, mock.TXN_OFFSET_COMMIT, mock.ADD_OFFSETS_TO_TXN])
def test_a_request_that_may_still_be_on_its_way_ends_the_life_of_a_producer(mocked: MockCluster, call: int) -> None:
    member = joined(mocked)
    commit(member, 1)
    mocked.plant(call, CUT)
    commit(member, 2)  # the client repeats the request and says nothing

    # A new identity is asked for, which would fence what is on its way; here the answer shows that it is.
    mocked.plant(mock.INIT_PRODUCER_ID, REFUSED)
    with pytest.raises(ProducerFenced, match="renewed"):
        commit(member, 3)

    member.log.renew_producer()
    commit(member, 3)
    member.log.close()


def test_a_producer_whose_requests_were_answered_is_used_again(mocked: MockCluster) -> None:
    member = joined(mocked)
    mocked.plant(mock.INIT_PRODUCER_ID, REFUSED)
    mocked.plant(mock.END_TXN, KafkaError.CONCURRENT_TRANSACTIONS)

    for offset in range(1, 4):
        commit(member, offset)

    member.log.close()


def test_an_aborted_transaction_with_a_request_on_its_way_ends_the_life_of_a_producer(mocked: MockCluster) -> None:
    member = joined(mocked)
    mocked.plant(mock.TXN_OFFSET_COMMIT, KafkaError.ILLEGAL_GENERATION)
    with pytest.raises(TransactionAborted):
        commit(member, 1)
    mocked.plant(mock.END_TXN, CUT)
    member.log.abort()

    mocked.plant(mock.INIT_PRODUCER_ID, REFUSED)
    with pytest.raises(ProducerFenced, match="renewed"):
        commit(member, 1)
    member.log.close()


def test_the_lines_that_tell_it_are_not_shown_unless_asked_for(
    mocked: MockCluster, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        quiet = joined(mocked)
        commit(quiet, 1)
        quiet.log.close()
        shown = [each for each in caplog.records if each.levelno == logging.DEBUG and "rdkafka" in each.getMessage()]
        assert not shown

        talking = joined(mocked, producer={"debug": "eos", "log_level": "3"})
        commit(talking, 2)
        talking.log.close()
    assert any("EndTxn returned" in message for message in caplog.messages)
