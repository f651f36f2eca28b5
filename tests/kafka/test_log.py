"""The log port on a real broker: commits, rebalances, positions."""

from dataclasses import replace

import pytest
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.errors import TopologyMismatch, Unavailable
from streamframe.core.ids import NO_OFFSET, Offset, TopicPartition
from streamframe.engine.events import Failed, PartitionsAssigned, PartitionsRevoked, RecordsRead
from streamframe.engine.ports import (
    LATEST,
    Bounds,
    Committed,
    OffsetsUndecided,
    OutcomeUnknown,
    ProducerFenced,
    TransactionAborted,
)
from tests.kafka.cluster import Cluster, output, request, until

pytestmark = pytest.mark.kafka

PROTOCOLS = ["consumer", "classic"]


def pair_of_members(cluster: Cluster, protocol: str, topic: str, **given):
    """Two members of one group, each owning one of two partitions."""
    options = cluster.options(topic, group_protocol=protocol, **given)
    first = cluster.member(options)
    first.until(lambda: len(first.owned) == 2)
    second = cluster.member(replace(options, member=cluster.name("member")))

    def both():
        first.turn()
        second.turn()

    until(lambda: len(first.owned) == len(second.owned) == 1, both)
    return first, second, both


def test_a_commit_makes_output_offsets_and_their_text_count_together(cluster):
    source, sink, changelog = cluster.partition(), cluster.partition(), cluster.partition()
    cluster.write(source, b"a", b"b")
    member = cluster.member(cluster.options(source.topic))
    assert member.read(source, 2) == [b"a", b"b"]
    assert member.log.committed([source]) == {source: Committed(NO_OFFSET)}

    member.log.produce(output(sink, b"1", b"2"))
    ends = member.log.commit(request({source: (2, '{"stream_time": 5}')}, {changelog: [(b"k", b"v"), (b"l", None)]}))

    assert ends == {changelog: 2}
    member.log.await_visible()
    assert cluster.read(sink) == [b"1", b"2"]
    assert cluster.read(changelog) == [b"v", None]
    assert member.log.committed([source]) == {source: Committed(Offset(2), '{"stream_time": 5}')}


def test_nothing_of_an_aborted_transaction_counts_and_the_next_one_does(cluster):
    source, sink = cluster.partition(), cluster.partition()
    cluster.write(source, b"a")
    member = cluster.member(cluster.options(source.topic))
    member.read(source, 1)
    member.log.produce(output(sink, b"wrong"))
    member.log.abort()
    member.log.produce(output(sink, b"right"))
    member.log.commit(request({source: 1}))
    cluster.until_read(sink, b"right")
    assert member.log.committed([source])[source].offset == 1


def test_an_abort_without_a_transaction_does_nothing(cluster):
    member = cluster.member(cluster.options(cluster.topic()))
    member.log.abort()
    assert "abort_transaction" not in member.watchdog.names


def test_every_call_that_may_hang_is_announced_and_left(cluster):
    source, changelog = cluster.partition(), cluster.partition()
    member = cluster.member(cluster.options(source.topic))
    member.until(lambda: source in member.ends)
    member.log.commit(request({source: 0}, {changelog: [(b"k", b"v")]}))
    assert member.watchdog.names == ["init_transactions", "flush", "send_offsets_to_transaction", "commit_transaction"]


def test_at_least_once_writes_results_at_once_and_commits_what_they_follow_from(cluster):
    source, sink, changelog = cluster.partition(), cluster.partition(), cluster.partition()
    cluster.write(source, b"a")
    member = cluster.member(cluster.options(source.topic, guarantee="at_least_once"))
    member.read(source, 1)
    member.log.produce(output(sink, b"1"))
    # A reader need not wait for the commit.
    cluster.until_read(sink, b"1")
    ends = member.log.commit(request({source: (1, "text")}, {changelog: [(b"k", b"v")]}))
    assert ends == {changelog: 1}
    assert member.log.committed([source]) == {source: Committed(Offset(1), "text")}
    # The state is in a transaction: its marker follows the record.
    until(lambda: member.log.changelog_bounds(changelog).end == 2)


def test_at_least_once_keeps_the_state_of_what_was_not_committed_out(cluster):
    source, sink, changelog = cluster.partition(), cluster.partition(), cluster.partition()
    options = cluster.options(source.topic, guarantee="at_least_once")
    first = cluster.member(options)
    first.until(lambda: source in first.ends)
    first.log.produce(output(sink, b"early"))
    cluster.until_read(sink, b"early")
    cluster.producer(options.member)
    with pytest.raises(ProducerFenced):
        first.log.commit(request({source: 0}, {changelog: [(b"k", b"v")]}))
    assert cluster.read(changelog) == []
    first.log.renew_producer()
    first.log.produce(output(sink, b"early"))
    first.log.commit(request({source: 0}, {changelog: [(b"k", b"v")]}))
    cluster.until_read(sink, b"early", b"early")
    cluster.until_read(changelog, b"v")


def test_at_least_once_sends_what_another_task_reads_in_the_transaction(cluster):
    source, between = cluster.partition(), cluster.partition()
    member = cluster.member(cluster.options(source.topic, between.topic, guarantee="at_least_once"))
    member.until(lambda: source in member.ends and between in member.ends)
    member.log.produce(output(between, b"rows"))
    member.log.abort()
    member.log.produce(output(between, b"again"))
    member.log.commit(request({source: 0}))
    cluster.until_read(between, b"again")


# --- fencing --------------------------------------------------------------------------------------


def test_a_second_worker_of_the_same_name_fences_the_first(cluster):
    source, sink = cluster.partition(), cluster.partition()
    options = cluster.options(source.topic)
    first = cluster.member(options)
    first.until(lambda: source in first.ends)
    first.log.produce(output(sink, b"old"))
    cluster.member(replace(options, group=cluster.name("other")))
    with pytest.raises(ProducerFenced):
        first.log.commit(request({source: 0}))
    # It stays fenced until it is renewed; then it is the newer one.
    with pytest.raises(ProducerFenced):
        first.log.produce(output(sink, b"old"))
    with pytest.raises(ProducerFenced):
        first.log.abort()
    first.log.renew_producer()
    first.log.produce(output(sink, b"new"))
    first.log.commit(request({source: 0}))
    cluster.until_read(sink, b"new")


def test_a_fenced_producer_is_noticed_while_its_records_are_flushed(cluster):
    source, sink, changelog = cluster.partition(), cluster.partition(), cluster.partition()
    options = cluster.options(source.topic)
    first = cluster.member(options)
    first.until(lambda: source in first.ends)
    first.log.produce(output(sink, b"old"))
    cluster.producer(options.member)
    # The client raises SystemError from flush here.
    with pytest.raises(ProducerFenced):
        first.log.commit(request({source: 0}, {changelog: [(b"k", b"v")]}))
    assert cluster.read(sink) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_member_that_was_rebalanced_cannot_commit_for_its_old_generation(cluster, protocol, monkeypatch):
    topic, sink = cluster.topic(2), cluster.partition()
    options = cluster.options(topic, group_protocol=protocol)
    first = cluster.member(options)
    first.until(lambda: len(first.owned) == 2)
    stale = first.log._consumer.group_metadata()
    second = cluster.member(replace(options, member=cluster.name("member")))
    until(lambda: len(first.owned) == len(second.owned) == 1, lambda: (first.turn(), second.turn()))

    first.log.produce(output(sink, b"zombie"))
    with monkeypatch.context() as patch:
        patch.setattr(first.log._consumer, "group_metadata", lambda: stale)
        with pytest.raises(TransactionAborted):
            first.log.commit(request(dict.fromkeys((TopicPartition(topic, 0), TopicPartition(topic, 1)), 7)))
    first.log.abort()
    (mine,) = first.owned
    first.log.produce(output(sink, b"fresh"))
    first.log.commit(request({mine: 0}))
    cluster.until_read(sink, b"fresh")


def test_a_worker_that_has_not_joined_cannot_commit(cluster):
    source, sink = cluster.partition(), cluster.partition()
    member = cluster.member(cluster.options(source.topic))
    member.log.produce(output(sink, b"x"))
    with pytest.raises(TransactionAborted, match="not a member"):
        member.log.commit(request({source: 5}))
    member.log.abort()
    assert cluster.read(sink) == []


def test_a_new_producer_ends_what_its_predecessor_left_open(cluster):
    source, sink = cluster.partition(), cluster.partition()
    options = cluster.options(source.topic)
    dead = cluster.producer(options.member)
    dead.begin_transaction()
    dead.produce(sink.topic, b"dead")
    dead.flush()
    cluster.write(sink, b"after")
    assert cluster.read(sink) == []
    cluster.member(options)
    assert cluster.read(sink) == [b"after"]


# --- rebalances -----------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_committed_inside_the_revoke_barrier_is_where_the_next_owner_starts(cluster, protocol):
    topic, sink = cluster.topic(2), cluster.partition()
    for number in range(2):
        cluster.write(TopicPartition(topic, number), *(b"%d" % n for n in range(10)))
    options = cluster.options(topic, group_protocol=protocol)
    first, second = (
        cluster.member(options),
        cluster.member(replace(options, member=cluster.name("member")), connect=False),
    )

    def commit_and_go_on(member):
        def react(event):
            match event:
                case PartitionsAssigned():
                    committed = member.log.committed(event.partitions)
                    member.log.resume({tp: max(at.offset, 0) for tp, at in committed.items()})
                case PartitionsRevoked():
                    member.log.produce(output(sink, *(b"revoked" for _ in event.partitions)))
                    member.log.commit(request({tp: (member.positions[tp], "seen") for tp in event.partitions}))
                    if len(event.partitions) == 1:
                        # Only the other one stays.
                        member.log.pause(event.partitions)

        return react

    first.on_change, second.on_change = commit_and_go_on(first), commit_and_go_on(second)
    first.until(lambda: sum(map(len, first.records.values())) == 20)
    second.log.connect()
    until(lambda: len(first.owned) == len(second.owned) == 1, lambda: (first.turn(), second.turn()))
    (moved,) = second.owned
    cluster.write(moved, b"new")
    assert second.read(moved, 1) == [b"new"]
    assert second.log.committed([moved]) == {moved: Committed(Offset(10), "seen")}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_topics_are_assigned_with_equal_partition_numbers(cluster, protocol):
    left, right = cluster.topic(4), cluster.topic(4)
    options = cluster.options(left, right, group_protocol=protocol)
    first = cluster.member(options)
    first.until(lambda: len(first.owned) == 8)
    second = cluster.member(replace(options, member=cluster.name("member")))
    until(lambda: len(first.owned) == len(second.owned) == 4, lambda: (first.turn(), second.turn()))
    for member in (first, second):
        numbers = [{tp.partition for tp in member.owned if tp.topic == topic} for topic in (left, right)]
        assert numbers[0] == numbers[1]
    assert first.log.protocol == protocol


def test_an_error_in_the_barrier_is_raised_by_poll(cluster):
    member = cluster.member(cluster.options(cluster.topic()))

    def fail(event):
        raise LookupError("from the barrier")

    member.on_change = fail
    with pytest.raises(LookupError, match="from the barrier"):
        member.until(lambda: False)


def test_no_change_reaches_the_barrier_while_closing(cluster):
    member = cluster.member(cluster.options(cluster.topic()))
    member.until(lambda: member.owned)
    changes = list(member.changes)
    member.log.close()
    assert member.changes == changes


def test_automatic_choice_takes_the_new_protocol_where_the_broker_has_it(cluster):
    options = cluster.options(cluster.topic())
    member = cluster.member(options)
    member.until(lambda: member.owned)
    assert member.log.protocol == "consumer"
    facts = cluster.admin.group(options.group)
    assert (facts.protocol, facts.state, len(facts.members)) == ("consumer", "STABLE", 1)
    assert facts.members[0].partitions == tuple(member.owned)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_static_member_that_restarts_finds_its_partitions_again_and_others_keep_theirs(cluster, protocol):
    options = cluster.options(cluster.topic(2), group_protocol=protocol, static_membership=True)
    first = cluster.member(options)
    first.until(lambda: len(first.owned) == 2)
    second = cluster.member(replace(options, member=cluster.name("member")))
    until(lambda: len(first.owned) == len(second.owned) == 1, lambda: (first.turn(), second.turn()))
    owned, changes = set(first.owned), len(second.changes)
    first.log.close()
    again = cluster.member(options)
    until(lambda: again.owned, lambda: (again.turn(), second.turn()))
    assert again.owned == owned
    assert len(second.changes) == changes


def test_two_living_members_of_the_same_name_are_told_so(cluster):
    options = cluster.options(cluster.topic(), group_protocol="consumer", static_membership=True)
    first = cluster.member(options)
    first.until(lambda: first.owned)
    second = cluster.member(options)
    second.until(lambda: second.events)
    failed = second.events[0]
    assert isinstance(failed, Failed)
    assert "name" in failed.error.message
    assert "instance" in (failed.error.hint or "")


# --- positions ------------------------------------------------------------------------------------


def test_nothing_is_delivered_before_resume_nor_while_paused(cluster):
    source = cluster.partition()
    cluster.write(source, b"a", b"b")
    member = cluster.member(cluster.options(source.topic))
    member.on_change = lambda event: None
    member.until(lambda: member.owned)
    for _ in range(10):
        member.turn()
    assert member.events == []
    member.log.resume({source: 1})
    assert member.read(source, 1) == [b"b"]
    member.log.pause([source])
    cluster.write(source, b"c")
    seen = len(member.events)
    for _ in range(10):
        member.turn()
    assert len(member.events) == seen
    member.log.resume({source: 0})
    assert member.read(source, 4) == [b"b", b"a", b"b", b"c"]


def test_resuming_at_the_latest_offset_delivers_only_what_comes(cluster):
    source = cluster.partition()
    cluster.write(source, b"old")
    member = cluster.member(cluster.options(source.topic), start=LATEST)
    member.until(lambda: source in member.ends)
    cluster.write(source, b"new")
    assert member.read(source, 1) == [b"new"]


def test_going_back_inside_the_barrier_drops_what_was_gathered_before(cluster):
    topic = cluster.topic(2)
    sides = [TopicPartition(topic, number) for number in range(2)]
    for side in sides:
        cluster.write(side, *(b"%d" % n for n in range(5000)))
    options = cluster.options(topic, group_protocol="consumer")
    first = cluster.member(options)
    second = cluster.member(replace(options, member=cluster.name("member")), connect=False)

    def go_back(event):
        if isinstance(event, PartitionsRevoked):
            kept = [tp for tp in sides if tp not in event.partitions]
            for tp in kept:
                first.records[tp] = []
            first.log.resume(dict.fromkeys(kept, 0))
        else:
            first.resume_all(event)

    first.on_change = go_back
    first.until(lambda: first.owned)
    second.log.connect()
    until(lambda: len(first.owned) == len(second.owned) == 1, lambda: (first.turn(), second.turn()))
    (kept,) = first.owned
    assert first.read(kept, 5000) == [b"%d" % n for n in range(5000)]


def test_the_end_of_a_transactional_topic_is_behind_its_markers(cluster):
    source = cluster.partition()
    writer = cluster.producer(cluster.name("writer"))
    for finish in (writer.commit_transaction, writer.abort_transaction):
        writer.begin_transaction()
        writer.produce(source.topic, b"x")
        writer.flush()
        finish()
    member = cluster.member(cluster.options(source.topic))
    member.until(lambda: member.ends.get(source) == 4)
    assert member.records[source] == [b"x"]
    assert member.log.bounds([source]) == {source: Bounds(Offset(0), Offset(4))}
    until(lambda: member.log.ends([source]) == {source: 4})


def test_the_end_is_told_although_nothing_is_fetched_any_more(cluster):
    source = cluster.partition()
    cluster.write(source, b"a", b"b", b"c")
    member = cluster.member(cluster.options(source.topic))
    member.read(source, 3)
    member.log.pause([source])
    cluster.write(source, b"d", b"e")
    until(lambda: member.log.ends([source]) == {source: 5})
    assert member.log.ends([]) == {}


def test_bounds_end_at_an_open_transaction(cluster):
    source = cluster.partition()
    cluster.write(source, b"a")
    writer = cluster.producer(cluster.name("writer"))
    writer.begin_transaction()
    writer.produce(source.topic, b"open")
    writer.flush()
    member = cluster.member(cluster.options(source.topic))
    assert member.log.bounds([source]) == {source: Bounds(Offset(0), Offset(1))}
    writer.commit_transaction()
    until(lambda: member.log.bounds([source]) == {source: Bounds(Offset(0), Offset(3))})


def test_records_of_one_poll_come_as_one_batch_per_partition(cluster):
    topic = cluster.topic(3)
    writer = cluster.producer()
    for n in range(3000):
        writer.produce(topic, b"%d" % n, partition=n % 3)
    writer.flush()
    member = cluster.member(cluster.options(topic))
    member.until(lambda: sum(map(len, member.records.values())) == 3000)
    for number in range(3):
        assert member.records[TopicPartition(topic, number)] == [b"%d" % n for n in range(number, 3000, 3)]
    polls = sum(isinstance(event, RecordsRead) for event in member.events)
    assert polls < 100


def test_what_is_read_has_keys_timestamps_and_headers(cluster):
    source = cluster.partition()
    writer = cluster.producer()
    writer.produce(source.topic, b"v", b"k", timestamp=1234, headers=[("h", b"1"), ("h", None)])
    writer.produce(source.topic, None, None, timestamp=1235)
    writer.flush()
    member = cluster.member(cluster.options(source.topic))
    member.read(source, 2)
    rows = [
        (value, key, int(time), int(offset), list(event.batch.headers(row)))
        for event in member.events
        if isinstance(event, RecordsRead)
        for row, (value, key, time, offset) in enumerate(
            zip(event.batch.values(), event.batch.keys(), event.batch.timestamps(), event.batch.offsets(), strict=True)
        )
    ]
    assert rows == [(b"v", b"k", 1234, 0, [("h", b"1"), ("h", None)]), (None, None, 1235, 1, [])]


def test_unknown_outcome_is_not_raised_on_a_healthy_broker(cluster):
    source, sink = cluster.partition(), cluster.partition()
    member = cluster.member(cluster.options(source.topic))
    member.until(lambda: source in member.ends)
    try:
        for n in range(50):
            member.log.produce(output(sink, b"%d" % n))
            member.log.commit(request({source: 0}))
    except OutcomeUnknown as error:
        raise AssertionError from error
    member.log.await_visible()
    assert cluster.read(sink) == [b"%d" % n for n in range(50)]


def start_all_at_their_places(member):
    def start(event):
        if isinstance(event, PartitionsAssigned):
            member.log.resume({tp: Offset(tp.partition % 5) for tp in event.partitions})

    member.on_change = start
    member.log.connect()
    member.until(lambda: len(member.ends) == 8)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_partition_starts_exactly_where_the_engine_says(cluster, protocol):
    # A seek right behind an assignment can lose against the client's own look for a position: so, many times.
    topic = cluster.topic(8)
    sides = [TopicPartition(topic, number) for number in range(8)]
    writer = cluster.producer()
    for side in sides:
        for n in range(4):
            writer.produce(topic, b"%d" % n, partition=side.partition)
    writer.flush()
    for _ in range(5):
        member = cluster.member(cluster.options(topic, group_protocol=protocol), connect=False)

        start_all_at_their_places(member)
        assert member.records == {
            tp: [b"%d" % n for n in range(tp.partition % 5, 4)] for tp in sides if tp.partition % 5 < 4
        }
        member.log.close()


def test_a_committed_offset_that_is_no_longer_in_the_log_ends_the_work_with_a_hint(cluster):
    source = cluster.partition()
    cluster.write(source, b"a", b"b")
    cluster.admin.purge({source: Offset(2)})
    until(lambda: cluster.admin.bounds([source])[source].begin == 2)
    member = cluster.member(cluster.options(source.topic), start=Offset(1))
    member.until(lambda: member.events)
    (failed,) = member.events
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, TopologyMismatch)
    assert failed.error.message == "committed offset is no longer in the log"
    assert failed.error.facts["offset"] == 1
    assert "reset" in (failed.error.hint or "")


def test_purged_records_are_gone_and_failures_are_only_counted(cluster):
    source = cluster.partition()
    cluster.write(source, b"a", b"b", b"c")
    member = cluster.member(cluster.options(source.topic))
    member.read(source, 3)
    member.log.purge({source: Offset(2)})
    until(lambda: member.log.bounds([source])[source].begin == 2)
    assert cluster.read(source) == [b"c"]
    member.log.purge({source: Offset(99)})

    def purge_again():
        member.log.purge({source: Offset(2)})
        member.turn()

    until(lambda: member.log.purge_failures == 1, purge_again)


def test_committed_waits_until_a_transaction_that_holds_the_offset_is_decided(cluster):
    source = cluster.partition()
    options = cluster.options(source.topic, request_timeout_ms=1_000)
    member = cluster.member(options)
    member.until(lambda: source in member.ends)
    other = cluster.producer(cluster.name("other"))
    other.begin_transaction()
    other.send_offsets_to_transaction([ClientPartition(source.topic, 0, 1)], member.log._consumer.group_metadata(), 10)
    with pytest.raises(Unavailable, match="committed"):
        member.log.committed([source])
    with pytest.raises(OffsetsUndecided, match="committed"):
        member.log.committed([source], wait=100_000)
    other.abort_transaction()
    assert member.log.committed([source]) == {source: Committed(NO_OFFSET)}


def test_a_topic_that_is_missing_is_named_before_the_group_is_joined(cluster):
    member = cluster.member(cluster.options(cluster.topic(), "no-such-topic"), connect=False)
    with pytest.raises(TopologyMismatch) as raised:
        member.log.connect()
    assert raised.value.facts["topics"] == "no-such-topic"


def fetched(member, partition):
    """Whether the client has an answer to a fetch, records or none, in its hands."""
    client = member.log._consumer._client
    return client.get_watermark_offsets(ClientPartition(partition.topic, partition.partition), cached=True)[1] >= 0


def test_going_back_drops_what_was_gathered_and_not_yet_handed_out(cluster):
    topic = cluster.topic(2)
    sides = [TopicPartition(topic, number) for number in range(2)]
    for side in sides:
        cluster.write(side, b"0", b"1")
    member = cluster.member(cluster.options(topic), connect=False)
    member.on_change = lambda event: None
    member.log.connect()
    member.until(lambda: len(member.owned) == 2)
    member.log.resume(dict.fromkeys(sides, Offset(1)))
    until(lambda: all(fetched(member, side) for side in sides))
    # Whatever is handed out first: what it leads to comes before the other partition's event.
    member.until(lambda: member.events)
    member.log.resume(dict.fromkeys(sides, Offset(0)))
    member.events.clear()
    member.records.clear()
    member.until(lambda: len(member.ends) == 2 and sum(map(len, member.records.values())) >= 4)
    assert member.records == {side: [b"0", b"1"] for side in sides}
