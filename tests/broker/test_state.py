"""The state files survive a round trip, and a broken one is named."""

import os

import pytest

from streamframe.broker.process import ProcessId, identify
from streamframe.broker.state import (
    ClusterIdentity,
    RunningCluster,
    clear_running,
    data_dir_of_port,
    find_data_dir,
    forget_port,
    point_to_data_dir,
    read_identity,
    read_running,
    write_identity,
    write_running,
)
from streamframe.core.errors import ConfigError

DEAD = ProcessId(pid=os.getpid(), started="in another life")


def running(owner=None, **processes):
    return RunningCluster(
        owner=owner,
        processes={int(node[1:]): process for node, process in processes.items()} or {1: DEAD},
        broker_ports=(7001, 7002, 7003),
        controller_ports=(8001, 8002, 8003),
        version="4.1.2",
    )


def test_what_was_written_is_read_back(tmp_path):
    written = running(owner=identify(os.getpid()), n1=DEAD, n2=DEAD)
    write_running(tmp_path, written)
    assert read_running(tmp_path) == written
    identity = ClusterIdentity(cluster_id="abc", nodes=3, version="4.1.2")
    write_identity(tmp_path, identity)
    assert read_identity(tmp_path) == identity


def test_a_new_directory_holds_nothing(tmp_path):
    assert read_running(tmp_path) is None
    assert read_identity(tmp_path) is None
    clear_running(tmp_path)


def test_only_processes_that_run_count():
    me = identify(os.getpid())
    assert running(n1=DEAD, n2=me).alive() == {2: me}


def test_clients_get_every_address():
    assert running().bootstrap == "127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}'])
def test_a_broken_state_file_is_named_with_the_way_out(tmp_path, content):
    (tmp_path / "broker.json").write_text(content)
    with pytest.raises(ConfigError, match="delete the file") as caught:
        read_running(tmp_path)
    assert caught.value.facts["path"] == str(tmp_path / "broker.json")


def test_a_port_leads_to_the_directory_it_was_started_with(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMFRAME_CACHE", str(tmp_path))
    assert find_data_dir(7001) == data_dir_of_port(7001) == tmp_path / "data" / "7001"
    point_to_data_dir(7001, tmp_path / "elsewhere")
    assert find_data_dir(7001) == tmp_path / "elsewhere"
    forget_port(7001)
    assert find_data_dir(7001) == tmp_path / "data" / "7001"
