"""Where rows leave: keys and timestamps of records, batches for functions, printed text."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from streamframe.core.ids import TaskId
from streamframe.plan.nodes import Filter, Node, PrintSink, Project, Sink, Window
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology

MS = 1_000
SCHEMA = {"user": "string", "page": "string", "amount": "int64", "ts": "timestamp[us]"}
TASK = TaskId(0, 0)
TEN = Window(size=10 * MS, every=10 * MS)


def clicks(**options: Any) -> Node:
    return source(schema=SCHEMA, **options)


def rows(*times: int) -> list[dict[str, Any]]:
    return [{"user": "a", "page": "p", "amount": t, "ts": t * MS} for t in times]


def keys(cluster: Cluster) -> list[bytes | None]:
    return [record.key for record in cluster.outputs["out"]]


def sent(*sinks: Sink) -> Cluster:
    cluster = Cluster(topology(*sinks))
    cluster.send("clicks", rows(1, 15), by="user")
    return cluster.run(flush=True)


def test_rows_keep_the_key_of_their_record_and_their_event_time() -> None:
    node = clicks()
    kept = Filter(name="filter", schema=node.schema, input=node, predicate="amount > 1")
    cluster = sent(to_topic(kept))
    assert keys(cluster) == [b"a"]
    assert cluster.outputs["out"][0].timestamp == 15


def test_chosen_key_columns_are_encoded() -> None:
    assert keys(sent(to_topic(clicks(), key=("user", "amount")))) == [b'["a",1]', b'["a",15]']


def test_results_are_keyed_by_their_group_also_when_the_columns_were_renamed_away() -> None:
    totals = aggregate(clicks(), ["user"], {"n": ("amount", "size")}, TEN)
    only = Project(name="only", schema=pa.schema([totals.schema.field("n")]), input=totals, columns=(("n", "n"),))
    assert keys(sent(to_topic(only))) == [b"a", b"a"]


def test_changes_of_windows_are_keyed_by_group_and_window() -> None:
    totals = aggregate(clicks(), ["user"], {"n": ("amount", "size")}, TEN, emit="changes")
    assert keys(sent(to_topic(totals))) == [b'["a",0]', b'["a",10]']


def test_printed_rows_are_text_with_a_limit() -> None:
    node = clicks()
    cluster = sent(PrintSink(name="print", schema=node.schema, input=node, limit=1, prefix="> "))
    (text,) = cluster.prints
    assert text.splitlines()[-1] == "> … and 1 more rows"
    assert all(line.startswith("> ") for line in text.splitlines())
    assert "user" in text
