"""One list of promises, kept by the Kafka in memory and by a real one.

The simulator proves nothing that its broker does not do as Kafka does; where the two differ, the one in memory
is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamframe.core.ids import NO_OFFSET, TopicPartition
from streamframe.engine.ports import ProducerFenced, TransactionAborted
from streamframe.testing.broker import KafkaBroker
from tests.conformance.worlds import GroupProtocol, Kafka, MemoryKafka, RealKafka, until

PROTOCOLS: list[GroupProtocol] = ["classic", "consumer", "cooperative"]


class Conformance:
    """The promises."""

    def test_an_open_transaction_hides_itself_and_everything_behind_it(self, world: Kafka) -> None:
        tp = TopicPartition(world.topic(), 0)
        writer = world.writer("w")
        world.write(tp, b"before")
        writer.begin()
        writer.write(tp, b"open")
        world.write(tp, b"plain")

        assert world.read(tp) == [b"before"]
        assert world.bounds(tp) == (0, 1, 3)
        writer.commit()
        until(lambda: world.read(tp) == [b"before", b"open", b"plain"])

    def test_an_aborted_transaction_is_never_seen_and_its_marker_takes_an_offset(self, world: Kafka) -> None:
        tp = TopicPartition(world.topic(), 0)
        writer = world.writer("w")
        writer.begin()
        writer.write(tp, b"bad")
        writer.abort()
        until(lambda: world.bounds(tp) == (0, 2, 2))
        world.write(tp, b"good")

        assert world.read(tp) == [b"good"]
        assert world.bounds(tp) == (0, 3, 3)

    def test_a_partition_may_end_in_nothing_but_markers(self, world: Kafka) -> None:
        tp = TopicPartition(world.topic(), 0)
        writer = world.writer("w")
        for end in (writer.commit, writer.abort, writer.abort):
            writer.begin()
            writer.write(tp, b"x")
            end()
            until(lambda: world.bounds(tp)[1] == world.bounds(tp)[2])

        assert world.bounds(tp) == (0, 6, 6)
        assert world.read(tp) == [b"x"]

    def test_a_second_producer_of_the_same_identity_fences_the_first_and_aborts_its_transaction(
        self, world: Kafka
    ) -> None:
        tp = TopicPartition(world.topic(), 0)
        first = world.writer("w")
        first.begin()
        first.write(tp, b"zombie")
        second = world.writer("w")
        second.begin()
        second.write(tp, b"new")
        second.commit()

        with pytest.raises(ProducerFenced):
            first.commit()
        until(lambda: world.read(tp) == [b"new"])

    def test_offsets_count_when_their_transaction_commits_and_not_before(self, world: Kafka) -> None:
        topic = world.topic()
        tp = TopicPartition(topic, 0)
        world.use_group(topic, "classic")
        member = world.member()
        until(lambda: member.owned == {tp}, member.poll)
        writer = world.writer("w")
        writer.begin()
        writer.add_offsets({tp: 5}, member.membership)

        assert world.committed(tp) is None
        writer.commit()
        until(lambda: world.committed(tp) == 5)

    def test_offsets_of_an_aborted_transaction_do_not_count(self, world: Kafka) -> None:
        topic = world.topic()
        tp = TopicPartition(topic, 0)
        world.use_group(topic, "classic")
        member = world.member()
        until(lambda: member.owned == {tp}, member.poll)
        writer = world.writer("w")
        writer.begin()
        writer.add_offsets({tp: 5}, member.membership)
        writer.abort()

        until(lambda: world.committed(tp) == NO_OFFSET)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_offsets_of_an_older_generation_are_refused_and_the_producer_goes_on(
        self, world: Kafka, protocol: GroupProtocol
    ) -> None:
        topic = world.topic(2)
        zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
        world.use_group(topic, protocol)
        first = world.member()
        until(lambda: first.owned == {zero, one}, first.poll)
        old = first.membership
        second = world.member()

        def poll_both() -> None:
            first.poll()
            second.poll()

        until(lambda: len(first.owned) == 1 and len(second.owned) == 1, poll_both)
        writer = world.writer("w")
        writer.begin()

        with pytest.raises(TransactionAborted):
            writer.add_offsets({zero: 1}, old)
        writer.abort()
        writer.begin()
        writer.add_offsets({next(iter(first.owned)): 1}, first.membership)
        writer.commit()

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_offsets_of_a_member_that_has_left_are_refused(self, world: Kafka, protocol: GroupProtocol) -> None:
        topic = world.topic()
        tp = TopicPartition(topic, 0)
        world.use_group(topic, protocol)
        gone = world.member()
        until(lambda: gone.owned == {tp}, gone.poll)
        old = gone.membership
        gone.leave()
        successor = world.member()
        until(lambda: successor.owned == {tp}, successor.poll)
        writer = world.writer("w")
        writer.begin()

        with pytest.raises(TransactionAborted):
            writer.add_offsets({tp: 1}, old)
        writer.abort()

    def test_offsets_of_somebody_who_never_joined_are_not_checked_at_all(self, world: Kafka) -> None:
        topic = world.topic()
        tp = TopicPartition(topic, 0)
        world.use_group(topic, "classic")
        member = world.member()
        until(lambda: member.owned == {tp}, member.poll)
        writer = world.writer("w")
        writer.begin()
        writer.add_offsets({tp: 7}, world.nobody())
        writer.commit()

        until(lambda: world.committed(tp) == 7)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_partitions_are_owned_once_and_come_back_when_a_member_leaves(
        self, world: Kafka, protocol: GroupProtocol
    ) -> None:
        topic = world.topic(2)
        both = {TopicPartition(topic, 0), TopicPartition(topic, 1)}
        world.use_group(topic, protocol)
        first, second = world.member(), world.member()

        def poll_both() -> None:
            first.poll()
            second.poll()

        until(lambda: len(first.owned) == len(second.owned) == 1, poll_both)
        assert first.owned | second.owned == both
        second.leave()
        until(lambda: first.owned == both, first.poll)

    @pytest.mark.parametrize("protocol", ["classic", "consumer"])
    def test_a_static_member_keeps_its_share_while_it_is_away(self, world: Kafka, protocol: GroupProtocol) -> None:
        topic = world.topic(2)
        world.use_group(topic, protocol)
        first, second = world.member("a"), world.member("b")

        def poll_both() -> None:
            first.poll()
            second.poll()

        until(lambda: len(first.owned) == len(second.owned) == 1, poll_both)
        share, old = first.owned, first.membership
        first.leave()
        for _ in range(10):
            second.poll()
            assert len(second.owned) == 1
        again = world.member("a")
        until(lambda: again.owned == share, again.poll)
        writer = world.writer("w")
        writer.begin()
        with pytest.raises(TransactionAborted):
            writer.add_offsets(dict.fromkeys(share, 1), old)
        writer.abort()
        writer.begin()
        writer.add_offsets(dict.fromkeys(share, 1), again.membership)
        writer.commit()

    @pytest.mark.parametrize("protocol", ["classic", "consumer"])
    def test_of_two_living_members_of_one_name_one_is_fenced(self, world: Kafka, protocol: GroupProtocol) -> None:
        """The classic protocol fences the older one, the newer protocol refuses the one that comes later."""
        topic = world.topic()
        world.use_group(topic, protocol)
        first = world.member("a")
        until(lambda: first.owned, first.poll)
        second = world.member("a")

        def poll_both() -> None:
            first.poll()
            second.poll()

        loser = first if protocol == "classic" else second
        until(lambda: loser.fenced, poll_both)
        if protocol == "classic":
            until(lambda: second.owned == {TopicPartition(topic, 0)}, second.poll)
        else:
            assert first.owned == {TopicPartition(topic, 0)}

    def test_deleted_records_move_the_beginning_also_between_transactions(self, world: Kafka) -> None:
        tp = TopicPartition(world.topic(), 0)
        writer = world.writer("w")
        for value in (b"a", b"b"):
            writer.begin()
            writer.write(tp, value)
            writer.commit()
        until(lambda: world.bounds(tp) == (0, 4, 4))
        world.delete_before(tp, 2)

        assert world.bounds(tp) == (2, 4, 4)
        assert world.read(tp) == [b"b"]

    def test_compaction_keeps_the_last_committed_record_of_a_key(self, world: Kafka) -> None:
        """The log cleaner leaves the newest segment alone, so the last write here is not about the key."""
        topic = world.topic(cleanup_policy="compact", segment_ms="1000", min_cleanable_dirty_ratio="0.01")
        tp = TopicPartition(topic, 0)
        writer = world.writer("w")
        for value, end in ((b"1", writer.commit), (b"2", writer.commit), (b"bad", writer.abort)):
            writer.begin()
            writer.write(tp, value, b"key")
            end()
        until(lambda: world.bounds(tp)[1:] == (6, 6))

        def last_of_key_only() -> bool:
            writer.begin()
            writer.write(tp, b"roll", b"other")
            writer.commit()
            world.compact(tp)
            return [value for value in world.read(tp) if value != b"roll"] == [b"2"]

        until(last_of_key_only)


class TestMemoryKafka(Conformance):
    @pytest.fixture
    def world(self) -> MemoryKafka:
        return MemoryKafka()


@pytest.mark.kafka
class TestRealKafka(Conformance):
    @pytest.fixture
    def world(self, kafka: KafkaBroker) -> Iterator[RealKafka]:
        real = RealKafka(kafka)
        yield real
        real.close()
