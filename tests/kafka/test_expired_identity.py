"""A worker that had nothing to do for so long that the broker has forgotten its transactional id (T-31)."""

import time
from collections.abc import Iterator

import pytest

from streamframe.core.ids import Offset
from streamframe.engine.ports import Committed, LogError, ProducerFenced, TransactionAborted
from streamframe.testing.broker import KafkaBroker
from tests.kafka.cluster import Cluster, Member, output, request

FORGETFUL = {
    "transactional.id.expiration.ms": 1_000,
    "transaction.remove.expired.transaction.cleanup.interval.ms": 500,
    "producer.id.expiration.ms": 1_000,
    "producer.id.expiration.check.interval.ms": 500,
}
IDLE_SECONDS = (2, 4, 8, 16)

pytestmark = pytest.mark.kafka


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with KafkaBroker(settings=FORGETFUL) as broker, Cluster(broker) as fresh:
        yield fresh


def idle(member: Member, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        member.turn()


def test_a_worker_whose_identity_has_expired_goes_on_with_a_new_one(cluster):
    source, sink = cluster.partition(), cluster.partition()
    member = cluster.member(cluster.options(source.topic))
    member.until(lambda: source in member.ends)
    count = 0
    for seconds in IDLE_SECONDS:
        idle(member, seconds)
        count += 1
        try:
            member.log.produce(output(sink, b"%d" % count))
            member.log.commit(request({source: count}))
        except (TransactionAborted, ProducerFenced):
            break
    else:
        pytest.fail("the broker has not forgotten the transactional id")

    # What the engine does then: abort, or where that is refused too, renew; and do the work again.
    try:
        member.log.abort()
    except LogError:
        member.log.renew_producer()
    member.log.produce(output(sink, b"%d" % count))
    try:
        member.log.commit(request({source: count}))
    except LogError:
        # An abort may succeed at an identity that only the next request finds forgotten.
        member.log.renew_producer()
        member.log.produce(output(sink, b"%d" % count))
        member.log.commit(request({source: count}))

    expected = [b"%d" % number for number in range(1, count + 1)]
    cluster.until_read(sink, *expected)
    assert member.log.committed([source]) == {source: Committed(Offset(count))}
