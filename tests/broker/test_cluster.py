"""A real cluster that belongs to this process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streamframe.broker import BrokerSpec, LocalCluster
from streamframe.broker.ports import free_ports
from streamframe.broker.process import identify
from streamframe.core.errors import ConfigError
from tests.broker.processes import first_line, wait_until

pytestmark = pytest.mark.kafka

OWNER = """
import json, sys
from streamframe.broker import BrokerSpec, LocalCluster
cluster = LocalCluster(BrokerSpec(port=0))
cluster.start()
status = cluster.status()
print(json.dumps({"pid": status.nodes[0].pid, "data_dir": str(status.data_dir)}), flush=True)
sys.stdin.read()
"""


def write(cluster, topic, value, **settings):
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0, **settings})
    if "transactional.id" in settings:
        producer.init_transactions(30)
        producer.begin_transaction()
    producer.produce(topic, value, partition=0)
    if "transactional.id" in settings:
        producer.commit_transaction(30)
    assert producer.flush(30) == 0


def read_first(cluster, topic):
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    assert message.error() is None
    return message.value()


def create_topic(cluster, name):
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(name, 1)])[name].result(30)


def test_a_throw_away_broker_takes_transactions_at_once_and_leaves_nothing():
    with LocalCluster() as cluster:
        status, data_dir = cluster.status(), cluster.data_dir
        assert status.is_up
        create_topic(cluster, "t")
        write(cluster, "t", b"committed", **{"transactional.id": "x"})
        assert read_first(cluster, "t") == b"committed"
    assert identify(status.nodes[0].pid) is None
    assert not data_dir.exists()
    with pytest.raises(ConfigError, match="not started"):
        _ = cluster.bootstrap
    cluster.stop()


def test_the_new_group_protocol_is_on():
    with LocalCluster() as cluster:
        create_topic(cluster, "t")
        consumer = Consumer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "group.id": "g",
                "group.protocol": "consumer",
                "group.remote.assignor": "range",
                "log_level": 0,
            }
        )
        consumer.subscribe(["t"])
        assert wait_until(lambda: consumer.poll(0.05) is None and len(consumer.assignment()) == 1)
        consumer.close()


def test_a_killed_node_comes_back_with_its_data():
    with LocalCluster() as cluster:
        create_topic(cluster, "t")
        write(cluster, "t", b"kept")
        cluster.kill(1)
        assert not cluster.status().is_up
        cluster.revive(1)
        assert cluster.status().is_up
        assert read_first(cluster, "t") == b"kept"
        with pytest.raises(ConfigError, match="the node is running"):
            cluster.revive(1)
        with pytest.raises(ConfigError, match="no such node"):
            cluster.kill(2)


def test_data_in_a_directory_of_ones_own_survive_a_stop(tmp_path):
    spec = BrokerSpec(port=0, data_dir=tmp_path)
    with LocalCluster(spec) as cluster:
        create_topic(cluster, "t")
        write(cluster, "t", b"kept")
        with pytest.raises(ConfigError, match="running in this data directory") as caught:
            LocalCluster(spec).start()
        assert caught.value.facts["owner_pid"] == os.getpid()
    with LocalCluster(spec) as cluster:
        assert read_first(cluster, "t") == b"kept"


def test_a_killed_process_takes_its_broker_and_its_scratch_directory_with_it():
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        started = json.loads(first_line(owner))
        assert identify(started["pid"]) is not None
        owner.send_signal(signal.SIGKILL)
        assert wait_until(lambda: identify(started["pid"]) is None)
        assert wait_until(lambda: not Path(started["data_dir"]).exists())


def test_a_taken_port_is_named_with_the_process_that_has_it(tmp_path):
    with LocalCluster() as cluster:
        port = cluster.status().nodes[0].port
        with pytest.raises(ConfigError, match="the port is taken") as caught:
            LocalCluster(BrokerSpec(port=port, data_dir=tmp_path)).start()
        assert str(caught.value.facts["taken_by"]).startswith(f"{cluster.status().nodes[0].pid} (")


def test_a_broker_that_does_not_start_says_why_and_leaves_nothing(tmp_path):
    spec = BrokerSpec(port=free_ports(1)[0], data_dir=tmp_path, settings={"log.retention.hours": "never"})
    with pytest.raises(ConfigError, match=r"Invalid value never for configuration log\.retention\.hours"):
        LocalCluster(spec).start()
    assert not (tmp_path / "broker.json").exists()


@pytest.mark.slow
def test_three_nodes_go_on_without_any_one_of_them():
    with LocalCluster(BrokerSpec(nodes=3, port=0)) as cluster:
        create_topic(cluster, "t")
        for node in (1, 2, 3):
            cluster.kill(node)
            write(cluster, "t", b"%d" % node, acks="all", **{"message.timeout.ms": 60_000})
            cluster.revive(node)
            assert cluster.status().is_up
        assert read_first(cluster, "t") == b"1"
