"""Equal seeds draw equal faults."""

from __future__ import annotations

from tests.faults.plan import Fault, Plan
from tests.faults.wire import Api, Head

REQUESTS = [Head(api, 1, number) for number in range(60) for api in Api]


def fates(plan: Plan, requests: list[Head]) -> list[Fault | None]:
    plan.begin()
    return [plan.decide(head) for head in requests]


def test_equal_seeds_draw_equal_faults_and_others_do_not() -> None:
    assert fates(Plan("mix", 3), REQUESTS) == fates(Plan("mix", 3), REQUESTS)
    assert fates(Plan("mix", 3), REQUESTS) != fates(Plan("mix", 4), REQUESTS)


def test_the_fate_of_a_request_does_not_depend_on_other_apis() -> None:
    commits = [head for head in REQUESTS if head.api == Api.END_TXN]
    together = fates(Plan("T-05", 3), REQUESTS)

    assert [fate for head, fate in zip(REQUESTS, together, strict=True) if head in commits] == fates(
        Plan("T-05", 3), commits
    )


def test_nothing_happens_before_the_beginning_and_after_the_end() -> None:
    plan = Plan("T-05", 3)
    before = [plan.decide(head) for head in REQUESTS]
    plan.begin()
    plan.end()

    assert not any(before)
    assert not any(plan.decide(head) for head in REQUESTS)
