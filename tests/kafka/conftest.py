"""One broker for all tests of the adapter; each test has topics and groups of its own."""

from collections.abc import Iterator

import pytest

from streamframe.testing.broker import KafkaBroker
from tests.kafka.cluster import Cluster


@pytest.fixture(scope="session")
def broker() -> Iterator[KafkaBroker]:
    with KafkaBroker() as running:
        yield running


@pytest.fixture
def cluster(broker: KafkaBroker) -> Iterator[Cluster]:
    with Cluster(broker) as fresh:
        yield fresh
