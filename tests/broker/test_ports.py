"""Free ports and taken ones."""

import os
import socket

from streamframe.broker.ports import free_ports, is_free, listener


def test_free_ports_are_different_and_free():
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert all(is_free(port) for port in ports)


def test_a_port_with_a_listener_is_taken_and_its_process_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert str(listener(port)).startswith(f"{os.getpid()} (")
    assert is_free(port)


def test_nobody_listens_on_a_free_port():
    assert listener(free_ports(1)[0]) is None
