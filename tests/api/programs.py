"""A topic and a builder for the tests of the package."""

from typing import Any

from streamframe.api.builder import PlanBuilder
from streamframe.plan.compile import compile_plan
from streamframe.plan.topology import Topology

CLICKS = {
    "user": "string",
    "page": "string",
    "amount": "float64",
    "n": "int64",
    "big": "uint64",
    "ok": "bool",
    "tags": "list<string>",
    "ts": "timestamp[ms]",
}


def builder() -> PlanBuilder:
    return PlanBuilder("app")


def clicks(made_by=None, name="clicks", **options) -> Any:
    """Return a frame of clicks, of a new program unless told otherwise; tests write what no type checker takes."""
    return (made_by or builder()).topic(name, CLICKS, **options)


def compiled(made_by) -> Topology:
    return compile_plan(made_by.plan())
