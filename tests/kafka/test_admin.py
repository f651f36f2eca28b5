"""Questions and orders to a real broker."""

import logging
import socket
from collections.abc import Sequence

import pytest

from streamframe.core.errors import ConfigError, TopologyMismatch, Unavailable
from streamframe.core.ids import Offset, TopicPartition
from streamframe.core.settings import KafkaSettings
from streamframe.engine.ports import Bounds, Committed
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.topics import TopicFacts, TopicSpec, changelog_spec, repartition_spec
from tests.kafka.cluster import Cluster

LOG = ClientLog(logging.getLogger("test"))

kafka = pytest.mark.kafka


@kafka
def test_internal_topics_never_lose_records_by_their_age(cluster):
    changelog, repartition = cluster.name("changelog"), cluster.name("repartition")
    assert sorted(cluster.admin.create([changelog_spec(changelog, 3), repartition_spec(repartition, 2)])) == [
        changelog,
        repartition,
    ]
    facts = cluster.admin.describe([changelog, repartition, "no-such-topic"])
    assert {name: topic.partition_count for name, topic in facts.items()} == {changelog: 3, repartition: 2}
    configs = cluster.admin.configs([changelog, repartition])
    assert configs[changelog]["cleanup.policy"] == "compact"
    assert configs[repartition]["cleanup.policy"] == "delete"
    assert configs[repartition]["retention.ms"] == configs[repartition]["retention.bytes"] == "-1"
    assert {config["message.timestamp.type"] for config in configs.values()} == {"CreateTime"}
    # Year-old records survive in both.
    writer = cluster.producer()
    for name in (changelog, repartition):
        writer.produce(name, b"v", b"k", partition=0, timestamp=1_600_000_000_000)
    writer.flush()
    assert cluster.read(TopicPartition(repartition, 0)) == [b"v"]


@kafka
def test_creating_what_exists_and_deleting_what_does_not_are_fine(cluster):
    name = cluster.name("topic")
    assert cluster.admin.create([TopicSpec(name=name, partition_count=1)]) == [name]
    assert cluster.admin.create([TopicSpec(name=name, partition_count=1)]) == []
    cluster.admin.delete([name, "no-such-topic"])
    assert cluster.admin.describe([name]) == {}
    cluster.admin.delete([name])


@kafka
def test_what_the_broker_refuses_is_a_wrong_setting(cluster):
    with pytest.raises(ConfigError, match="cannot create a topic"):
        cluster.admin.create([TopicSpec(name=cluster.name("topic"), partition_count=1, config={"nonsense": "1"})])
    with pytest.raises(ConfigError):
        cluster.admin.create([TopicSpec(name=cluster.name("topic"), partition_count=1, replication_factor=77)])


@kafka
def test_bounds_of_what_does_not_exist_are_a_mismatch(cluster):
    cluster.admin = TopicAdmin(KafkaSettings(bootstrap=cluster.broker.bootstrap, request_timeout_ms=2_000), LOG)
    with pytest.raises((TopologyMismatch, Unavailable)):
        cluster.admin.bounds([TopicPartition("no-such-topic", 0)])
    with pytest.raises(TopologyMismatch, match="changelog topic is missing"):
        cluster.admin.changelog_bounds(TopicPartition("no-such-topic", 0))


class LateNews(TopicAdmin):
    """Its broker hears of a changelog only when it is asked for the second time."""

    def __init__(self, cluster: Cluster, changelog: str) -> None:
        super().__init__(KafkaSettings(bootstrap=cluster.broker.bootstrap), LOG)
        self._cluster, self._changelog, self._asked = cluster, changelog, 0

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFacts]:
        self._asked += 1
        if self._asked == 2:
            self._cluster.admin.create([changelog_spec(self._changelog, 1)])
        return super().describe(topics)


@kafka
def test_a_broker_may_take_a_moment_to_hear_of_a_changelog(cluster):
    changelog = cluster.name("changelog")
    bounds = LateNews(cluster, changelog).changelog_bounds(TopicPartition(changelog, 0))
    assert (bounds.begin, bounds.end) == (0, 0)


@kafka
def test_offsets_by_time(cluster):
    source = cluster.partition(retention_ms="-1")
    writer = cluster.producer()
    for n in range(3):
        writer.produce(source.topic, b"%d" % n, timestamp=1_700_000_000_000 + n * 1_000)
    writer.flush()
    assert cluster.admin.bounds([source]) == {source: Bounds(Offset(0), Offset(3))}
    assert cluster.admin.offsets_at([source], 1_700_000_000_500) == {source: 1}
    assert cluster.admin.offsets_at([source], 1_900_000_000_000) == {source: 3}


@kafka
def test_a_group_can_be_looked_at_reset_and_forgotten(cluster):
    source = cluster.partition()
    options = cluster.options(source.topic)
    assert cluster.admin.group(options.group).state == "DEAD"
    member = cluster.member(options)
    member.until(lambda: member.owned)
    facts = cluster.admin.group(options.group)
    assert [each.partitions for each in facts.members] == [(source,)]
    assert facts.members[0].client_id == options.member
    member.log.close()

    cluster.admin.reset(options.group, {source: Committed(Offset(7), "text")})
    assert cluster.admin.committed(options.group) == {source: Committed(Offset(7), "text")}
    cluster.admin.delete_group(options.group)
    assert cluster.admin.committed(options.group) == {}
    cluster.admin.delete_group(options.group)


@kafka
def test_the_brokers_own_settings_can_be_read(cluster):
    config = cluster.admin.broker_config()
    assert "consumer" in config["group.coordinator.rebalance.protocols"]
    assert int(config["offset.metadata.max.bytes"]) >= 4096


# --- brokers that do not answer -------------------------------------------------------------------


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def admin_for(bootstrap: str, **client: str) -> TopicAdmin:
    return TopicAdmin(KafkaSettings(bootstrap=bootstrap, request_timeout_ms=1_500, client=client), LOG)


def test_an_unreachable_broker_is_named_with_the_reason():
    bootstrap = f"127.0.0.1:{unused_port()}"
    with pytest.raises(Unavailable) as raised:
        admin_for(bootstrap).connect()
    assert raised.value.facts["bootstrap"] == bootstrap
    assert "refused" in (raised.value.hint or "")


def test_a_name_that_cannot_be_resolved_is_a_wrong_setting():
    with pytest.raises(ConfigError) as raised:
        admin_for("no-such-host.invalid:9092").connect()
    assert "resolve" in (raised.value.hint or "").lower()


@kafka
def test_a_broker_that_does_not_speak_the_security_protocol_does_not_answer(cluster):
    with pytest.raises((ConfigError, Unavailable)) as raised:
        admin_for(cluster.broker.bootstrap, **{"security.protocol": "SSL"}).connect()
    assert "ssl" in (raised.value.hint or "").lower()


def test_a_property_that_does_not_exist_is_a_wrong_setting_and_no_secret_is_shown():
    with pytest.raises(ConfigError) as raised:
        admin_for("localhost:9092", **{"no.such.property": "1", "sasl.password": "hunter2"})
    assert "no.such.property" in str(raised.value)
    assert "hunter2" not in str(raised.value)
