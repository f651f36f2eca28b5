"""A real broker that stays between commands."""

import os
import signal

import pytest

from streamframe.broker import BrokerSpec, LocalCluster, detached_status, start_detached, stop_detached
from streamframe.broker.ports import free_ports
from streamframe.broker.process import identify
from streamframe.core.errors import ConfigError

pytestmark = pytest.mark.kafka


@pytest.fixture
def spec(tmp_path):
    """A broker with a port and a directory of its own, stopped at the end whatever happens."""
    (port,) = free_ports(1)
    yield BrokerSpec(port=port, data_dir=tmp_path / "data")
    stop_detached(port=port, data_dir=tmp_path / "data")


def test_a_detached_broker_is_found_by_its_port_until_it_is_stopped(spec):
    started = start_detached(spec)
    pid = started.nodes[0].pid
    assert started.is_up
    assert started.bootstrap == f"127.0.0.1:{spec.port}"
    assert os.getsid(pid) != os.getsid(0)
    found = detached_status(port=spec.port)
    assert found is not None
    assert found.data_dir == spec.data_dir
    assert found.nodes[0].pid == pid
    assert stop_detached(port=spec.port) == 1
    assert identify(pid) is None
    assert detached_status(port=spec.port) is None
    assert stop_detached(port=spec.port) == 0


def test_a_second_start_is_refused_and_names_the_first(spec, tmp_path):
    started = start_detached(spec)
    with pytest.raises(ConfigError, match="running already") as caught:
        start_detached(BrokerSpec(port=spec.port, data_dir=tmp_path / "other"))
    assert caught.value.facts["pids"] == [started.nodes[0].pid]
    with pytest.raises(ConfigError, match="running in this data directory"):
        start_detached(BrokerSpec(port=free_ports(1)[0], data_dir=spec.data_dir))


def test_after_a_crash_it_starts_again(spec):
    first = start_detached(spec)
    os.kill(first.nodes[0].pid, signal.SIGKILL)
    found = detached_status(port=spec.port)
    assert found is not None
    assert not found.is_up
    second = start_detached(spec)
    assert second.is_up
    assert second.nodes[0].pid != first.nodes[0].pid


def test_stop_leaves_the_broker_of_a_living_process_alone(tmp_path):
    with LocalCluster(BrokerSpec(port=0, data_dir=tmp_path)) as cluster:
        with pytest.raises(ConfigError, match="belongs to a running process") as caught:
            stop_detached(port=9092, data_dir=tmp_path)
        assert caught.value.facts["owner_pid"] == os.getpid()
        assert cluster.status().is_up


def test_a_broken_start_leaves_no_process(spec):
    broken = BrokerSpec(port=spec.port, data_dir=spec.data_dir, settings={"num.io.threads": "-5"})
    with pytest.raises(ConfigError, match=r"num\.io\.threads"):
        start_detached(broken)
    assert detached_status(port=spec.port, data_dir=spec.data_dir) is None
