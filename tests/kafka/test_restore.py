"""Restoring a changelog that was written by transactions: the position decides, whatever hides records."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from streamframe.core.errors import StateError
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import Limits
from streamframe.engine.events import ChangelogRead, Failed
from tests.kafka.cluster import Cluster, Member, restore_position, restored, until

pytestmark = pytest.mark.kafka


class Owner:
    """Writes a changelog as a worker does, transaction by transaction."""

    def __init__(self, cluster: Cluster, changelog: TopicPartition) -> None:
        self._admin = cluster.admin
        self.changelog = changelog
        self.producer = cluster.producer(cluster.name("owner"))

    def write(self, *values: bytes) -> None:
        for value in values:
            self.producer.produce(self.changelog.topic, value, b"k", self.changelog.partition)
        self.producer.flush()

    def begin(self, *values: bytes) -> None:
        self.producer.begin_transaction()
        self.write(*values)

    def committed(self, *values: bytes) -> None:
        self.begin(*values)
        self.end(self.producer.commit_transaction)

    def aborted(self, *values: bytes) -> None:
        self.begin(*values)
        self.end(self.producer.abort_transaction)

    def end(self, decide: Callable[[], None]) -> None:
        """Decide the transaction, and wait for its marker: the decision is answered before it is appended."""
        written = self._log_end()
        decide()
        until(lambda: self._log_end() > written)

    def _log_end(self) -> int:
        return self._admin.log_ends([self.changelog])[self.changelog]


@pytest.fixture
def member(cluster: Cluster) -> Member:
    return cluster.member(cluster.options(cluster.topic(), limits=Limits(restore_records_max=10)))


def restore(member: Member, changelog: TopicPartition) -> list[bytes | None]:
    """Read a changelog to the log end as it is now; return the values."""
    bounds = member.log.changelog_bounds(changelog)
    member.log.start_restore(changelog, bounds.begin)
    member.until(lambda: restore_position(member, changelog) >= bounds.end)
    member.log.stop_restore(changelog)
    return [value for _, value in restored(member, changelog)]


def test_an_empty_changelog_is_restored_at_once(cluster, member):
    changelog = cluster.partition()
    assert restore(member, changelog) == []
    assert restore_position(member, changelog) == 0


def test_a_changelog_that_ends_in_a_commit_marker_is_restored(cluster, member):
    owner = Owner(cluster, cluster.partition())
    owner.committed(b"1", b"2")
    assert restore(member, owner.changelog) == [b"1", b"2"]
    assert restore_position(member, owner.changelog) == 3


def test_a_changelog_that_ends_in_an_abort_marker_is_restored(cluster, member):
    owner = Owner(cluster, cluster.partition())
    owner.committed(b"1")
    owner.aborted(b"wrong", b"wrong")
    assert restore(member, owner.changelog) == [b"1"]
    assert restore_position(member, owner.changelog) == 5


def test_a_changelog_of_markers_only_is_restored(cluster, member):
    owner = Owner(cluster, cluster.partition())
    owner.aborted(b"wrong")
    owner.aborted(b"wrong")
    cluster.admin.purge({owner.changelog: 1})
    until(lambda: member.log.changelog_bounds(owner.changelog).begin == 1)
    assert restore(member, owner.changelog) == []
    assert restore_position(member, owner.changelog) == 4


def test_interleaved_aborted_transactions_leave_nothing(cluster, member):
    changelog = cluster.partition()
    one, other = Owner(cluster, changelog), Owner(cluster, changelog)
    for round_number in range(3):
        one.begin(b"wrong")
        other.begin(b"right %d" % round_number)
        one.write(b"wrong")
        other.producer.commit_transaction()
        one.producer.abort_transaction()
    assert restore(member, changelog) == [b"right 0", b"right 1", b"right 2"]


@pytest.mark.parametrize("decision", ["commit", "abort"])
def test_a_restore_waits_for_an_open_transaction_to_be_decided(cluster, member, decision):
    owner = Owner(cluster, cluster.partition())
    owner.committed(b"1")
    owner.begin(b"2")
    bounds = member.log.changelog_bounds(owner.changelog)
    assert bounds.end == 3
    member.log.start_restore(owner.changelog, bounds.begin)
    member.until(lambda: restore_position(member, owner.changelog) == 2)
    for _ in range(10):
        member.turn()
    assert restore_position(member, owner.changelog) == 2
    owner.producer.commit_transaction() if decision == "commit" else owner.producer.abort_transaction()
    member.until(lambda: restore_position(member, owner.changelog) >= bounds.end)
    values = [value for _, value in restored(member, owner.changelog)]
    assert values == ([b"1", b"2"] if decision == "commit" else [b"1"])


def test_slices_are_bounded_and_complete(cluster, member):
    owner = Owner(cluster, cluster.partition())
    values = [b"%d" % number for number in range(95)]
    owner.committed(*values)
    assert restore(member, owner.changelog) == values
    reads = [event for event in member.events if isinstance(event, ChangelogRead)]
    assert max(len(event.records) for event in reads) == 10
    assert [event.position for event in reads] == sorted(event.position for event in reads)


def test_a_restore_goes_on_from_an_offset_and_delivers_tombstones(cluster, member):
    owner = Owner(cluster, cluster.partition())
    owner.begin(b"1")
    owner.producer.produce(owner.changelog.topic, None, b"gone", owner.changelog.partition)
    owner.producer.flush()
    owner.end(owner.producer.commit_transaction)
    member.log.start_restore(owner.changelog, 1)
    member.until(lambda: restore_position(member, owner.changelog) >= 3)
    assert restored(member, owner.changelog) == [(b"gone", None)]


def test_two_changelogs_are_read_side_by_side_and_one_can_stop(cluster, member):
    topic = cluster.topic(2)
    left, right = (TopicPartition(topic, number) for number in range(2))
    cluster.write(left, b"l")
    owner = Owner(cluster, right)
    owner.committed(b"r")
    cluster.producer()
    for changelog in (left, right):
        member.log.start_restore(changelog, 0)
    member.until(lambda: restore_position(member, left) >= 1 and restore_position(member, right) >= 2)
    member.log.stop_restore(left)
    owner.committed(b"s")
    member.until(lambda: restore_position(member, right) >= 4)
    assert [value for _, value in restored(member, right)] == [b"r", b"s"]


def test_inputs_flow_while_a_changelog_is_read(cluster):
    source, changelog = cluster.partition(), cluster.partition()
    cluster.write(source, b"in")
    options = cluster.options(source.topic)
    member = cluster.member(replace(options, limits=Limits(restore_records_max=1)))
    member.log.start_restore(changelog, 0)
    assert member.read(source, 1) == [b"in"]


def test_a_changelog_that_is_cut_while_it_is_read_ends_the_work(cluster, member):
    changelog = cluster.partition()
    cluster.write(changelog, b"1", b"2")
    cluster.admin.purge({changelog: 2})
    until(lambda: member.log.changelog_bounds(changelog).begin == 2)
    member.log.start_restore(changelog, 0)
    member.until(lambda: any(isinstance(event, Failed) for event in member.events))
    (failed,) = [event for event in member.events if isinstance(event, Failed)]
    assert isinstance(failed.error, StateError)
    assert "deleted" in failed.error.message


def test_a_changelog_that_was_made_anew_has_another_identity(cluster, member):
    changelog = cluster.partition()
    cluster.write(changelog, b"1")
    before = member.log.changelog_bounds(changelog)
    cluster.admin.delete([changelog.topic])
    cluster.broker.create_topic(changelog.topic, 1)
    after = member.log.changelog_bounds(changelog)
    assert len(before.topic_id) == len(after.topic_id) == 16
    assert before.topic_id != after.topic_id
    assert (before.end, after.end) == (1, 0)
