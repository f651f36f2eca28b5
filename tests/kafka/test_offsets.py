"""Offsets are read from whoever leads the partition, also when it has just moved or was just created."""

import logging
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException

from streamframe.core.errors import ConfigError, TopologyMismatch, Unavailable
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import KafkaSettings
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from tests.kafka.cluster import until
from tests.kafka.mock_cluster import LIST_OFFSETS, MockCluster

FIRST, SECOND = TopicPartition("t", 0), TopicPartition("t", 1)
PASSING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        cluster.create_topic("t", 2)
        yield cluster


def admin(cluster: MockCluster, timeout_ms: int = 10_000) -> TopicAdmin:
    settings = KafkaSettings(bootstrap=cluster.bootstrap, request_timeout_ms=timeout_ms)
    made = TopicAdmin(settings, ClientLog(logging.getLogger("test")))
    made.connect()
    return made


@pytest.mark.parametrize("error", PASSING)
def test_a_leader_that_has_just_moved_is_asked_again(cluster, error):
    asker = admin(cluster)
    cluster.plant(LIST_OFFSETS, error, error)
    assert asker.log_ends([FIRST, SECOND]) == {FIRST: 0, SECOND: 0}


def test_a_leader_of_a_later_epoch_is_found_although_the_client_remembers_the_earlier_one(cluster):
    asker = admin(cluster, timeout_ms=3_000)
    assert asker.log_ends([FIRST, SECOND]) == {FIRST: 0, SECOND: 0}
    cluster.elect("t", 0)
    assert asker.log_ends([FIRST, SECOND]) == {FIRST: 0, SECOND: 0}


def test_ends_that_nobody_waits_for_are_those_of_the_new_leader_before_long(cluster, monkeypatch):
    monkeypatch.setattr("streamframe.kafka.admin.LEADERS_MS", 200)
    asker = admin(cluster)

    def end() -> int | None:
        try:
            return int(asker.ask_ends([FIRST])[FIRST].result(10).offset)
        except KafkaException:
            return None

    assert end() == 0
    cluster.elect("t", 0)
    until(lambda: end() == 0)


def test_a_partition_that_stays_without_a_leader_is_said_within_the_limit(cluster):
    asker = admin(cluster, timeout_ms=1_000)
    cluster.plant(LIST_OFFSETS, *[KafkaError.NOT_LEADER_FOR_PARTITION] * 1_000)
    with pytest.raises(Unavailable) as raised:
        asker.log_ends([FIRST])
    assert raised.value.facts["partition"] == "t[0]"
    assert "NOT_LEADER" in str(raised.value.facts["client"])


def test_what_will_not_pass_is_said_at_once(cluster):
    asker = admin(cluster)
    cluster.plant(LIST_OFFSETS, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(ConfigError, match="credentials"):
        asker.log_ends([FIRST])


def test_a_topic_that_nobody_hears_of_is_missing(cluster):
    asker = admin(cluster)
    cluster.plant(LIST_OFFSETS, *[KafkaError.UNKNOWN_TOPIC_OR_PART] * 1_000)
    with pytest.raises(TopologyMismatch):
        asker.log_ends([FIRST])
