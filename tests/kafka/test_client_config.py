"""Settings become properties."""

import pytest
from confluent_kafka import Consumer, Producer

from streamframe.core.errors import ConfigError
from streamframe.core.settings import KafkaSettings, Limits
from streamframe.kafka.client_config import (
    RESERVED,
    group_protocols,
    input_properties,
    masked,
    producer_properties,
    restore_properties,
)


def inputs(protocol="consumer", **settings):
    return input_properties(KafkaSettings(**settings), Limits(), group="app", member="app-host-0", protocol=protocol)


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
@pytest.mark.parametrize("static", [False, True])
def test_the_client_accepts_what_we_make(protocol, static):
    Consumer(inputs(protocol, static_membership=static)).close()
    Consumer(restore_properties(KafkaSettings(), group="app", member="app-host-0")).close()
    for identity in ("app-host-0", None):
        Producer(producer_properties(KafkaSettings(), Limits(), transactional_id=identity))


def test_a_restore_never_joins_a_group():
    made = restore_properties(KafkaSettings(static_membership=True), group="app", member="app-host-0")
    assert "group.instance.id" not in made
    assert made["isolation.level"] == "read_committed"


@pytest.mark.parametrize("name", sorted(RESERVED))
@pytest.mark.parametrize("where", ["client", "consumer"])
def test_what_correctness_rests_on_cannot_be_overridden(name, where):
    with pytest.raises(ConfigError, match="cannot be overridden"):
        inputs(**{where: {name: "x"}})


def test_the_users_properties_win_over_ours():
    assert inputs(consumer={"fetch.wait.max.ms": "7"})["fetch.wait.max.ms"] == "7"
    made = producer_properties(
        KafkaSettings(client={"linger.ms": "1"}, producer={"compression.type": "zstd"}), Limits(), transactional_id="t"
    )
    assert made["compression.type"] == "zstd"


def test_properties_of_the_classic_protocol_choose_it():
    assert group_protocols(KafkaSettings()) == ("consumer", "classic")
    assert group_protocols(KafkaSettings(consumer={"session.timeout.ms": "9000"})) == ("classic",)
    assert group_protocols(KafkaSettings(group_protocol="consumer")) == ("consumer",)


def test_secrets_are_masked():
    shown = masked({"sasl.password": "a", "ssl.key.password": "b", "sasl.username": "c", "client.id": "d"})
    assert shown == {"sasl.password": "***", "ssl.key.password": "***", "sasl.username": "***", "client.id": "d"}


def test_many_queues_share_what_is_fetched_ahead():
    def fetching(queues: int) -> tuple[int, int, int]:
        made = input_properties(KafkaSettings(), Limits(), group="g", member="m", protocol="consumer", queues=queues)
        names = ("queued.min.messages", "queued.max.messages.kbytes", "fetch.message.max.bytes")
        return tuple(int(made[name]) for name in names)  # type: ignore[return-value]

    assert fetching(1) == fetching(4) == (20_000, 4_096, 262_144)
    assert fetching(16) == (5_000, 1_024, 65_536)
    assert fetching(1_000) == (5_000, 512, 65_536)
