"""Plans for the tests of the package: nodes written by hand, as short as they can be."""

import pyarrow as pa

from streamframe.core.serde_spec import SerdeSpec
from streamframe.plan.nodes import Aggregate, Aggregation, Filter, Late, Node, Plan, Source, TopicSink, Union, Window

COLUMNS = pa.schema(
    [("user", pa.large_string()), ("page", pa.large_string()), ("amount", pa.float64()), ("ts", pa.timestamp("ms"))]
)
MINUTE = Window(size=60_000_000, every=60_000_000, grace=10_000_000)


def source(topic="clicks", **fields) -> Source:
    return Source(
        name=topic, topic=topic, **{"schema": COLUMNS, "serde": SerdeSpec("json"), "generated": False} | fields
    )


def keep(before: Node, name="keep", uses=("amount",)) -> Filter:
    columns = None if uses is None else frozenset(uses)
    return Filter(name=name, schema=before.schema, input=before, uses=columns, predicate="amount > 0")


def total(before: Node, *keys, name="totals", window=MINUTE, function="sum", **fields) -> Aggregate:
    kept = [before.schema.field(key) for key in keys]
    times = [] if window is None else [pa.field(n, pa.timestamp("ms")) for n in ("window_start", "window_end")]
    return Aggregate(
        name=name,
        schema=pa.schema([*kept, *times, pa.field("amount", pa.float64())]),
        input=before,
        keys=keys,
        window=window,
        aggregations=(Aggregation(output="amount", function=function, inputs=("amount",), type=pa.float64()),),
        emit=fields.pop("emit", "final" if window else "changes"),
        generated=False,
        **fields,
    )


def late(aggregate: Aggregate) -> Late:
    times = [(n, pa.timestamp("ms")) for n in ("window_start", "window_end")]
    schema = pa.schema([*aggregate.input.schema, *times, ("late_by", pa.duration("us"))])
    return Late(name=f"{aggregate.name}-late", schema=schema, aggregate=aggregate)


def united(*branches: Node, name="both") -> Union:
    return Union(name=name, schema=branches[0].schema, branches=branches)


def to(before: Node, topic="out", **fields) -> TopicSink:
    return TopicSink(
        name=f"to-{topic}", schema=before.schema, input=before, topic=topic, serde=SerdeSpec("json"), **fields
    )


def plan(*sinks, application="app", **fields) -> Plan:
    return Plan(application=application, sinks=sinks, **fields)
