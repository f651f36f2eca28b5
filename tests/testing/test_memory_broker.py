"""The in-memory Kafka: visibility, fencing, offsets in transactions."""

from __future__ import annotations

import pytest

from streamframe.core.ids import NO_OFFSET, Offset, TopicPartition
from streamframe.engine.ports import Bounds, Committed, ProducerFenced, TransactionAborted
from streamframe.testing.memory_broker import Fate, MemoryBroker

TP = TopicPartition("t", 0)


def a_broker() -> MemoryBroker:
    broker = MemoryBroker()
    broker.create_topic("t", 1)
    return broker


def values(broker: MemoryBroker) -> list[bytes | None]:
    return [entry.value for _tp, entry in broker.records("t")]


def test_records_of_an_open_transaction_hide_everything_behind_them() -> None:
    broker = a_broker()
    transaction = broker.begin("p", broker.init_producer("p"))
    broker.append(TP, b"open", transaction=transaction)
    broker.append(TP, b"plain")

    assert values(broker) == []
    assert broker.bounds(TP) == Bounds(Offset(0), Offset(0))
    broker.end(transaction, Fate.COMMITTED)
    assert values(broker) == [b"open", b"plain"]


def test_aborted_records_are_never_seen_and_markers_take_offsets() -> None:
    broker = a_broker()
    transaction = broker.begin("p", broker.init_producer("p"))
    broker.append(TP, b"bad", transaction=transaction)
    broker.end(transaction, Fate.ABORTED)
    broker.append(TP, b"good")

    assert values(broker) == [b"good"]
    assert broker.partition(TP).end == 3


def test_offsets_count_with_the_transaction_that_carries_them() -> None:
    broker = a_broker()
    generation = broker.new_generation(["m"])
    transaction = broker.begin("p", broker.init_producer("p"))
    broker.add_offsets(transaction, {TP: Committed(Offset(5), "x")}, "m", generation)

    assert broker.fetch_committed([TP]) is None
    broker.end(transaction, Fate.COMMITTED)
    assert broker.fetch_committed([TP]) == {TP: Committed(Offset(5), "x")}


def test_offsets_of_an_aborted_transaction_do_not_count() -> None:
    broker = a_broker()
    generation = broker.new_generation(["m"])
    transaction = broker.begin("p", broker.init_producer("p"))
    broker.add_offsets(transaction, {TP: Committed(Offset(5))}, "m", generation)
    broker.end(transaction, Fate.ABORTED)

    assert broker.fetch_committed([TP]) == {TP: Committed(NO_OFFSET)}


def test_a_second_producer_fences_the_first_and_aborts_what_it_left_open() -> None:
    broker = a_broker()
    transaction = broker.begin("p", broker.init_producer("p"))
    broker.append(TP, b"zombie", transaction=transaction)
    broker.init_producer("p")

    with pytest.raises(ProducerFenced):
        broker.end(transaction, Fate.COMMITTED)
    with pytest.raises(ProducerFenced):
        broker.append(TP, b"late", transaction=transaction)
    assert values(broker) == []


def test_offsets_of_an_older_generation_are_refused() -> None:
    broker = a_broker()
    old = broker.new_generation(["m"])
    broker.new_generation(["m"])
    transaction = broker.begin("p", broker.init_producer("p"))

    with pytest.raises(TransactionAborted, match="generation"):
        broker.add_offsets(transaction, {TP: Committed(Offset(1))}, "m", old)


def test_an_expired_transaction_is_aborted_and_its_owner_fenced() -> None:
    broker = a_broker()
    transaction = broker.begin("p", broker.init_producer("p"))
    broker.append(TP, b"slow", transaction=transaction)
    broker.expire("p")

    with pytest.raises(ProducerFenced):
        broker.end(transaction, Fate.COMMITTED)
    assert values(broker) == []


def test_deleted_records_move_the_beginning() -> None:
    broker = a_broker()
    for value in (b"a", b"b", b"c"):
        broker.append(TP, value)
    broker.partition(TP).delete_before(2)

    assert broker.bounds(TP) == Bounds(Offset(2), Offset(3))
    assert values(broker) == [b"c"]


def test_a_topic_made_again_has_another_identity() -> None:
    broker = a_broker()
    first = broker.topic_ids["t"]
    broker.delete_topic("t")
    broker.create_topic("t", 1)

    assert broker.topic_ids["t"] != first
