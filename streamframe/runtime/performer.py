"""Doing what the engine decided: one small function per command.

The only place where errors of adapters are caught: each becomes an event that the engine understands.
Performing is boring on purpose; whatever needs a decision is in the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamframe.core.errors import StoreCorrupted, StoreUnavailable, StreamFrameError, UserFunctionError
from streamframe.core.ids import TopicPartition
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.ports import (
    Log,
    LogError,
    OffsetsUndecided,
    OutcomeUnknown,
    ProducerFenced,
    Stores,
    Telemetry,
    TransactionAborted,
)

BREAKING: Final = (ev.TransactionFailed, ev.ProducerLost, ev.Failed)
"""Answers after which the rest of a command list must not be performed."""


class Performer:
    """Performs commands against the ports.

    Args:
        log: Kafka, or something that behaves like it.
        stores: Local stores.
        telemetry: Where notices go.
        show: Takes the text of ``print`` steps.
    """

    def __init__(self, log: Log, stores: Stores, telemetry: Telemetry, show: Callable[[str], None]) -> None:
        self._log = log
        self._stores = stores
        self._telemetry = telemetry
        self._show = show
        self.error: StreamFrameError | None = None
        self.done = False
        self._redirected: set[TopicPartition] = set()

    def begin_poll(self) -> None:
        """Everything that is polled from now on is where the commands up to now want it."""
        self._redirected.clear()

    def outdated(self, event: ev.Event) -> bool:
        """Whether something polled is of a partition that a command has stopped or moved since ``begin_poll``.

        One poll brings records of many partitions. If a commit in the middle of handling them fails, all
        partitions go back to their committed offsets; what is still in hand begins behind those, and taking it
        would skip the records between.
        """
        match event:
            case ev.RecordsRead():
                return event.batch.source in self._redirected
            case ev.EndReached():
                return event.partition in self._redirected
            case ev.ChangelogRead():
                return event.changelog in self._redirected
            case _:
                return False

    def perform(self, command: cmd.Command) -> ev.Event | None:
        """Perform one command completely and return its answer, if it has one."""
        try:
            return self._dispatch(command)
        except TransactionAborted as error:
            return ev.TransactionFailed(reason=str(error))
        except (ProducerFenced, OutcomeUnknown) as error:
            return ev.ProducerLost(reason=f"{type(error).__name__}: {error}")
        except StreamFrameError as error:
            return ev.Failed(error=error)

    def _dispatch(self, command: cmd.Command) -> ev.Event | None:  # noqa: C901
        match command:
            case cmd.Produce():
                self._log.produce(command.batch)
            case cmd.Commit():
                ends = self._log.commit(command.request)
                return ev.CommitSucceeded(sequence=command.sequence, ends=ends)
            case cmd.WriteStore():
                return self._write_store(command)
            case cmd.PauseInputs():
                self._redirected.update(command.partitions)
                self._log.pause(command.partitions)
            case cmd.ResumeInputs():
                self._redirected.update(command.positions)
                self._log.resume(command.positions)
            case cmd.FetchCommitted():
                return self._fetch_committed(command)
            case cmd.OpenStore():
                return self._open_store(command)
            case cmd.CloseStore():
                self._close_store(command)
            case cmd.WipeStore():
                self._stores.wipe(command.task)
            case cmd.FindChangelogs():
                bounds = {tp: self._log.changelog_bounds(tp) for tp in command.changelogs}
                return ev.ChangelogsFound(task=command.task, epoch=command.epoch, bounds=bounds)
            case cmd.ReadChangelog():
                self._redirected.add(command.changelog)
                self._log.start_restore(command.changelog, command.offset)
            case cmd.StopChangelog():
                self._redirected.add(command.changelog)
                self._log.stop_restore(command.changelog)
            case cmd.Abort():
                self._log.abort()
                return ev.RolledBack(epoch=command.epoch)
            case cmd.RenewProducer():
                self._log.renew_producer()
                return ev.RolledBack(epoch=command.epoch)
            case cmd.Purge():
                self._log.purge(command.before)
            case cmd.Deliver():
                return self._deliver(command)
            case cmd.Show():
                self._show(command.text)
            case cmd.FetchBounds():
                return ev.BoundsFetched(bounds=self._log.bounds(command.partitions, appended=command.appended))
            case cmd.FetchProgress():
                return ev.ProgressFetched(committed=self._log.committed(command.partitions))
            case cmd.Notice():
                self._telemetry.notice(command.level, command.text, command.facts)
            case cmd.Exit():
                self._exit()
            case cmd.Fail():
                self._fail(command)
        return None

    def _fetch_committed(self, command: cmd.FetchCommitted) -> ev.Event:
        try:
            found = self._log.committed(command.partitions, wait=command.wait)
        except OffsetsUndecided as error:
            return ev.CommittedUndecided(task=command.task, epoch=command.epoch, reason=str(error))
        return ev.CommittedFetched(task=command.task, epoch=command.epoch, committed=found)

    def _write_store(self, command: cmd.WriteStore) -> ev.Event | None:
        try:
            command.store.write(command.changes)
        except StoreCorrupted as error:
            return ev.StoreDamaged(task=command.task, reason=str(error))
        if command.answer is None:
            return None
        epoch, changelog, position = command.answer
        return ev.StoreWritten(task=command.task, epoch=epoch, changelog=changelog, position=position)

    def _open_store(self, command: cmd.OpenStore) -> ev.Event:
        try:
            store = self._stores.open(command.task)
        except StoreCorrupted as error:
            return ev.StoreDamaged(task=command.task, reason=str(error))
        except StoreUnavailable as error:
            return ev.StoreBusy(task=command.task, epoch=command.epoch, error=error)
        return ev.StoreOpened(task=command.task, epoch=command.epoch, store=store)

    def _close_store(self, command: cmd.CloseStore) -> None:
        try:
            command.store.close()
        except StreamFrameError as error:
            # The changelog holds everything that the store could not flush.
            facts = {"task": str(command.task), "reason": str(error)}
            self._telemetry.notice("warning", "local store did not close cleanly", facts)

    def _deliver(self, command: cmd.Deliver) -> ev.Event:
        delivery = command.delivery
        try:
            delivery.function(delivery.frame, delivery.batch_id)
        except Exception as error:  # A user function may raise anything.
            failure = UserFunctionError(
                "for_each_batch function raised",
                hint="the same batch is delivered again, with the same id, at the next start",
                step=delivery.step,
                batch_id=delivery.batch_id,
                error=f"{type(error).__name__}: {error}",
            )
            failure.__cause__ = error
            return ev.Failed(error=failure)
        return ev.Delivered(task=command.task, step=delivery.step, batch_id=delivery.batch_id)

    def _exit(self) -> None:
        try:
            self._log.await_visible()
        except StreamFrameError as error:
            # Everything is committed; a transaction of somebody else hides it for a while.
            facts = {"reason": str(error)}
            self._telemetry.notice("warning", "results are committed, and not visible yet", facts)
        self._close_log()
        self.done = True

    def _fail(self, command: cmd.Fail) -> None:
        self.error = command.error
        self.done = True
        self._close_log()

    def _close_log(self) -> None:
        try:
            self._log.close()
        except (StreamFrameError, LogError) as error:
            # Whatever is left open is aborted by the broker.
            facts = {"reason": str(error)}
            self._telemetry.notice("warning", "client did not close cleanly", facts)
