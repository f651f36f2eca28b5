"""Batches for functions: kept until they were taken, always with the same id and rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streamframe.core.errors import StoreIncompatible
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.plan.nodes import BatchSink, Node, Window
from streamframe.plan.topology import StoreDeclaration, Topology
from streamframe.state.changelog import POSITION_KEY
from streamframe.state.meta import SIGNATURE_KEY
from streamframe.state.store import Changes
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology

MS = 1_000
SCHEMA = {"user": "string", "page": "string", "amount": "int64", "ts": "timestamp[us]"}
TASK = TaskId(0, 0)
TEN = Window(size=10 * MS, every=10 * MS)


def clicks(**options: Any) -> Node:
    return source(schema=SCHEMA, **options)


def rows(*times: int) -> list[dict[str, Any]]:
    return [{"user": "a", "page": "p", "amount": t, "ts": t * MS} for t in times]


def with_outbox(top: Topology) -> Topology:
    """Give the sink a store, as the compiler does for stateful steps."""
    sub = top.sub_topologies[0]
    stages = tuple(
        replace(stage, store="alerts") if isinstance(stage.node, BatchSink) else stage for stage in sub.stages
    )
    store = StoreDeclaration(name="alerts", changelog="app-alerts-changelog", node=stages[-1].node, windowed=False)
    return replace(top, sub_topologies=(replace(sub, stages=stages, stores=(store,)),))


@pytest.fixture
def outbox() -> Cluster:
    node = clicks()
    sink = BatchSink(name="alerts", schema=node.schema, input=node, function=print)
    return Cluster(with_outbox(topology(sink)))


def taken(cluster: Cluster) -> list[tuple[str, list[int]]]:
    found = [(each.batch_id, each.frame["amount"].tolist()) for each in cluster.deliveries]
    cluster.deliveries = []
    return found


def test_rows_of_a_commit_are_one_batch_with_an_id_of_its_own(outbox: Cluster) -> None:
    outbox.send("clicks", rows(1, 2), by="user")
    outbox.run(1)
    assert taken(outbox) == [("alerts-0-1", [1]), ("alerts-0-2", [2])]


def test_a_batch_that_was_not_taken_is_delivered_again_with_the_same_id_and_rows(outbox: Cluster) -> None:
    outbox.send("clicks", rows(1, 2), by="user")
    outbox.run()
    first = taken(outbox)
    outbox.crash(TASK)
    assert outbox.tasks[TASK].program.dirty
    outbox.commit(TASK)
    assert taken(outbox) == first == [("alerts-0-1", [1, 2])]


def test_a_commit_says_whether_batches_are_left_that_no_function_has_taken(outbox: Cluster) -> None:
    program = outbox.tasks[TASK].program
    outbox.send("clicks", rows(1), by="user")
    outbox.read(TASK, TopicPartition("clicks", 0), 10)
    assert program.seal(0).undelivered
    assert program.seal(0).undelivered, "a later commit does not change that"
    program.delivered("alerts", "alerts-0-1")
    assert not program.seal(0).undelivered


def test_a_batch_that_was_taken_is_deleted_by_the_next_commit_and_its_id_is_never_used_again(outbox: Cluster) -> None:
    outbox.send("clicks", rows(1), by="user")
    outbox.run()
    dirty = [outbox.tasks[TASK].program.dirty]
    outbox.tasks[TASK].program.delivered("alerts", "alerts-0-1")
    dirty.append(outbox.tasks[TASK].program.dirty)
    outbox.commit(TASK)
    dirty.append(outbox.tasks[TASK].program.dirty)
    outbox.crash(TASK)
    dirty.append(outbox.tasks[TASK].program.dirty)
    assert dirty == [False, True, False, False]
    taken(outbox)
    outbox.send("clicks", rows(3), by="user")
    outbox.run()
    assert [batch_id for batch_id, _ in taken(outbox)] == ["alerts-0-3"]


def test_a_batch_that_was_taken_stays_gone_when_its_tombstone_was_never_seen(outbox: Cluster) -> None:
    """An older copy of the store comes back after the changelog has dropped the tombstone."""
    store = outbox.tasks[TASK].stores["alerts"]
    for number in (1, 2):
        outbox.send("clicks", rows(number), by="user")
        outbox.run()
    older = [(key, value) for key, value in store.content().items() if key.startswith(b"e")]
    outbox.tasks[TASK].program.delivered("alerts", "alerts-0-2")
    outbox.commit(TASK)
    store.write(Changes(puts=older))
    taken(outbox)
    outbox.crash(TASK)
    outbox.commit(TASK)

    assert [batch_id for batch_id, _ in taken(outbox)] == ["alerts-0-1"]
    outbox.tasks[TASK].program.delivered("alerts", "alerts-0-1")
    outbox.commit(TASK)
    assert not [key for key in store.content() if key.startswith(b"e")]


def test_what_others_keep_in_the_store_is_left_alone(outbox: Cluster) -> None:
    outbox.tasks[TASK].stores["alerts"].write(
        Changes(puts=[(POSITION_KEY, b"position"), (SIGNATURE_KEY, b"signature")])
    )
    outbox.crash(TASK)
    outbox.send("clicks", rows(1), by="user")
    outbox.run()
    outbox.crash(TASK)
    outbox.commit(TASK)
    assert [batch_id for batch_id, _ in taken(outbox)] == ["alerts-0-1", "alerts-0-1"]


def test_a_large_batch_is_stored_in_records_that_a_broker_accepts(outbox: Cluster) -> None:
    outbox.send("clicks", [{**row, "page": "x" * 50_000} for row in rows(*range(100))], by="user")
    outbox.run()
    store = outbox.tasks[TASK].stores["alerts"].content()
    assert max(len(value) for value in store.values()) < 1_000_000
    taken(outbox)
    outbox.crash(TASK)
    outbox.commit(TASK)
    assert taken(outbox) == [("alerts-0-1", list(range(100)))]


def test_a_store_of_something_else_is_refused(outbox: Cluster) -> None:
    totals = aggregate(clicks(), ["user"], {"n": ("amount", "size")}, TEN, name="alerts")
    other = Cluster(topology(to_topic(totals)))
    other.send("clicks", rows(1), by="user")
    other.run()
    outbox.tasks[TASK].stores = other.tasks[TASK].stores
    with pytest.raises(StoreIncompatible, match="does not hold batches"):
        outbox.crash(TASK)
