"""The producer of a worker, in its two forms: transactional, and with results outside for ``at_least_once``.

The life of the transactional one is a table::

    CLOSED ──renew──▶ READY ──begin──▶ OPEN ──commit, abort──▶ READY
                        │                │
                        └── any call ────┴──▶ LOST ──renew──▶ READY

Rules:
    1. After an answer that did not come (``OutcomeUnknown``) or a fatal one, the client is never used again: a
       delayed request of it could end the next transaction. A new client of the same identity fences it.
    2. The client itself repeats a request whose connection was lost, with the same epoch, and says nothing. So a client
       that lost a connection during a transaction begins no other one either, even if that one was committed
       (docs/decisions/0013).
    3. Offsets are sent after the records and with the group metadata of that moment.
    4. Every call that may not come back is announced to the watchdog.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum
from typing import Final, Protocol, TypedDict, Unpack

from confluent_kafka import KafkaException, Producer

from streamframe.core.batch import OutputBatch
from streamframe.core.errors import ConfigError, StreamFrameError
from streamframe.core.ids import Offset, TopicPartition
from streamframe.engine.ports import CommitRequest, OutcomeUnknown, ProducerFenced, TransactionAborted
from streamframe.kafka.client_log import ConnectionLog
from streamframe.kafka.codes import PERMISSION_CODES
from streamframe.kafka.consumer import InputConsumer, client_offsets
from streamframe.kafka.deadline import Deadline
from streamframe.kafka.errors import as_error, facts_of, transactional
from streamframe.kafka.sender import Sender, Written
from streamframe.kafka.watchdog import Watchdog, watched

INIT_RETRY_SECONDS: Final = 0.1


class RecordProducer(Protocol):
    """What ``KafkaLog`` needs of a producer; errors as in ``streamframe.engine.ports.Log``."""

    @property
    def topics(self) -> set[str]:
        """Topics written to in transactions since the last question of ``await_visible``."""

    def renew(self) -> None:
        """Make the client, or replace it by a new one of the same identity."""

    def produce(self, batch: OutputBatch) -> None:
        """Queue records."""

    def commit(self, request: CommitRequest, consumer: InputConsumer) -> Mapping[TopicPartition, Offset]:
        """Make everything count."""

    def abort(self) -> None:
        """Forget what was produced since the last commit, as far as possible."""

    def serve(self) -> None:
        """Let the client report what it has to."""

    def close(self) -> None:
        """Release the client; an open transaction is aborted if the broker answers."""


class TransactionState(Enum):
    """Where the transactional producer is; see the picture above."""

    CLOSED = "closed"
    READY = "ready"
    OPEN = "open"
    LOST = "lost"


_NEXT: Final = {
    TransactionState.CLOSED: {TransactionState.READY},
    TransactionState.READY: {TransactionState.OPEN, TransactionState.LOST, TransactionState.CLOSED},
    TransactionState.OPEN: {TransactionState.READY, TransactionState.LOST, TransactionState.CLOSED},
    TransactionState.LOST: {TransactionState.READY, TransactionState.CLOSED},
}


class How(TypedDict):
    """Arguments that all producers share; see ``_Sending``."""

    watchdog: Watchdog
    timeout: float
    patience: float


class _Sending:
    """What both forms share: one client at a time, the watchdog, the limits.

    Args:
        make: Makes a client.
        watchdog: Is told of every call that may not come back.
        timeout: Seconds until an answer counts as missing.
        patience: Seconds after which the watchdog may give up on a call.
    """

    def __init__(self, make: Callable[[], Producer], *, watchdog: Watchdog, timeout: float, patience: float) -> None:
        self._make = make
        self._watchdog = watchdog
        self._timeout = timeout
        self._patience = patience
        self._sender: Sender | None = None
        self.topics: set[str] = set()

    def serve(self) -> None:
        """Let the client report what it has to; a fatal error shows in the next real call."""
        if self._sender is not None:
            with suppress(KafkaException, SystemError):
                self._sender.client.poll(0)

    @property
    def _open_sender(self) -> Sender:
        if self._sender is None:
            raise ProducerFenced("there is no producer")
        return self._sender

    def _new_sender(self) -> Sender:
        self._drop()
        self._sender = Sender(self._make(), self._timeout)
        self._sender.topics = self.topics
        return self._sender

    def _drop(self) -> None:
        """Let go of the client without waiting for the broker.

        What it still holds is purged: the client would try to deliver it while it is being destroyed.
        """
        if self._sender is None:
            return
        with self._watched("drop the producer"):
            # A client that met a fatal error refuses; what it holds dies with it.
            with suppress(KafkaException, SystemError):
                self._sender.client.purge(blocking=False)
            self._sender = None

    def _watched(self, call: str) -> AbstractContextManager[None]:
        return watched(self._watchdog, call, self._patience)


class TransactionalProducer(_Sending):
    """Exactly once.

    Args:
        make: Makes a client with this worker's transactional id.
        connections: What these clients say of their connections, once they have been polled.
        how: See ``_Sending``.
    """

    def __init__(self, make: Callable[[], Producer], connections: ConnectionLog, **how: Unpack[How]) -> None:
        super().__init__(make, **how)
        self._connections = connections
        self._state = TransactionState.CLOSED
        self._lost_before = 0
        self._was_interrupted = False

    @property
    def state(self) -> TransactionState:
        """Where the producer is."""
        return self._state

    def renew(self) -> None:
        """Make the client, or replace it; what the old one left open is aborted, the old one is fenced.

        Raises:
            Unavailable: No answer in time.
            ConfigError: The identity may not be used.
        """
        self._lose()
        sender = self._new_sender()
        deadline = Deadline(self._timeout)
        while True:
            try:
                with self._watched("init_transactions"):
                    sender.client.init_transactions(max(1.0, deadline.remaining()))
            except (KafkaException, SystemError) as error:
                facts = facts_of(error)
                failed = as_error(error, "cannot initialise the transactional producer")
                if facts.code in PERMISSION_CODES or isinstance(failed, ConfigError) or deadline.passed:
                    raise failed from error
                if facts.fatal:
                    sender = self._new_sender()
                deadline.pause(INIT_RETRY_SECONDS)
            else:
                break
        self._was_interrupted = False
        self._move(TransactionState.READY)

    def produce(self, batch: OutputBatch) -> None:
        """Queue records, beginning a transaction when none is open."""
        self._begin()
        with self._judged("produce"):
            self._open_sender.write(batch)

    def commit(self, request: CommitRequest, consumer: InputConsumer) -> Mapping[TopicPartition, Offset]:
        """Write the changelog, add the offsets, commit; return the next offset of each changelog partition."""
        self._begin()
        with self._judged("commit"):
            sender = self._open_sender
            written = Written(ends={}, failures=())
            if any(request.changelog.values()):
                with self._watched("flush"):
                    written = sender.write_changelog(request.changelog)
            offsets = client_offsets(request.offsets)
            if offsets:
                metadata = consumer.group_metadata()
                with self._watched("send_offsets_to_transaction"):
                    sender.client.send_offsets_to_transaction(offsets, metadata, self._timeout)
            with self._watched("commit_transaction"):
                sender.client.commit_transaction(self._timeout)
        assert not written.failures, written.failures
        self._end()
        return written.ends

    def abort(self) -> None:
        """Abort the open transaction, if any."""
        if self._state is TransactionState.LOST:
            raise ProducerFenced("abort: the producer is lost")
        if self._state is not TransactionState.OPEN:
            return
        try:
            with self._judged("abort"), self._watched("abort_transaction"):
                self._open_sender.client.abort_transaction(self._timeout)
        except (OutcomeUnknown, TransactionAborted) as error:
            self._lose()
            raise ProducerFenced(str(error)) from error
        self._end()

    def close(self) -> None:
        """Release the client; an open transaction is aborted if the broker answers."""
        if self._state is TransactionState.OPEN:
            # If it cannot: the broker does when the time is over, or our successor when it starts.
            with suppress(ProducerFenced, StreamFrameError):
                self.abort()
        self._drop()
        if self._state is not TransactionState.CLOSED:
            self._move(TransactionState.CLOSED)

    def _begin(self) -> None:
        if self._state is TransactionState.OPEN:
            return
        if self._state is not TransactionState.READY:
            raise ProducerFenced(f"the producer is {self._state.value}")
        if self._was_interrupted:
            try:
                self.renew()
            except StreamFrameError as error:
                raise ProducerFenced(f"begin: the producer is renewed, but {error}") from error
        with self._judged("begin"):
            self.serve()
            self._lost_before = self._connections.lost
            self._open_sender.client.begin_transaction()
        self._move(TransactionState.OPEN)

    def _end(self) -> None:
        """Note that the transaction has ended, and whether a request of it may still be on its way."""
        self.serve()
        self._was_interrupted = self._connections.lost > self._lost_before
        self._move(TransactionState.READY)

    @contextmanager
    def _judged(self, call: str) -> Iterator[None]:
        """Name what a call raises, and remember whether the client may be used again."""
        try:
            with transactional(call):
                yield
        except (ProducerFenced, OutcomeUnknown):
            self._lose()
            raise

    def _lose(self) -> None:
        if self._state in (TransactionState.READY, TransactionState.OPEN):
            self._move(TransactionState.LOST)

    def _move(self, state: TransactionState) -> None:
        assert state in _NEXT[self._state], (self._state, state)
        self._state = state


class _PlainProducer(_Sending):
    """Writes at once, without a transaction. The client takes a lost record for a fatal error."""

    def renew(self) -> None:
        """Make the client, or replace it; what the old one had queued is forgotten."""
        self._new_sender()

    def produce(self, batch: OutputBatch) -> None:
        """Queue records."""
        with transactional("produce"):
            self._open_sender.write(batch)

    def flush(self) -> None:
        """Wait until everything is written."""
        with transactional("flush"), self._watched("flush of results"):
            self._open_sender.flush()

    def close(self) -> None:
        """Release the client; what is queued is forgotten."""
        self._drop()


class AtLeastOnceProducer:
    """At least once: results are written at once, and what they follow from is one transaction.

    State, offsets and what one task of ours sends to another count together, as always. Written one by one, a crash
    would leave state that is ahead of its offsets: sums that are too large, rows that are late and were not, pages of
    two owners in one table. So all that can happen is that a result comes twice.

    Args:
        plain: Makes a client without a transactional id, for the results.
        inner: Exactly once, for what must count together.
        inside: Topics that are written in the transaction: those that the program reads.
        how: See ``_Sending``.
    """

    def __init__(
        self,
        plain: Callable[[], Producer],
        inner: TransactionalProducer,
        inside: Collection[str],
        **how: Unpack[How],
    ) -> None:
        self._plain = _PlainProducer(plain, **how)
        self._inner = inner
        self._inside = frozenset(inside)

    @property
    def topics(self) -> set[str]:
        """See ``RecordProducer``: what is written at once is visible at once."""
        return self._inner.topics

    def renew(self) -> None:
        """Make both clients, or replace them."""
        self._plain.renew()
        self._inner.renew()

    def produce(self, batch: OutputBatch) -> None:
        """Queue records, of results outside of the transaction."""
        (self._inner if batch.topic in self._inside else self._plain).produce(batch)

    def commit(self, request: CommitRequest, consumer: InputConsumer) -> Mapping[TopicPartition, Offset]:
        """Wait until the results are written, then commit what they follow from."""
        self._plain.flush()
        return self._inner.commit(request, consumer)

    def abort(self) -> None:
        """Abort the open transaction; results that are written stay, and come again."""
        self._inner.abort()

    def serve(self) -> None:
        """Let the clients report what they have to."""
        self._plain.serve()
        self._inner.serve()

    def close(self) -> None:
        """Release the clients."""
        self._plain.close()
        self._inner.close()
