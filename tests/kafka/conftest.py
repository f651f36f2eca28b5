"""One broker for all tests of the adapter; each test has topics and groups of its own."""

from collections.abc import Iterator

import pytest

from streamframe.testing.broker import KafkaBroker
from tests.kafka.cluster import SINK, SOURCE, Cluster
from tests.kafka.mock_cluster import MockCluster


@pytest.fixture(scope="session")
def broker() -> Iterator[KafkaBroker]:
    with KafkaBroker() as running:
        yield running


@pytest.fixture
def cluster(broker: KafkaBroker) -> Iterator[Cluster]:
    with Cluster(broker) as fresh:
        yield fresh


@pytest.fixture
def mocked() -> Iterator[MockCluster]:
    """A broker that needs no broker, with a topic to read and one to write."""
    with MockCluster() as cluster:
        cluster.create_topic(SOURCE.topic)
        cluster.create_topic(SINK.topic)
        yield cluster
