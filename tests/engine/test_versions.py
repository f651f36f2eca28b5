"""State and offsets belong together, or the work does not begin."""

from __future__ import annotations

import json

import pytest

from streamframe.core.errors import StateError, StoreCorrupted
from streamframe.core.ids import TaskId, TopicPartition
from streamframe.engine.versions import check_versions, versions_of, with_versions
from streamframe.state.memory import MemoryStore
from streamframe.state.meta import META_KEY, StateMeta
from streamframe.testing.memory_cluster import MemoryCluster
from tests.laws.worlds import keyed_app

TASK = TaskId(0, 0)
CLICKS = TopicPartition("clicks", 0)


def a_store(version: int) -> MemoryStore:
    return MemoryStore({META_KEY: StateMeta(seq=version, fingerprint=b"f" * 16).encode()} if version else {})


def check(committed: int, found: int, *, from_changelog: bool = True) -> None:
    readers = {"totals": a_store(found)}
    check_versions(TASK, {"totals": committed}, readers, from_changelog=from_changelog)


def test_versions_come_back_from_the_text_of_the_offsets() -> None:
    text = with_versions("1:5", {"totals": 3, "new": 0, "a.b-c_d": 12}) + "|flushed:token"

    assert versions_of([text, "", "1:7"]) == {"totals": 3, "a.b-c_d": 12}


def test_state_of_the_committed_version_is_accepted() -> None:
    check(3, 3)


@pytest.mark.parametrize("found", [0, 2, 4])
def test_state_of_another_version_is_refused_when_the_changelog_has_no_other(found: int) -> None:
    with pytest.raises(StateError, match="does not belong to its committed offsets"):
        check(3, found)


def test_a_local_store_of_another_version_is_rebuilt_first() -> None:
    with pytest.raises(StoreCorrupted):
        check(3, 2, from_changelog=False)


def a_cluster_that_has_committed_state() -> tuple[MemoryCluster, str]:
    app = keyed_app()
    cluster = MemoryCluster(app.topology(), app.settings, {"clicks": 1, "totals": 1, "late": 1})
    for number in range(3):
        row = {"user": "a", "page": "/", "amount": 1, "ts": number}
        cluster.broker.append(CLICKS, json.dumps(row).encode(), key=b"a")
    cluster.add("w")
    cluster.rebalance()
    cluster.settle()
    cluster.stop("w")
    [changelog] = [topic for topic in cluster.broker.topics if topic.endswith("-changelog")]
    return cluster, changelog


def start_again(cluster: MemoryCluster) -> None:
    cluster.add("w")
    cluster.rebalance()
    cluster.settle()


@pytest.mark.parametrize("wiped", [False, True])
def test_a_changelog_that_was_deleted_and_made_again_is_an_error_and_not_empty_state(wiped: bool) -> None:
    cluster, changelog = a_cluster_that_has_committed_state()
    cluster.broker.delete_topic(changelog)
    cluster.broker.create_topic(changelog, 1)
    if wiped:
        cluster.stores.disks.clear()

    with pytest.raises(StateError, match="does not belong to its committed offsets"):
        start_again(cluster)


def test_a_changelog_whose_end_was_cut_off_is_an_error() -> None:
    cluster, changelog = a_cluster_that_has_committed_state()
    partition = cluster.broker.partition(TopicPartition(changelog, 0))
    del partition.entries[:]
    cluster.stores.disks.clear()

    with pytest.raises(StateError, match="committed=1"):
        start_again(cluster)


def test_offsets_that_were_set_by_hand_say_nothing_of_state() -> None:
    cluster, _ = a_cluster_that_has_committed_state()
    from streamframe.core.ids import Offset
    from streamframe.engine.ports import Committed

    cluster.broker.committed[CLICKS] = Committed(Offset(0))
    start_again(cluster)

    assert cluster.members["w"].driver.error is None
