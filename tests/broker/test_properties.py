"""What the server properties promise."""

from pathlib import Path

from streamframe.broker.properties import node_properties, render
from streamframe.broker.spec import BrokerSpec


def properties_of(spec, node=1):
    ports = tuple(range(7001, 7001 + spec.nodes))
    controllers = tuple(range(8001, 8001 + spec.nodes))
    return node_properties(spec, node=node, broker_ports=ports, controller_ports=controllers, log_dir=Path("/d"))


def test_one_node_needs_no_other_replica():
    found = properties_of(BrokerSpec())
    factors = {name: value for name, value in found.items() if "replication.factor" in name or "isr" in name}
    assert set(factors.values()) == {"1"}
    assert found["min.insync.replicas"] == "1"


def test_three_nodes_keep_three_copies_and_need_two():
    found = properties_of(BrokerSpec(nodes=3), node=2)
    assert found["default.replication.factor"] == "3"
    assert found["min.insync.replicas"] == "2"
    assert found["transaction.state.log.replication.factor"] == "3"
    assert found["transaction.state.log.min.isr"] == "2"
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:7002,CONTROLLER://127.0.0.1:8002"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:8001,2@127.0.0.1:8002,3@127.0.0.1:8003"


def test_the_longest_transaction_timeout_stays_the_one_of_kafka():
    assert "transaction.max.timeout.ms" not in properties_of(BrokerSpec())


def test_the_settings_of_the_user_win():
    found = properties_of(BrokerSpec(settings={"log.retention.hours": 1, "num.partitions": 9}))
    assert found["log.retention.hours"] == "1"
    assert found["num.partitions"] == "9"


def test_a_backslash_survives_the_properties_file():
    assert render({"log.dirs": "C:\\data"}) == "log.dirs=C:\\\\data\n"
