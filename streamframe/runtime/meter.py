"""What the driver measures: where its time goes, what passes through it, how long it takes to count.

Rules:
    1. One thread, plain counters. Whoever wants to see them takes ``measured()``, a value that does not change.
    2. Every moment of the loop belongs to one phase: ``enter`` ends the one before. Nested work (a rebalance inside
       a poll) comes back to the phase it interrupted. A poll works and waits in one call: its processor time is
       ``poll``, the rest of it is ``idle``, so that what is not idle is what a worker has to do.
    3. Nothing is done per record in Python: histograms take arrays, latencies a sample of each batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from streamframe.core import metric_catalogue as catalogue
from streamframe.core.batch import Int64Array, OutputBatch, RecordBatch
from streamframe.core.histogram import BatchHistogram
from streamframe.core.ids import TopicPartition
from streamframe.core.time import MICROS_PER_MS, MICROS_PER_SECOND
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.snapshot import CommitSnapshot, DeadLetterSnapshot, Measured

SAMPLE: Final = 32
"""Records of a batch that are looked at, for timestamps and sizes."""

COMMITS_KEPT: Final = 60
DEAD_LETTERS_KEPT: Final = 20

_COMMAND_PHASES: Final[dict[type, str]] = {
    cmd.Produce: "produce",
    cmd.Commit: "commit",
    cmd.Abort: "commit",
    cmd.RenewProducer: "commit",
    cmd.WriteStore: "state",
    cmd.OpenStore: "state",
    cmd.CloseStore: "state",
    cmd.WipeStore: "state",
    cmd.FetchCommitted: "restore",
    cmd.FindChangelogs: "restore",
    cmd.ReadChangelog: "restore",
    cmd.StopChangelog: "restore",
    cmd.Deliver: "process",
    cmd.Show: "process",
}
_EVENT_PHASES: Final[dict[type, str]] = {
    ev.RecordsRead: "process",
    ev.Tick: "seal",
    ev.StopRequested: "seal",
    ev.ChangelogRead: "restore",
    ev.StoreWritten: "restore",
    ev.CommittedFetched: "restore",
}
_REBALANCES: Final[dict[type, str]] = {
    ev.PartitionsAssigned: "assigned",
    ev.PartitionsRevoked: "revoked",
    ev.PartitionsLost: "lost",
}


class _Stretches(NamedTuple):
    """Where a batch is looked at: the last row of each stretch, and how many rows each stands for."""

    rows: list[int]
    weights: Int64Array


@lru_cache(maxsize=4096)
def _stretches(count: int) -> _Stretches:
    taken = min(SAMPLE, count)
    borders = [count * number // taken for number in range(taken + 1)]
    # The last record of a batch, whose age is the lag, is among them.
    ends = np.array(borders, np.int64)
    return _Stretches((ends[1:] - 1).tolist(), ends[1:] - ends[:-1])


@dataclass(slots=True)
class _Waiting:
    """Timestamps of processed records that do not count yet: milliseconds, and how many records they stand for."""

    times: list[Int64Array] = field(default_factory=list)
    weights: list[Int64Array] = field(default_factory=list)


@dataclass(slots=True)
class _SinceCommit:
    records: int = 0
    batches: int = 0
    processing: int = 0
    sealing: int = 0


class Meter:
    """See the module docstring.

    Args:
        now: The driver's clock, microseconds.
        dead_letters: Name of the dead-letter topic, if there is one.
        windowed: The windowed aggregate whose results a sink writes, by name of the sink.
        worked: Processor time of the loop's thread so far, microseconds; by default all time is work.
    """

    def __init__(
        self,
        now: Callable[[], int],
        dead_letters: str | None = None,
        windowed: Mapping[str, str] = MappingProxyType({}),
        worked: Callable[[], int] | None = None,
    ) -> None:
        self._now = now
        self._worked = worked or now
        self._worked_before = 0
        self._windowed = windowed
        self._dead_letter_topic = dead_letters
        self._phase = "other"
        self._since = now()
        self._loop = dict.fromkeys(catalogue.PHASES, 0)
        self._consumed: dict[str, tuple[int, int]] = {}
        self._produced: dict[str, tuple[int, int]] = {}
        self._changelog: dict[str, int] = {}
        self._rebalances = dict.fromkeys(catalogue.REBALANCES, 0)
        self._notices = dict.fromkeys(catalogue.LEVELS, 0)
        self._histograms: dict[str, BatchHistogram] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._work = _SinceCommit()
        self._commits: deque[CommitSnapshot] = deque(maxlen=COMMITS_KEPT)
        self._unfinished: CommitSnapshot | None = None
        self._dead_letters: deque[DeadLetterSnapshot] = deque(maxlen=DEAD_LETTERS_KEPT)
        self._rebalancing_since: int | None = None
        self._restoring_since: int | None = None
        self._progress_at = 0
        self._commit_at = 0
        self.record_times: dict[TopicPartition, int] = {}
        """Kafka timestamp of the record processed last, microseconds, by input partition."""

    # -- time ------------------------------------------------------------------------------------------

    def enter(self, phase: str) -> str:
        """Begin a phase; return the one that ends."""
        now = self._now()
        ended, lasted = self._phase, now - self._since
        if ended == "poll":
            # The two clocks have ticks of their own.
            work = min(lasted, self._worked() - self._worked_before)
            self._loop["idle"] += lasted - work
            lasted = work
        self._loop[ended] += lasted
        self._phase, self._since = phase, now
        if phase == "poll":
            self._worked_before = self._worked()
        return ended

    def enter_event(self, event: ev.Event) -> str:
        """Begin the phase of an event; return the one that ends."""
        return self.enter(_EVENT_PHASES.get(type(event), "other"))

    def enter_command(self, command: cmd.Command) -> str:
        """Begin the phase of a command; return the one that ends."""
        return self.enter(_COMMAND_PHASES.get(type(command), "other"))

    @property
    def in_phase(self) -> int:
        """Microseconds since the present phase began."""
        return self._now() - self._since

    def polled(self, *, idle: bool) -> None:
        """End a poll; one that brought nothing was idling."""
        self._phase = "idle" if idle else "poll"
        self.enter("other")

    def turned(self, *, settled: bool) -> None:
        """Note a turn of the loop, and whether every task processes."""
        self._progress_at = now = self._now()
        if not settled:
            self._restoring_since = self._restoring_since or now
            return
        for name, since in (
            ("restore_duration_seconds", self._restoring_since),
            ("rebalance_duration_seconds", self._rebalancing_since),
        ):
            if since is not None:
                self._seconds(name, now - since)
        self._restoring_since = self._rebalancing_since = None

    # -- what passes -----------------------------------------------------------------------------------

    def rebalanced(self, event: ev.Event) -> None:
        """Count a change of the assignment."""
        self._rebalances[_REBALANCES[type(event)]] += 1
        self._rebalancing_since = self._rebalancing_since or self._now()

    def noticed(self, level: str) -> None:
        """Count a line of the log."""
        if level in self._notices:
            self._notices[level] += 1

    def processed(self, batch: RecordBatch, duration: int) -> None:
        """Count a batch that the engine has taken."""
        topic, count = batch.source.topic, len(batch)
        records, size = self._consumed.get(topic, (0, 0))
        self._consumed[topic] = (records + count, size + self._sample(batch))
        self._histogram("batch_size_records", catalogue.SIZE_EDGES).count(count)
        self._seconds("batch_duration_seconds", duration)
        self._work.records += count
        self._work.batches += 1
        self._work.processing += duration

    def produced(self, batch: OutputBatch) -> None:
        """Count records handed to the producer."""
        records, size = self._produced.get(batch.topic, (0, 0))
        self._produced[batch.topic] = (records + len(batch), size + batch.size_bytes)
        if batch.step in self._windowed and batch.timestamps is not None:
            # A result carries the last millisecond of its window.
            ends = np.asarray(batch.timestamps, np.int64) + 1
            delays = np.maximum(0, self._now() - ends * MICROS_PER_MS) / MICROS_PER_SECOND
            self._histogram(f"emit_delay_seconds:{self._windowed[batch.step]}", catalogue.LATENCY_EDGES).observe(delays)
        if batch.topic == self._dead_letter_topic:
            self._note_dead_letters(batch)

    def sealed(self, duration: int) -> None:
        """Count a seal."""
        self._work.sealing += duration
        self._seconds("seal_duration_seconds", duration)

    def committed(self, command: cmd.Commit, duration: int) -> None:
        """Count a commit that succeeded, and everything that counts by it."""
        self._commit_at = now = self._now()
        self._seconds("commit_duration_seconds", duration)
        for changelog, records in command.request.changelog.items():
            self._changelog[changelog.topic] = self._changelog.get(changelog.topic, 0) + len(records)
        for topic, waiting in self._waiting.items():
            times, weights = np.concatenate(waiting.times), np.concatenate(waiting.weights)
            known = times >= 0
            latencies = np.maximum(0, now - times[known] * MICROS_PER_MS) / MICROS_PER_SECOND
            name = f"end_to_end_latency_seconds:{topic}"
            self._histogram(name, catalogue.LATENCY_EDGES).observe(latencies, weights[known])
        self._waiting = {}
        work, self._work = self._work, _SinceCommit()
        self._unfinished = CommitSnapshot(
            at=now,
            records=work.records,
            batches=work.batches,
            processing=work.processing,
            sealing=work.sealing,
            committing=duration,
        )

    def went_on(self, since: int) -> None:
        """Note that an event, and everything that followed from it, was handled; if that was a commit, it is over.

        Args:
            since: When the event began to be handled, microseconds.
        """
        if self._unfinished is None:
            return
        stalled = self._now() - since
        self._commits.append(replace(self._unfinished, stalled=stalled))
        self._unfinished = None
        self._seconds("commit_stall_seconds", stalled)

    def rolled_back(self) -> None:
        """Forget what was about to count: it will be read again."""
        self._waiting = {}
        self._work = _SinceCommit()

    def forget(self, partitions: Sequence[TopicPartition]) -> None:
        """Forget partitions that are no longer ours."""
        for partition in partitions:
            self.record_times.pop(partition, None)

    def measured(self) -> Measured:
        """Return everything so far."""
        self.enter(self._phase)
        return Measured(
            loop=dict(self._loop),
            consumed=dict(self._consumed),
            produced=dict(self._produced),
            changelog=dict(self._changelog),
            rebalances=dict(self._rebalances),
            notices=dict(self._notices),
            histograms={name: histogram.snapshot() for name, histogram in self._histograms.items()},
            commits=tuple(self._commits),
            dead_letters=tuple(self._dead_letters),
            progress_at=self._progress_at,
            commit_at=self._commit_at,
        )

    # -- inside ----------------------------------------------------------------------------------------

    def _histogram(self, name: str, edges: Sequence[float]) -> BatchHistogram:
        found = self._histograms.get(name)
        if found is None:
            found = self._histograms[name] = BatchHistogram(edges)
        return found

    def _seconds(self, name: str, micros: int) -> None:
        edges = catalogue.METRIC_BY_NAME[catalogue.PREFIX + name].edges
        self._histogram(name, edges).count(micros / MICROS_PER_SECOND)

    def _sample(self, batch: RecordBatch) -> int:
        """Look at some records of a batch: note their timestamps, return the bytes of all values, about."""
        rows, weights = _stretches(len(batch))
        times = batch.timestamps_at(rows)
        if times[-1] >= 0:
            self.record_times[batch.source] = int(times[-1]) * MICROS_PER_MS
        waiting = self._waiting.setdefault(batch.source.topic, _Waiting())
        waiting.times.append(times)
        waiting.weights.append(weights)
        return int(batch.value_bytes_at(rows) @ weights)

    def _note_dead_letters(self, batch: OutputBatch) -> None:
        for headers in (batch.headers or ())[-DEAD_LETTERS_KEPT:]:
            texts = {name: (value or b"").decode(errors="replace") for name, value in headers}
            self._dead_letters.append(
                DeadLetterSnapshot(
                    at=self._now(),
                    step=batch.step,
                    topic=texts.get("sf.topic", ""),
                    partition=texts.get("sf.partition", ""),
                    offset=texts.get("sf.offset", ""),
                    error=texts.get("sf.error", ""),
                )
            )
