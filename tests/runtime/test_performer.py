"""Errors of adapters become events that the engine understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import pytest

from streamframe.core.batch import OutputBatch
from streamframe.core.errors import StoreCorrupted, StoreUnavailable, Unavailable, UserFunctionError
from streamframe.core.ids import Offset, TaskId, TopicPartition
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.ports import CommitRequest, OffsetsUndecided, OutcomeUnknown, ProducerFenced, TransactionAborted
from streamframe.operators.program import Delivery
from streamframe.runtime.performer import Performer
from streamframe.state.memory import MemoryStore
from streamframe.state.store import Changes
from streamframe.testing.memory_cluster import Recorder

T = TaskId(0, 0)
TP = TopicPartition("t", 0)


@dataclass
class FailingLog:
    """A log whose calls raise what they are told to."""

    failure: Exception | None = None
    closed: int = 0
    waited: int = 0
    produced: list[OutputBatch] = field(default_factory=list)

    def _maybe(self) -> None:
        if self.failure is not None:
            raise self.failure

    def produce(self, batch: OutputBatch) -> None:
        self._maybe()
        self.produced.append(batch)

    def commit(self, request: CommitRequest) -> Mapping[TopicPartition, Offset]:
        self._maybe()
        return {}

    def abort(self) -> None:
        self._maybe()

    def committed(
        self, partitions: Sequence[TopicPartition], *, wait: int | None = None
    ) -> Mapping[TopicPartition, object]:
        self._maybe()
        return {}

    def await_visible(self) -> None:
        self.waited += 1

    def close(self) -> None:
        self.closed += 1


@dataclass
class FailingStores:
    failure: Exception | None = None

    def open(self, task: TaskId) -> MemoryStore:
        if self.failure is not None:
            raise self.failure
        return MemoryStore()

    def wipe(self, task: TaskId) -> None: ...


def performer(log: FailingLog | None = None, stores: FailingStores | None = None) -> Performer:
    return Performer(log or FailingLog(), stores or FailingStores(), Recorder(), show=lambda _text: None)  # type: ignore[arg-type]


COMMIT = cmd.Commit(sequence=3, request=CommitRequest(offsets={}, changelog={}))


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (TransactionAborted("stale"), ev.TransactionFailed),
        (ProducerFenced("newer"), ev.ProducerLost),
        (OutcomeUnknown("no answer"), ev.ProducerLost),
        (Unavailable("gone"), ev.Failed),
    ],
)
def test_each_failure_of_a_commit_has_its_answer(failure: Exception, answer: type[ev.Event]) -> None:
    assert isinstance(performer(FailingLog(failure)).perform(COMMIT), answer)


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (OffsetsUndecided("held"), ev.CommittedUndecided),
        (Unavailable("gone"), ev.Failed),
        (None, ev.CommittedFetched),
    ],
)
def test_offsets_that_are_undecided_are_no_failure(failure: Exception | None, answer: type[ev.Event]) -> None:
    question = cmd.FetchCommitted(task=T, epoch=1, partitions=(TP,), wait=1)

    assert isinstance(performer(FailingLog(failure)).perform(question), answer)


def test_a_commit_that_succeeds_is_answered_with_its_sequence() -> None:
    assert performer().perform(COMMIT) == ev.CommitSucceeded(sequence=3, ends={})


def test_a_producer_that_cannot_abort_is_lost() -> None:
    answer = performer(FailingLog(ProducerFenced("x"))).perform(cmd.Abort(epoch=1))

    assert isinstance(answer, ev.ProducerLost)


@pytest.mark.parametrize(
    ("failure", "answer"),
    [(StoreCorrupted("checksum"), ev.StoreDamaged), (StoreUnavailable("locked"), ev.StoreBusy)],
)
def test_a_store_that_does_not_open_says_why(failure: Exception, answer: type[ev.Event]) -> None:
    assert isinstance(performer(stores=FailingStores(failure)).perform(cmd.OpenStore(task=T, epoch=1)), answer)


def test_a_write_is_answered_only_when_asked_for() -> None:
    store = MemoryStore()
    changes = Changes(puts=[(b"a", b"1")])

    assert performer().perform(cmd.WriteStore(task=T, store=store, changes=changes)) is None
    answer = performer().perform(cmd.WriteStore(task=T, store=store, changes=changes, answer=(2, TP, Offset(9))))

    assert answer == ev.StoreWritten(task=T, epoch=2, changelog=TP, position=Offset(9))


def test_a_delivery_that_raises_names_step_and_batch() -> None:
    def broken(frame: pd.DataFrame, batch_id: str) -> None:
        raise ValueError("no route")

    delivery = Delivery(step="alerts", batch_id="alerts-0-1", function=broken, frame=pd.DataFrame())

    answer = performer().perform(cmd.Deliver(task=T, delivery=delivery))

    assert isinstance(answer, ev.Failed)
    assert isinstance(answer.error, UserFunctionError)
    assert "alerts-0-1" in str(answer.error)


def test_exit_waits_for_visibility_and_leaves() -> None:
    log = FailingLog()
    found = performer(log)

    found.perform(cmd.Exit())

    assert (log.waited, log.closed, found.done, found.error) == (1, 1, True, None)


def test_exit_ends_also_when_visibility_or_the_client_fails() -> None:
    class Reluctant(FailingLog):
        def await_visible(self) -> None:
            raise Unavailable("committed records stay invisible")

        def close(self) -> None:
            raise ProducerFenced("a newer producer")

    found = performer(Reluctant())

    assert found.perform(cmd.Exit()) is None
    assert (found.done, found.error) == (True, None)


def test_fail_leaves_and_keeps_the_error() -> None:
    log = FailingLog()
    found = performer(log)
    error = Unavailable("gone")

    found.perform(cmd.Fail(error=error))

    assert (log.waited, log.closed, found.done, found.error) == (0, 1, True, error)
