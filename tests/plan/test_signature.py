"""What may change while state lives on, and what may not."""

from dataclasses import replace

import pytest

from streamframe.plan.compile import compile_plan
from streamframe.plan.nodes import Window
from streamframe.plan.signature import state_signature, window_text
from tests.plan.programs import MINUTE, keep, late, plan, source, to, total


def fingerprint(*sinks):
    return compile_plan(plan(*sinks)).fingerprint


ORIGINAL = fingerprint(to(total(source(), "user")))


def test_the_signature_reads_like_a_description():
    text = state_signature(compile_plan(plan(to(total(source(), "user")))))

    assert text.splitlines() == [
        "store totals",
        "  key user: large_string",
        "  null keys: dropped",
        "  partitioned by: user (repartition topic)",
        "  window: tumbling 1min, grace 10s",
        "  column amount: sum(amount: double) -> double",
    ]


@pytest.mark.parametrize(
    "sinks",
    [
        (to(total(keep(source()), "user")),),
        (to(total(source("renamed"), "user")),),
        (to(total(source(), "user", emit="changes")),),
        (to(total(source(), "user"), "elsewhere"), to(keep(source("more")), "also")),
    ],
    ids=["a filter before", "another topic", "another emission", "more sinks"],
)
def test_what_does_not_touch_stored_bytes_keeps_the_fingerprint(sinks):
    assert fingerprint(*sinks) == ORIGINAL


def test_reading_late_rows_keeps_the_fingerprint():
    node = total(source(), "user")

    assert fingerprint(to(node), to(late(node), "late")) == ORIGINAL


@pytest.mark.parametrize(
    "node",
    [
        total(source(), "user", name="others"),
        total(source(), "page"),
        total(source(), "user", "page"),
        total(source(), "user", function="mean"),
        total(source(), "user", window=replace(MINUTE, size=120_000_000)),
        total(source(), "user", window=replace(MINUTE, offset=1_000)),
        total(source(), "user", window=None),
        total(source(), "user", keep_null_keys=True),
        total(source(key=("user",)), "user"),
    ],
    ids=["name", "key", "keys", "function", "size", "offset", "no window", "nulls", "partitioning"],
)
def test_what_changes_the_meaning_of_stored_bytes_changes_the_fingerprint(node):
    assert fingerprint(to(node)) != ORIGINAL


def test_a_stateless_program_stores_nothing():
    assert state_signature(compile_plan(plan(to(source())))) == ""


def test_windows_are_said_in_words():
    assert window_text(None) == "none"
    assert window_text(Window(size=60_000_000, every=10_000_000, offset=1_000_000)) == (
        "hopping 1min every 10s, grace 0s, offset 1s"
    )
