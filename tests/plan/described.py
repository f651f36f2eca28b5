"""Two programs whose descriptions are kept as golden files."""

import pyarrow as pa

from streamframe.plan.nodes import (
    Aggregation,
    Assign,
    BatchSink,
    Cast,
    Explode,
    Filter,
    MapBatches,
    MetaColumn,
    Node,
    PrintSink,
    Project,
)
from tests.plan.programs import COLUMNS, late, plan, source, to, total, united


def _even(df):
    return df["amount"] % 2 == 0


def _write(df, batch_id):
    return None


def windows():
    """A repartition topic with partial aggregates, late rows, dead letters."""
    clicks = source(event_time="ts", max_ahead=60_000_000, on_error="skip", offset_reset="latest")
    kept = Filter(
        name="clicks-query-amount", schema=COLUMNS, input=clicks, uses=frozenset(["amount"]), predicate="amount > 0"
    )
    node = total(kept, "user")
    return plan(to(node, key=("user",)), to(late(node), "late"), dead_letters="dead")


def everything():
    """Every kind of step, rows mode, topics side by side, a name that was generated."""
    web, mobile = source("web", key=("user",)), source("mobile", key=("user",), idle_timeout=5_000_000)
    both = united(web, mobile, name="web-mobile-union")
    node: Node = Assign(
        name="a",
        schema=COLUMNS.append(pa.field("part", pa.int32())),
        input=both,
        uses=None,
        assignments=(("amount", _even), ("part", MetaColumn.PARTITION), ("page", "x")),
    )
    node = Filter(name="f", schema=node.schema, input=node, uses=frozenset(["amount"]), predicate=_even)
    names = [(name, name) for name in COLUMNS.names]
    node = Project(name="p", schema=COLUMNS, input=node, uses=frozenset(), columns=tuple(names))
    node = Cast(name="c", schema=COLUMNS, input=node, uses=frozenset(), columns=("amount",))
    node = Explode(name="e", schema=COLUMNS, input=node, uses=frozenset(["page"]), column="page")
    table = total(node, "user", name="web-mobile-by-user", window=None)
    unique = total(node, "page", name="unique", function="nunique", keep_null_keys=True)
    mapped = MapBatches(name="m", schema=COLUMNS, input=node, uses=None, function=_even, event_time="ts")
    object.__setattr__(table, "generated", True)
    assert isinstance(table.aggregations[0], Aggregation)
    return plan(
        to(table, "table"),
        BatchSink(name="b", schema=unique.schema, input=unique, function=_write),
        PrintSink(name="print", schema=COLUMNS, input=mapped),
    )
