"""Ends are asked of the broker once in a while, and nobody waits for the answer."""

from concurrent.futures import Future
from types import SimpleNamespace

from confluent_kafka import KafkaError, KafkaException

from streamframe.core.ids import TopicPartition
from streamframe.kafka.ends import ASK_SECONDS, EndWatch

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


class Broker:
    """Takes questions, and answers when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[dict[TopicPartition, Future]] = []

    def ask(self, partitions):
        self.asked.append({partition: Future() for partition in partitions})
        return self.asked[-1]

    def answer(self, **offsets):
        for partition, future in self.asked[-1].items():
            future.set_result(SimpleNamespace(offset=offsets[partition.topic]))


def test_an_end_is_known_once_it_was_told_and_asked_for_again_when_its_time_has_come():
    broker = Broker()
    watch = EndWatch(broker.ask, lambda: broker.now)
    assert watch.look([A, B]) == {}
    broker.answer(a=7, b=8)
    assert watch.look([A, B]) == {A: 7, B: 8}
    assert len(broker.asked) == 1
    broker.now = ASK_SECONDS
    assert watch.look([A, B]) == {A: 7, B: 8}
    assert len(broker.asked) == 2
    assert watch.look([A, B]) == {A: 7, B: 8}
    broker.answer(a=9, b=8)
    assert watch.look([A, B]) == {A: 9, B: 8}


def test_there_is_one_question_at_a_time():
    broker = Broker()
    watch = EndWatch(broker.ask, lambda: broker.now)
    watch.look([A])
    broker.now = 10 * ASK_SECONDS
    watch.look([A])
    assert len(broker.asked) == 1


def test_a_question_without_an_answer_keeps_the_last_end():
    broker = Broker()
    watch = EndWatch(broker.ask, lambda: broker.now)
    watch.look([A])
    broker.answer(a=7)
    broker.now = ASK_SECONDS
    watch.look([A])
    broker.asked[-1][A].set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    assert watch.look([A]) == {A: 7}


def test_a_partition_that_was_given_away_is_forgotten():
    broker = Broker()
    watch = EndWatch(broker.ask, lambda: broker.now)
    watch.look([A, B])
    broker.answer(a=7, b=8)
    assert watch.look([B]) == {B: 8}
    assert watch.look([A, B]) == {B: 8}
