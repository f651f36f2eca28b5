"""What an answer of the broker turns into. The broker is librdkafka's mock: no broker is needed."""

import time

import pytest
from confluent_kafka import KafkaError, KafkaException

from streamframe.core.errors import ConfigError, TopologyMismatch, Unavailable
from streamframe.core.settings import KafkaSettings
from streamframe.engine.events import Failed
from streamframe.engine.ports import CommitRequest, OutcomeUnknown, ProducerFenced, TransactionAborted
from streamframe.kafka.errors import as_error, facts_of, input_failure, transaction_error
from streamframe.kafka.log import LogOptions
from tests.kafka import mock_cluster as mock
from tests.kafka.cluster import SINK, SOURCE, Member, joined, output, request


def write_and_commit(member: Member, what: CommitRequest) -> None:
    # A broken producer may be noticed by either of the two.
    member.log.produce(output(SINK, b"x"))
    member.log.commit(what)


ANSWERS = [
    (mock.END_TXN, KafkaError.INVALID_PRODUCER_EPOCH, ProducerFenced),
    (mock.END_TXN, KafkaError.PRODUCER_FENCED, ProducerFenced),
    (mock.END_TXN, KafkaError.INVALID_TXN_STATE, ProducerFenced),
    (mock.ADD_PARTITIONS_TO_TXN, KafkaError.PRODUCER_FENCED, ProducerFenced),
    (mock.ADD_PARTITIONS_TO_TXN, KafkaError.INVALID_PRODUCER_ID_MAPPING, TransactionAborted),
    (mock.ADD_PARTITIONS_TO_TXN, KafkaError.TOPIC_AUTHORIZATION_FAILED, ConfigError),
    (mock.ADD_OFFSETS_TO_TXN, KafkaError.PRODUCER_FENCED, ProducerFenced),
    (mock.ADD_OFFSETS_TO_TXN, KafkaError.GROUP_AUTHORIZATION_FAILED, ConfigError),
    (mock.TXN_OFFSET_COMMIT, KafkaError.ILLEGAL_GENERATION, TransactionAborted),
    (mock.TXN_OFFSET_COMMIT, KafkaError.UNKNOWN_MEMBER_ID, TransactionAborted),
    (mock.TXN_OFFSET_COMMIT, KafkaError.FENCED_INSTANCE_ID, TransactionAborted),
    (mock.TXN_OFFSET_COMMIT, KafkaError.REBALANCE_IN_PROGRESS, TransactionAborted),
    (mock.TXN_OFFSET_COMMIT, KafkaError.STALE_MEMBER_EPOCH, TransactionAborted),
    (mock.PRODUCE, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, ProducerFenced),
    (mock.PRODUCE, KafkaError.INVALID_PRODUCER_EPOCH, ProducerFenced),
    (mock.PRODUCE, KafkaError.UNKNOWN_PRODUCER_ID, TransactionAborted),
    (mock.PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE, ConfigError),
    (mock.PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED, ConfigError),
]


@pytest.mark.parametrize(("step", "code", "expected"), ANSWERS)
@pytest.mark.parametrize("with_changelog", [False, True], ids=["output only", "with changelog"])
def test_an_error_in_a_commit_is_what_the_engine_knows(mocked, step, code, expected, with_changelog):
    member = joined(mocked)
    mocked.plant(step, code)
    with pytest.raises(expected):
        write_and_commit(member, request({SOURCE: 0}, {SINK: [(b"k", b"v")]} if with_changelog else None))
    if expected is TransactionAborted:
        member.log.abort()
    else:
        member.log.renew_producer()
    member.log.produce(output(SINK, b"y"))
    member.log.commit(request({SOURCE: 0}))
    member.log.close()


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (mock.END_TXN, KafkaError.CONCURRENT_TRANSACTIONS),
        (mock.END_TXN, KafkaError.COORDINATOR_NOT_AVAILABLE),
        (mock.PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION),
        (mock.PRODUCE, KafkaError.REQUEST_TIMED_OUT),
        (mock.ADD_PARTITIONS_TO_TXN, KafkaError.CONCURRENT_TRANSACTIONS),
        (mock.INIT_PRODUCER_ID, KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
    ],
)
def test_what_passes_is_not_seen(mocked, step, code):
    mocked.plant(step, code, code)
    member = joined(mocked)
    member.log.produce(output(SINK, b"x"))
    member.log.commit(request({SOURCE: 0}))
    member.log.close()


def test_a_commit_that_is_not_answered_has_an_unknown_outcome_and_the_producer_is_not_used_again(mocked):
    member = joined(mocked, request_timeout_ms=1_000)
    member.log.produce(output(SINK, b"x"))
    member.log.commit(request({SOURCE: 0}))
    member.log.produce(output(SINK, b"x"))
    mocked.delay(1_500)
    with pytest.raises(OutcomeUnknown):
        member.log.commit(request())
    mocked.delay(0)
    with pytest.raises(ProducerFenced):
        member.log.produce(output(SINK, b"y"))
    with pytest.raises(ProducerFenced):
        member.log.abort()
    member.log.renew_producer()
    member.log.produce(output(SINK, b"y"))
    member.log.commit(request())
    member.log.close()


def test_a_broker_that_is_gone_is_unavailable_in_time_and_closing_does_not_wait_for_it(mocked):
    member = joined(mocked, request_timeout_ms=500)
    member.log.produce(output(SINK, b"x"))
    mocked.end()
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        member.log.commit(request({SOURCE: 0}))
    with pytest.raises(Unavailable):
        member.log.renew_producer()
    with pytest.raises(ProducerFenced):
        member.log.produce(output(SINK, b"y"))
    member.log.close()
    assert time.monotonic() - began < 10


def test_a_transactional_id_that_may_not_be_used_is_a_wrong_setting(mocked):
    mocked.plant(mock.INIT_PRODUCER_ID, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    with pytest.raises(ConfigError, match="cannot initialise"):
        joined(mocked)


def test_a_lost_record_without_a_transaction_costs_the_producer(mocked):
    member = joined(mocked, guarantee="at_least_once")
    mocked.plant(mock.PRODUCE, KafkaError.INVALID_RECORD)
    with pytest.raises(ProducerFenced):
        write_and_commit(member, request({SOURCE: 1}))
    member.log.renew_producer()
    member.log.produce(output(SINK, b"again"))
    member.log.commit(request({SOURCE: 1}))
    member.log.close()


def test_a_broker_without_the_new_group_protocol_gets_the_classic_one(mocked):
    mocked.plant(mock.CONSUMER_GROUP_HEARTBEAT, *[KafkaError.UNSUPPORTED_VERSION] * 3)
    member = joined(mocked, session_timeout_ms=6_000)
    assert member.log.protocol == "classic"
    member.log.commit(request({SOURCE: 0}))
    member.log.close()


def test_a_chosen_protocol_that_the_broker_lacks_is_a_wrong_setting(mocked):
    mocked.plant(mock.CONSUMER_GROUP_HEARTBEAT, *[KafkaError.UNSUPPORTED_VERSION] * 3)
    options = LogOptions(
        group="group",
        member="member",
        topics=(SOURCE.topic,),
        kafka=KafkaSettings(bootstrap=mocked.bootstrap, group_protocol="consumer"),
    )
    member = Member(options)
    member.log.connect()
    member.until(lambda: member.events)
    (failed,) = member.events
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ConfigError)
    assert "classic" in (failed.error.hint or "")
    member.log.close()


# --- without any cluster --------------------------------------------------------------------------


def test_an_error_object_that_refuses_to_answer_is_fatal():
    assert facts_of(SystemError("returned a result with an exception set")).fatal
    assert isinstance(transaction_error(SystemError("x"), "flush"), ProducerFenced)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError._TIMED_OUT, Unavailable),
        (KafkaError._TRANSPORT, Unavailable),
        (KafkaError._AUTHENTICATION, ConfigError),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ConfigError),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, TopologyMismatch),
        (KafkaError.INVALID_REPLICATION_FACTOR, ConfigError),
    ],
)
def test_an_error_outside_transactions(code, expected):
    error = as_error(KafkaException(KafkaError(code)), "cannot", topic="t")
    assert isinstance(error, expected)
    assert error.hint
    assert error.facts["topic"] == "t"


@pytest.mark.parametrize(
    "code", [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._MAX_POLL_EXCEEDED, KafkaError._RESOLVE]
)
def test_trouble_that_passes_does_not_end_the_consumer(code):
    assert input_failure(KafkaError(code)) is None


@pytest.mark.parametrize("flags", [{"retriable": True}, {}])
def test_an_answer_that_is_missing_is_an_unknown_outcome(flags):
    error = KafkaException(KafkaError(KafkaError._TIMED_OUT, **flags))
    assert isinstance(transaction_error(error, "commit_transaction"), OutcomeUnknown)
