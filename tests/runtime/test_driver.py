"""One turn of a worker: what is in hand when something goes wrong in the middle of it."""

from __future__ import annotations

import json
from dataclasses import replace

from streamframe.core.batch import OutputBatch
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import CommitSettings
from streamframe.engine.ports import CommitRequest, TransactionAborted
from streamframe.runtime.pacing import REST_MAX
from streamframe.testing.memory_cluster import MemoryCluster
from tests.laws.worlds import keyed_app


def a_cluster_whose_first_commit_fails() -> MemoryCluster:
    app = keyed_app()
    settings = replace(app.settings, commit=CommitSettings(changed_bytes_max=0))
    cluster = MemoryCluster(app.topology(), settings, {"clicks": 2, "totals": 1, "late": 1})
    log = cluster.add("w").log
    commit = log.commit
    failures = [TransactionAborted("the group is rebalancing")]

    def commit_or_fail(request: CommitRequest) -> object:
        if failures:
            raise failures.pop()
        return commit(request)

    log.commit = commit_or_fail  # type: ignore[method-assign,assignment]
    for partition, user in enumerate("ab"):
        for time in (0, 1_000, 60_000):
            row = {"user": user, "page": "/", "amount": 1, "ts": time}
            cluster.broker.append(TopicPartition("clicks", partition), json.dumps(row).encode(), key=user.encode())
    return cluster


def test_records_in_hand_are_not_taken_after_everything_went_back() -> None:
    """The first batch of the turn makes a commit that fails; the other partition's batch is still in hand.

    Every partition goes back to its committed offset. What is in hand, records and ends of partitions, is
    read again from there; taken now it would let positions jump over records that nobody has processed.
    """
    cluster = a_cluster_whose_first_commit_fails()
    for _ in range(2):
        cluster.broker.append(TopicPartition("clicks", 1), b'{"user":"b","page":"/","amount":1,"ts":61000}', key=b"b")

    cluster.rebalance()
    cluster.settle()

    counts = {
        json.loads(e.value or b"")["user"]: json.loads(e.value or b"")["n"] for _, e in cluster.broker.records("totals")
    }
    assert counts == {"a": 2, "b": 2}
    assert cluster.members["w"].driver.worker.rollbacks == 1


def test_records_in_hand_that_follow_others_which_went_back_are_not_taken() -> None:
    """Partition 1 was read to its second record; the third is in hand when the work on partition 0 fails."""
    app = keyed_app()
    turns = [[(TopicPartition("clicks", 1), 2)], [(TopicPartition("clicks", 0), 3), (TopicPartition("clicks", 1), 1)]]
    cluster = MemoryCluster(
        app.topology(),
        app.settings,
        {"clicks": 2, "totals": 1, "late": 1},
        chooser=lambda available: turns.pop(0) if turns else sorted(available.items()),
    )
    for partition, (user, times) in enumerate({"a": (0, 60_000, 0), "b": (0, 1_000, 60_000)}.items()):
        for time in times:
            row = {"user": user, "page": "/", "amount": 1, "ts": time}
            cluster.broker.append(TopicPartition("clicks", partition), json.dumps(row).encode(), key=user.encode())
    log = cluster.add("w").log
    produce = log.produce
    failures = [TransactionAborted("the late row cannot be written")]

    def produce_or_fail(batch: OutputBatch) -> None:
        if failures:
            raise failures.pop()
        produce(batch)

    log.produce = produce_or_fail  # type: ignore[method-assign]
    cluster.rebalance()
    for _ in range(2):
        # No time passes, so nothing is committed in between.
        cluster.step()
    assert not failures
    cluster.settle()

    counts = {
        json.loads(e.value or b"")["user"]: json.loads(e.value or b"")["n"] for _, e in cluster.broker.records("totals")
    }
    assert counts == {"a": 1, "b": 2}


def test_the_end_of_a_partition_in_hand_is_not_believed_after_everything_went_back() -> None:
    cluster = a_cluster_whose_first_commit_fails()
    cluster.broker.partition(TopicPartition("clicks", 1)).delete_before(3)

    cluster.rebalance()
    cluster.settle()

    assert [json.loads(e.value or b"")["n"] for _, e in cluster.broker.records("totals")] == [2]


def test_after_a_few_records_the_loop_rests_and_after_none_it_does_not() -> None:
    app = keyed_app()
    cluster = MemoryCluster(app.topology(), app.settings, {"clicks": 2, "totals": 1, "late": 1})
    driver = cluster.add("w").driver
    cluster.rebalance()
    cluster.settle()
    rests: list[int] = []
    driver._rest = rests.append

    driver.step()
    driver.step()
    assert rests == []

    cluster.broker.append(TopicPartition("clicks", 0), b'{"user":"a","page":"/","amount":1,"ts":0}', key=b"a")
    driver.step()
    driver.step()
    driver.step()
    assert len(rests) == 1
    assert 0 < rests[0] <= REST_MAX
