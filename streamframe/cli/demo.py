"""``streamframe demo``: the main job on real input, live, and the proof that the result is right.

A real Kafka, a generator of click events, ``topologies/clicks.py`` on two workers, a table of the windows as they
close. At the end the committed output is compared with what plain pandas computes from the same input.

Exit codes: 0 verified, 10 (`VerificationFailed`) when it is different, 130 when broken off by a second Ctrl-C.
"""

from __future__ import annotations

import argparse
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from streamframe.cli.exit_codes import INTERRUPTED

if TYPE_CHECKING:
    from streamframe.broker import LocalCluster
    from streamframe.broker.clients import Record, RecordReader, TopicObserver
    from streamframe.cli.demo_board import Board
    from streamframe.cli.demo_screen import Frame, Screen
    from streamframe.cli.demo_verify import Verdict
    from streamframe.cli.demo_world import Generator, LagWatch, RunDirectory, Workers
    from streamframe.runtime.messages import SupervisorEvent

_SETTLE_SECONDS_MAX: Final = 90.0
_READ_SECONDS_MAX: Final = 120.0
_TURN_SECONDS: Final = 0.1
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo``."""
    parser = subparsers.add_parser(
        "demo",
        help="see it at work: a real Kafka, a generator, two workers, a verification",
        description="Start a real Apache Kafka, a generator of click events and worker processes; show windows as "
        "they close; at the end compare the output with what plain pandas computes. Kill a worker in between.",
    )
    parser.add_argument("--seconds", type=_positive(float), default=60.0, help="length (default: %(default)g)")
    parser.add_argument("--workers", type=_positive(int), default=2, help="worker processes (default: %(default)s)")
    parser.add_argument(
        "--rate", type=_positive(float), default=2_000.0, help="click events per second (default: %(default)g)"
    )
    parser.add_argument("--port", type=int, default=0, help="port of the broker (default: a free one)")
    parser.add_argument("--keep", action="store_true", help="leave data and logs where they are at the end")
    parser.add_argument("--seed", type=int, default=1, help="of the generator (default: %(default)s)")
    parser.add_argument("--no-color", action="store_true", help="no colours (also: NO_COLOR=1)")


def run(args: argparse.Namespace) -> int:
    """Run the demo; return the exit code.

    Raises:
        VerificationFailed: The output is not what pandas computed.
        StreamFrameError: Something could not be started, or a worker failed for good.
    """
    stops = _StopRequests()
    try:
        with ExitStack() as stack:
            stack.enter_context(stops.watched())
            show = _set_up(args, stops, stack)
            show.play(args.seconds)
            verdict = show.settle_and_verify()
            return show.announce(verdict)
    except KeyboardInterrupt:
        print("\nbroken off: nothing was verified", file=sys.stderr)
        return INTERRUPTED


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = kind(text)
        if number <= 0:
            raise ValueError
        return number

    parse.__name__ = "positive number"
    return parse


class _StopRequests:
    """Signals: while the demo runs, the first one ends it in good order. Any other breaks it off, once."""

    def __init__(self) -> None:
        self.count = 0
        self._breaking_at = 1

    def be_patient(self) -> None:
        """From now on there is something to end in good order."""
        self._breaking_at = self.count + 2

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take the signals over for a while."""
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        self.count += 1
        if number == signal.SIGHUP:
            self.count = max(self.count, self._breaking_at)
        if self.count == self._breaking_at:  # Later ones are ignored: what was started is being ended.
            raise KeyboardInterrupt

    @property
    def any(self) -> bool:
        """Whether somebody wants the end."""
        return self.count > 0


def _set_up(args: argparse.Namespace, stops: _StopRequests, stack: ExitStack) -> _Show:
    """Start everything; what was started is ended by the stack, in reverse order."""
    from streamframe.broker import BrokerSpec, ConsoleProgress, LocalCluster
    from streamframe.broker.clients import RecordReader, TopicObserver
    from streamframe.cli import demo_terms as terms
    from streamframe.cli.demo_board import Board
    from streamframe.cli.demo_screen import Frame, Screen, style_for
    from streamframe.cli.demo_world import (
        BROKER_SETTINGS,
        Generator,
        LagWatch,
        RunDirectory,
        Workers,
        program_path,
        stderr_in,
    )

    program_path()  # Fails before anything is started.
    directory = stack.enter_context(RunDirectory(keep=args.keep))
    spec = BrokerSpec(port=args.port, data_dir=directory.path / "kafka", settings=BROKER_SETTINGS)
    cluster = LocalCluster(spec)
    stderr = stack.enter_context(stderr_in(directory.path / "stderr.log"))
    stack.callback(_end, cluster, directory)
    progress = ConsoleProgress(stderr)
    bootstrap = cluster.start(progress)
    progress.note(f"Apache Kafka {spec.version} is up at {bootstrap}")

    partitions = max(4, args.workers)
    observer = TopicObserver(bootstrap)
    outputs = (terms.RESULTS, terms.LATE, terms.DEAD_LETTERS)
    observer.create([terms.CLICKS, *outputs], partitions=partitions)
    style = style_for(sys.stdout, colour=not args.no_color)
    screen = Screen(sys.stdout, style)
    stack.callback(screen.leave)
    reader = stack.enter_context(RecordReader(bootstrap, dict.fromkeys(outputs, partitions)))
    events: queue.SimpleQueue[SupervisorEvent] = queue.SimpleQueue()
    workers = Workers(bootstrap, directory.path / "state", count=args.workers, events=events.put)
    stack.enter_context(workers)
    progress.note(f"status page: {workers.url}")
    generator = Generator(bootstrap, partitions=partitions, rate=args.rate, seed=args.seed)
    stack.enter_context(generator)
    return _Show(
        board=Board(args.workers),
        screen=screen,
        frame=Frame(
            broker=f"Apache Kafka {spec.version} at {bootstrap}",
            partitions=partitions,
            seconds=args.seconds,
            page=workers.url,
        ),
        directory=directory,
        bootstrap=bootstrap,
        observer=observer,
        reader=reader,
        events=events,
        workers=workers,
        generator=generator,
        lag=stack.enter_context(LagWatch(partial(_lag, observer))),
        stops=stops,
    )


def _lag(observer: TopicObserver) -> int:
    """Return how many records of the input do not count yet."""
    from streamframe.cli import demo_terms as terms

    ends = observer.end_offsets(terms.CLICKS)
    done = observer.committed_offsets(terms.APPLICATION, terms.CLICKS)
    return sum(end - done.get(partition, 0) for partition, end in ends.items())


def _end(cluster: LocalCluster, directory: RunDirectory) -> None:
    """End the broker: in good order when its data are kept, else at once."""
    from contextlib import suppress

    from streamframe.core.errors import ConfigError

    if not directory.keep:
        with suppress(ConfigError):  # It was never up.
            cluster.kill(1)
    cluster.stop()


@dataclass(slots=True, kw_only=True)
class _Show:
    """Everything that runs, and the loop over it."""

    board: Board
    screen: Screen
    frame: Frame
    directory: RunDirectory
    bootstrap: str
    observer: TopicObserver
    reader: RecordReader
    events: queue.SimpleQueue[SupervisorEvent]
    workers: Workers
    generator: Generator
    lag: LagWatch
    stops: _StopRequests
    began: float = 0.0

    def play(self, seconds: float) -> None:
        """Show what happens until the time is over or somebody wants the end."""
        self.began = time.monotonic()
        self.board.phase = "running"
        self.stops.be_patient()
        while time.monotonic() - self.began < seconds and not self.stops.any:
            self._turn()

    def settle_and_verify(self) -> Verdict:
        """Let everything that was written count, stop the workers, compare."""
        self.board.phase = "the generator has stopped; closing the last windows"
        self.generator.finish()
        deadline = time.monotonic() + _SETTLE_SECONDS_MAX
        while not self.generator.finished:
            self._turn()
            self._check_time(deadline)
        written = time.monotonic()
        while self.lag.lag_since(written) != 0:
            self._turn()
            self._check_time(deadline)
        self.board.phase = "everything counts; stopping the workers"
        self._turn()
        self.workers.stop()
        self.board.phase = "reading everything back and computing it again with pandas"
        self._turn()
        verdict = self._compare()
        self.board.phase = ""
        self._turn()
        return verdict

    def announce(self, verdict: Verdict) -> int:
        """Say what came out.

        Raises:
            VerificationFailed: The output is different.
        """
        from streamframe.core.errors import VerificationFailed

        self.screen.leave()
        first, *others = verdict.sentences()
        style = self.screen.style
        emphasis = style.good if verdict.is_equal else style.bad
        self.screen.say(["", emphasis(first), *(f"  {line}" for line in others)])
        if not verdict.is_equal:
            self.directory.keep = True
            raise VerificationFailed(
                "the committed output differs from what pandas computed",
                hint="data and logs are kept: please report this with them",
                directory=str(self.directory.path),
                differences=len(verdict.differences),
            )
        if self.directory.keep:
            data_dir = self.directory.path / "kafka"
            self.screen.say(
                [
                    "",
                    f"data and logs are in {self.directory.path}",
                    f"look at the topics: streamframe broker start --data-dir {data_dir}",
                ]
            )
        return 0

    # -- one turn --------------------------------------------------------------------------------------

    def _turn(self) -> None:
        from streamframe.cli import demo_terms as terms

        for record in self.reader.poll(_TURN_SECONDS):
            if record.topic == terms.RESULTS:
                assert record.value is not None
                self.board.result(record.partition, record.value)
            elif record.topic == terms.LATE:
                self.board.late += 1
            else:
                self.board.dead_letters += 1
        while not self.events.empty():
            self.board.event(self.events.get(), time.time())
        self.workers.check()
        self.generator.look()
        self.board.sent = self.generator.sent
        self.board.lag = self.lag.lag
        self.screen.show(self.board, self.frame, elapsed=time.monotonic() - self.began)

    def _check_time(self, deadline: float) -> None:
        from streamframe.core.errors import Unavailable

        if time.monotonic() > deadline:
            self.directory.keep = True
            raise Unavailable(
                "the workers did not catch up in time",
                hint="their messages are in stderr.log",
                lag=self.board.lag,
                directory=str(self.directory.path),
            )

    def _compare(self) -> Verdict:
        from streamframe.broker.clients import RecordReader
        from streamframe.cli import demo_terms as terms
        from streamframe.cli.demo_verify import compare, compute, read_input, read_output

        def read(topic: str) -> Iterator[Record]:
            ends = self.observer.end_offsets(topic)
            with RecordReader(self.bootstrap, {topic: len(ends)}) as reader:
                yield from reader.read_to(topic, ends, seconds_max=_READ_SECONDS_MAX)

        given = read_input(read(terms.CLICKS))
        found = read_output(read(terms.RESULTS), read(terms.LATE), read(terms.DEAD_LETTERS))
        return compare(given, compute(given), found)
