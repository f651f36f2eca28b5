"""Settings of the whole test run, and the broker that its tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from streamframe.core import acceleration

if TYPE_CHECKING:
    from streamframe.testing import KafkaBroker

# Two cores shared with a broker: how long one example takes says nothing. The examples come from the source of
# the test, so that a green run stays green; `pytest --hypothesis-profile=explore` looks further.
settings.register_profile("streamframe", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("streamframe")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """One real broker for the whole run, started when the first test asks for it.

    Tests share it, so they make topics, groups and transactional ids of their own, and leave its node alone.
    """
    from streamframe.testing import KafkaBroker

    with KafkaBroker() as broker:
        yield broker


def pytest_configure() -> None:
    """Refuse to call a run on the pure path one on the native path."""
    if os.environ.get("STREAMFRAME_NATIVE") == "1" and acceleration.native is None:
        raise pytest.UsageError(f"STREAMFRAME_NATIVE=1, but the data path is {acceleration.description}")


def pytest_report_header() -> str:
    """Say which data path is tested."""
    return f"data path: {acceleration.description}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the broker, so that `-m "not kafka"` never starts one by a forgotten mark."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)
