"""A wrong wish is refused before anything is fetched or started."""

import pytest

from streamframe.broker import BrokerSpec
from streamframe.core.errors import ConfigError


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": 2},
        {"port": -1},
        {"port": 65536},
        {"port": 65534, "nodes": 3},
        {"version": "3.9.0"},
        {"version": "latest"},
        {"heap": "lots"},
    ],
)
def test_a_wish_that_no_broker_can_fulfil_is_refused(wrong):
    with pytest.raises(ConfigError):
        BrokerSpec(**wrong)


def test_three_nodes_get_less_heap_each_unless_it_is_given():
    assert BrokerSpec().heap_size == "512m"
    assert BrokerSpec(nodes=3).heap_size == "384m"
    assert BrokerSpec(nodes=3, heap="2g").heap_size == "2g"
