"""A data directory has one owner; what a crash left is cleaned up."""

import os
import subprocess

import pytest

from streamframe.broker.ownership import claimed
from streamframe.broker.process import ProcessId, identify, is_alive
from streamframe.broker.spec import BrokerSpec
from streamframe.broker.state import RunningCluster, read_identity, read_running, write_running
from streamframe.core.errors import ConfigError
from tests.broker.processes import SLEEP

DEAD = ProcessId(pid=os.getpid(), started="in another life")


@pytest.fixture
def node():
    """A process that stands for a broker."""
    with subprocess.Popen(SLEEP) as process:
        yield identify(process.pid)
        process.kill()


def write_state(data_dir, *, owner, node):
    write_running(
        data_dir,
        RunningCluster(
            owner=owner, processes={1: node}, broker_ports=(7001,), controller_ports=(8001,), version="4.1.2"
        ),
    )


def test_a_new_directory_gets_an_identity_that_stays(tmp_path):
    with claimed(tmp_path / "new", BrokerSpec()) as first:
        pass
    with claimed(tmp_path / "new", BrokerSpec()) as second:
        pass
    assert first == second == read_identity(tmp_path / "new")


def test_a_directory_with_a_running_broker_is_refused_with_its_process_id(tmp_path, node):
    write_state(tmp_path, owner=None, node=node)
    with pytest.raises(ConfigError, match=f"streamframe broker stop --data-dir {tmp_path}") as caught:
        claimed(tmp_path, BrokerSpec()).__enter__()
    assert caught.value.facts["pids"] == [node.pid]
    assert is_alive(node)


def test_a_directory_of_a_living_owner_is_refused_with_the_owners_process_id(tmp_path, node):
    write_state(tmp_path, owner=identify(os.getpid()), node=node)
    with pytest.raises(ConfigError) as caught:
        claimed(tmp_path, BrokerSpec()).__enter__()
    assert caught.value.facts["owner_pid"] == os.getpid()
    assert is_alive(node)


def test_the_state_of_dead_processes_is_cleaned_up(tmp_path):
    write_state(tmp_path, owner=None, node=DEAD)
    with claimed(tmp_path, BrokerSpec()):
        assert read_running(tmp_path) is None


def test_a_broker_whose_owner_is_dead_is_ended(tmp_path, node):
    write_state(tmp_path, owner=DEAD, node=node)
    with claimed(tmp_path, BrokerSpec()):
        assert not is_alive(node)
        assert read_running(tmp_path) is None


def test_a_directory_of_one_node_does_not_become_one_of_three(tmp_path):
    with claimed(tmp_path, BrokerSpec()):
        pass
    with pytest.raises(ConfigError, match="--nodes 1"):
        claimed(tmp_path, BrokerSpec(nodes=3)).__enter__()


def test_an_older_kafka_does_not_open_what_a_newer_one_wrote(tmp_path):
    with claimed(tmp_path, BrokerSpec(version="4.1.2")):
        pass
    with claimed(tmp_path, BrokerSpec(version="4.10.0")):
        pass
    with pytest.raises(ConfigError, match=r"--version 4\.10\.0"):
        claimed(tmp_path, BrokerSpec(version="4.9.0")).__enter__()
