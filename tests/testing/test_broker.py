"""The public test broker."""

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from streamframe.core.errors import ConfigError
from streamframe.testing import KafkaBroker


def test_a_topic_is_there_with_its_partitions_and_settings(kafka):
    kafka.create_topic("test-broker-topic", 3, {"retention.ms": -1})
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    partitions = admin.list_topics("test-broker-topic", timeout=10).topics["test-broker-topic"].partitions
    assert sorted(partitions) == [0, 1, 2]
    assert all(partition.leader > 0 for partition in partitions.values())
    resource = ConfigResource(ResourceType.TOPIC, "test-broker-topic")
    settings = admin.describe_configs([resource])[resource].result(10)
    assert settings["retention.ms"].value == "-1"


def test_a_topic_that_exists_is_refused(kafka):
    kafka.create_topic("test-broker-twice")
    with pytest.raises(ConfigError, match="already exists"):
        kafka.create_topic("test-broker-twice")


def test_an_external_broker_is_used_and_left_alone(monkeypatch):
    monkeypatch.setenv("STREAMFRAME_TEST_BOOTSTRAP", "broker.example:9092")
    with KafkaBroker() as broker:
        assert broker.bootstrap == "broker.example:9092"
        for action in (broker.kill, broker.stop_node, broker.revive):
            with pytest.raises(ConfigError, match="STREAMFRAME_TEST_BOOTSTRAP"):
                action()
    assert broker.bootstrap == "broker.example:9092"
