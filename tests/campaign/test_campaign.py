"""Short crash campaigns on a real broker; longer ones: ``python -m tests.campaign.campaign --help``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.workload import Workload
from streamframe.testing.broker import KafkaBroker
from tests.campaign.campaign import Campaign, run_campaign
from tests.campaign.fleet import StateTreatment
from tests.campaign.stream import produce

WORKLOAD = Workload(records=150_000, users=500, span_s=200)


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    with KafkaBroker() as found:
        found.create_topic("clicks", WORKLOAD.partitions, config={"retention.ms": "-1"})
        produce(found.bootstrap, WORKLOAD.frame(), partitions=WORKLOAD.partitions)
        yield found


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "state"),
    [(("user",), "kept"), (("country", "category"), "wiped"), (("user",), "rolled-back")],
)
def test_killed_workers_leave_no_trace_in_the_output(
    broker: KafkaBroker, keys: tuple[str, ...], state: StateTreatment
) -> None:
    campaign = Campaign(workload=WORKLOAD, keys=keys, kills=3, pause=1.0, state=state, seed=7)

    verdict = run_campaign(broker, campaign, f"campaign-{keys[0]}-{state}")

    assert verdict.perfect, verdict
    assert verdict.expected > 100
