"""`streamframe broker` as it is typed."""

import argparse

import pytest

from streamframe.broker.ports import free_ports
from streamframe.cli import broker
from streamframe.core.errors import ConfigError


def run(*words):
    parser = argparse.ArgumentParser(prog="streamframe")
    broker.add_parser(parser.add_subparsers(dest="command", required=True))
    return broker.run(parser.parse_args(["broker", *map(str, words)]))


@pytest.fixture
def port():
    return free_ports(1)[0]


def test_where_nothing_runs_status_says_so_and_stop_is_content(port, capsys):
    assert run("status", "--port", port) == 1
    assert run("stop", "--port", port) == 0
    assert capsys.readouterr().out == f"no broker is running on port {port}\nno broker was running on port {port}\n"


def test_a_server_property_without_a_value_is_refused(port, tmp_path):
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        run("start", "--port", port, "--data-dir", tmp_path, "--set", "num.partitions")


def test_an_unknown_number_of_nodes_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        run("start", "--nodes", 2)
    assert caught.value.code == 2
    assert "--nodes" in capsys.readouterr().err


@pytest.mark.kafka
def test_start_prints_the_addresses_status_the_nodes_and_stop_the_count(port, tmp_path, capsys):
    try:
        assert run("start", "--port", port, "--data-dir", tmp_path, "--set", "num.partitions=2") == 0
        started = capsys.readouterr()
        assert started.out == f"127.0.0.1:{port}\n"
        assert f"stop it with: streamframe broker stop --port {port}" in started.err
        assert run("status", "--port", port) == 0
        assert f"node 1  127.0.0.1:{port}" in capsys.readouterr().out
    finally:
        assert run("stop", "--port", port) == 0
    assert capsys.readouterr().out.startswith("stopped 1 node in")
    assert "num.partitions=2" in (tmp_path / "node1" / "server.properties").read_text()
