"""The loop of one worker: poll, let the engine decide, perform, hand back the answers.

One thread. An answer is handled before anything that was polled after its question, so the engine never
sees a batch between deciding a commit and learning what became of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from streamframe.core.errors import StreamFrameError
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import Settings
from streamframe.engine import commands as cmd
from streamframe.engine import events as ev
from streamframe.engine.ports import Clock, Log, Stores, Telemetry
from streamframe.engine.snapshot import DiskSnapshot, Snapshot
from streamframe.engine.worker import Worker
from streamframe.plan.nodes import Aggregate, TopicSink
from streamframe.plan.topology import Role, Topology
from streamframe.runtime.meter import Meter
from streamframe.runtime.pacing import Pace
from streamframe.runtime.performer import BREAKING, Performer

_WORK: Final = (ev.RecordsRead, ev.ChangelogRead)
"""What a poll brings that is work; end-of-partition marks come while idling."""


def windowed_by_sink(topology: Topology) -> dict[str, str]:
    """Return the windowed aggregate whose results a sink writes, by name of the sink; late rows are no results."""
    found: dict[str, str] = {}
    for sub in topology.sub_topologies:
        origin: dict[int, str] = {}
        for stage in sub.stages:
            node = stage.node
            if stage.role is Role.AGGREGATE and isinstance(node, Aggregate) and node.window is not None:
                origin[stage.index] = node.name
            elif stage.upstream and stage.upstream[0].port == "rows" and stage.upstream[0].stage in origin:
                origin[stage.index] = origin[stage.upstream[0].stage]
            if isinstance(node, TopicSink) and stage.index in origin:
                found[node.name] = origin[stage.index]
    return found


class Driver:
    """Runs one worker.

    Args:
        worker: The engine.
        log: Kafka; its rebalance callbacks must call ``barrier``.
        stores: Local stores.
        clock: The time.
        telemetry: Where snapshots and notices go.
        lag: Returns records not yet read per input partition, for snapshots.
        disk: Looks at the local databases, for snapshots.
        show: Takes the text of ``print`` steps.
        rest: Waits for so many microseconds, to let records gather; by default nobody waits.
        worked: Processor time of this thread so far, microseconds; by default waiting in a poll counts as work.
        in_hand: Whether the next poll returns what an earlier one has gathered.
    """

    def __init__(  # noqa: PLR0913 - the four ports, and what only the outside knows
        self,
        worker: Worker,
        log: Log,
        *,
        stores: Stores,
        clock: Clock,
        telemetry: Telemetry,
        lag: Callable[[], dict[str, int]] = dict,
        disk: Callable[[], DiskSnapshot | None] = lambda: None,
        show: Callable[[str], None] = print,
        rest: Callable[[int], None] | None = None,
        worked: Callable[[], int] | None = None,
        in_hand: Callable[[], bool] = lambda: False,
    ) -> None:
        self.worker = worker
        self._log = log
        self._clock = clock
        self._telemetry = telemetry
        self._lag = lag
        self._disk = disk
        topology = worker.spec.topology
        self._meter = Meter(clock.now, topology.plan.dead_letters, windowed_by_sink(topology), worked)
        self._settings: Settings = worker.spec.settings
        self._performer = Performer(log, stores, telemetry, show)
        self._rest = rest
        self._in_hand = in_hand
        self._pace = Pace(interval=self._settings.commit.interval)
        self._published_at = 0
        self._stop = False
        self._started = False

    @property
    def done(self) -> bool:
        """Whether the worker has ended, well or badly."""
        return self._performer.done

    @property
    def error(self) -> StreamFrameError | None:
        """What ended the worker badly, if anything."""
        return self._performer.error

    def request_stop(self) -> None:
        """Ask for a graceful end; may be called from a signal handler: it only sets a flag."""
        self._stop = True

    def barrier(self, event: ev.Event) -> None:
        """Handle an assignment change completely: returns when the engine's answer has been performed."""
        self._meter.rebalanced(event)
        interrupted = self._meter.enter("other")
        self.handle([event])
        if isinstance(event, ev.PartitionsRevoked | ev.PartitionsLost):
            self._meter.forget(event.partitions)
        self._meter.enter(interrupted)

    def run(self) -> None:
        """Run until the worker ends.

        Raises:
            StreamFrameError: Whatever ended it.
        """
        while not self.done:
            self.step()
        self.publish()
        if self.error is not None:
            raise self.error

    def step(self) -> None:
        """One turn: poll, handle what happened, perform what was decided."""
        if not self._started:
            self._started = True
            self.handle([ev.Tick(now=self._clock.now())])
            self._perform(self.worker.start())
        self.handle([ev.Tick(now=self._clock.now())])
        if self.done:
            return
        if self._stop:
            self._stop = False
            self.handle([ev.StopRequested()])
            return
        self._let_records_gather()
        self._meter.enter("poll")
        self._performer.begin_poll()
        events = self._log.poll(self._wait())
        self._meter.polled(idle=not any(isinstance(event, _WORK) for event in events))
        records = sum(len(event.batch) for event in events if isinstance(event, ev.RecordsRead))
        self._pace.polled(self._clock.now(), records, more=self._in_hand())
        for event in events:
            # Asked event by event: handling one may send the partitions of the next ones elsewhere.
            if self._performer.outdated(event):
                continue
            self.handle([event])
            if self.worker.is_full:
                self.handle([ev.Tick(now=self._clock.now())])
        self._meter.turned(settled=all(task.running for task in self.worker.tasks.values()))
        if self._clock.now() - self._published_at >= self._settings.telemetry.interval:
            self.publish()

    def _wait(self) -> int:
        """How long to wait for records: not beyond the next commit."""
        if self.worker.commit.in_flight is not None:
            return 0
        return max(1_000, min(self._settings.limits.poll_wait, self._until_commit()))

    def _until_commit(self) -> int:
        return self.worker.last_commit_at + self._settings.commit.interval - self._clock.now()

    def _let_records_gather(self) -> None:
        tasks = self.worker.tasks.values()
        if self._rest is None or not all(task.running for task in tasks):
            return
        micros = self._pace.rest(self._clock.now(), self._until_commit())
        if micros:
            self._meter.enter("idle")
            self._rest(micros)

    def publish(self) -> None:
        """Hand a snapshot to the telemetry."""
        self._published_at = self._clock.now()
        self._telemetry.publish(self.snapshot())

    def snapshot(self) -> Snapshot:
        """Return what the worker looks like now."""
        seen = self.worker.snapshot({} if self.done else self._lag())
        times = self._meter.record_times
        partitions = tuple(
            replace(each, record_time=times.get(TopicPartition(each.topic, each.partition))) for each in seen.partitions
        )
        return replace(
            seen,
            partitions=partitions,
            measured=self._meter.measured(),
            disk=None if self.done else self._disk(),
        )

    def handle(self, events: Iterable[ev.Event]) -> None:
        """Handle events in order, each with everything that follows from it."""
        for event in events:
            since = self._clock.now()
            self._perform(self._decided(event))
            self._meter.went_on(since)

    def _decided(self, event: ev.Event) -> list[cmd.Command]:
        """Let the engine decide, and measure how long it takes: processing a batch, sealing."""
        before = self._meter.enter_event(event)
        batches = self.worker.tally.batches
        commands = self.worker.handle(event)
        if isinstance(event, ev.RecordsRead):
            if self.worker.tally.batches != batches:
                self._meter.processed(event.batch, self._meter.in_phase)
        elif any(isinstance(command, cmd.Commit) for command in commands):
            self._meter.sealed(self._meter.in_phase)
        self._meter.enter(before)
        return commands

    def _perform(self, commands: Iterable[cmd.Command]) -> None:
        """Perform commands and everything that follows from their answers, depth first."""
        answers = deque(self._answers(commands))
        while answers:
            consequences = self._answers(self._decided(answers.popleft()))
            answers.extendleft(reversed(consequences))

    def _answers(self, commands: Iterable[cmd.Command]) -> list[ev.Event]:
        """Perform one list of commands; a breaking answer drops the rest of the list."""
        answers: list[ev.Event] = []
        for command in commands:
            answer = self._measured(command)
            if answer is not None:
                answers.append(answer)
                if isinstance(answer, BREAKING):
                    break
        return answers

    def _measured(self, command: cmd.Command) -> ev.Event | None:
        """Perform one command and count what came of it."""
        before = self._meter.enter_command(command)
        answer = self._performer.perform(command)
        match command, answer:
            case cmd.Produce(), None:
                self._meter.produced(command.batch)
            case cmd.Commit(), ev.CommitSucceeded():
                self._meter.committed(command, self._meter.in_phase)
            case ((cmd.Abort() | cmd.RenewProducer()), _):
                self._meter.rolled_back()
            case cmd.Notice(), _:
                self._meter.noticed(command.level)
            case _:
                pass
        self._meter.enter(before)
        return answer
