"""Everything that the demo starts, each as a context manager that ends what it has started.

::

    run directory ── <cache home>/demo/<time>-<pid>/   kafka/  state/  stderr.log, removed at the end
    broker        ── streamframe.broker, ends with this process however that ends
    generator     ── a process of its own, ends when its standard input does
    lag watch     ── a thread that asks the broker
    workers       ── the supervisor in a thread, its workers end when it does; with a status page over all of them

A directory that a killed demo has left behind is removed by the next one: its lock is free.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import streamframe
from streamframe.app.running import supervise
from streamframe.app.supervisor_page import supervisor_page
from streamframe.broker.caches import cache_home, make_dir
from streamframe.cli import demo_terms as terms
from streamframe.core.errors import ConfigError, StreamFrameError, Unavailable
from streamframe.core.settings import CommitSettings, KafkaSettings, Settings, StateSettings, TelemetrySettings
from streamframe.core.time import MICROS_PER_MS
from streamframe.runtime.messages import SupervisorEvent
from streamframe.runtime.supervisor import SupervisorResult

_LOCK_NAME: Final = "lock"
_GENERATOR_SECONDS_MAX: Final = 60.0
_LAG_SECONDS: Final = 0.4
_WORKERS_SECONDS_MAX: Final = 90.0

BROKER_SETTINGS: Final = {
    # A killed worker is noticed after so long (Kafka: 45 s), and then its partitions go to the others.
    "group.consumer.session.timeout.ms": 3_000,
    "group.consumer.heartbeat.interval.ms": 300,
}


def program_path() -> Path:
    """Return the program that the demo runs.

    Raises:
        ConfigError: The installation has no topologies.
    """
    beside_the_package = Path(streamframe.__file__).resolve().parents[1] / "topologies" / "clicks.py"
    installed = Path(sys.prefix) / "share" / "streamframe" / "topologies" / "clicks.py"
    for path in (beside_the_package, installed):
        if path.is_file():
            return path
    raise ConfigError(
        "the program of the demo is not here",
        hint="run the demo from a clone of the repository: make demo",
        looked_for=str(beside_the_package),
    )


# -- the run directory -----------------------------------------------------------------------------


class RunDirectory:
    """A directory for everything that the demo writes.

    Args:
        keep: Leave it where it is at the end.
    """

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep
        home = make_dir(cache_home() / "demo")
        _remove_abandoned(home)
        self.path = make_dir(home / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        self._lock = open(self.path / _LOCK_NAME, "w", encoding="utf-8")  # noqa: SIM115 - held until the end
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.keep:
            # Without its lock file it is no demo's any more, and no later demo removes it.
            (self.path / _LOCK_NAME).unlink(missing_ok=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _remove_abandoned(home: Path) -> None:
    for lock in home.glob(f"*/{_LOCK_NAME}"):
        try:
            with open(lock, encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            continue  # A demo that is running.


@contextmanager
def stderr_in(path: Path) -> Iterator[TextIO]:
    """Send what this process and its children write to standard error into a file: the screen stays clean.

    Yields:
        The standard error as it was before.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with open(path, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 2)
    with open(before, "w", encoding=sys.stderr.encoding) as stream:
        try:
            yield stream
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)


# -- the generator ---------------------------------------------------------------------------------


class Generator:
    """The process that writes click events.

    Args:
        bootstrap: Broker addresses.
        partitions: Partitions of the topic.
        rate: Events per second.
        seed: Of the events.
    """

    def __init__(self, bootstrap: str, *, partitions: int, rate: float, seed: int) -> None:
        command = [sys.executable, "-m", "streamframe.cli.demo_generator", "--bootstrap", bootstrap]
        command += ["--partitions", str(partitions), "--rate", str(rate), "--seed", str(seed)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        self._pending = b""
        self.sent = 0
        self.finished = False

    def look(self) -> None:
        """Take note of how far it is.

        Raises:
            StreamFrameError: It has ended by itself.
        """
        assert self._process.stdout is not None
        while not self.finished and select.select([self._process.stdout], [], [], 0)[0]:
            received = os.read(self._process.stdout.fileno(), 65_536)
            if not received:
                raise StreamFrameError("the generator of the demo ended", exit_code=self._process.wait())
            *lines, self._pending = (self._pending + received).split(b"\n")
            for line in lines:
                report = json.loads(line)
                self.sent, self.finished = report["sent"], report["finished"]

    def finish(self) -> None:
        """Ask for the closing records, and for the end."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"finish\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.finished:
            self._process.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(_GENERATOR_SECONDS_MAX)


# -- the lag ---------------------------------------------------------------------------------------


class LagWatch:
    """Asks the broker again and again how far the group is, in a thread: a slow answer must not freeze the screen.

    Args:
        measure: Returns the number of records that were written and do not count yet.
    """

    def __init__(self, measure: Callable[[], int]) -> None:
        self._measure = measure
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lag-watch", daemon=True)
        self._latest: tuple[float, int] | None = None

    @property
    def lag(self) -> int | None:
        """The last answer; ``None`` before the first one."""
        return None if self._latest is None else self._latest[1]

    def lag_since(self, moment: float) -> int | None:
        """The last answer to a question that was asked after a moment of the monotonic clock, or ``None``."""
        latest = self._latest
        return latest[1] if latest is not None and latest[0] > moment else None

    def _watch(self) -> None:
        while not self._ending.wait(_LAG_SECONDS):
            asked = time.monotonic()
            with suppress(Unavailable):  # Asked again soon; whoever waits for an answer has a deadline.
                self._latest = (asked, self._measure())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(_LAG_SECONDS)


# -- the workers -----------------------------------------------------------------------------------


class Workers:
    """Worker processes under a supervisor, which runs in a thread: the main thread has the screen and the signals.

    Args:
        bootstrap: Broker addresses.
        state_dir: Where their state lives.
        count: How many.
        events: Told what happens, in the thread of the supervisor.
    """

    def __init__(
        self, bootstrap: str, state_dir: Path, *, count: int, events: Callable[[SupervisorEvent], None]
    ) -> None:
        settings = Settings(
            kafka=KafkaSettings(bootstrap=bootstrap, transaction_timeout_ms=10_000, request_timeout_ms=15_000),
            commit=CommitSettings(interval=500 * MICROS_PER_MS),
            state=StateSettings(directory=str(state_dir)),
            telemetry=TelemetrySettings(interval=250 * MICROS_PER_MS),
        )
        self._stack = ExitStack()
        page = self._stack.enter_context(supervisor_page(terms.APPLICATION, settings, count))
        self.url = "" if page is None else page.url
        """Where the status page is."""

        def tell(event: SupervisorEvent) -> None:
            if page is not None:
                page.take(event)
            events(event)

        self._supervisor = supervise(str(program_path()), "", settings, workers=count, bounded=None, events=tell)
        self._result: SupervisorResult | None = None
        self._raised: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def _run(self) -> None:
        try:
            self._result = self._supervisor.run()
        except BaseException as error:
            self._raised = error

    def check(self) -> None:
        """Raise what ended the workers, if they have ended."""
        if self._thread.is_alive():
            return
        if self._raised is not None:
            raise self._raised
        if self._result is not None and self._result.report is not None:
            raise self._result.report.error

    def stop(self) -> None:
        """Stop them gracefully, and return when they have ended.

        Raises:
            StreamFrameError: One of them failed.
        """
        self._supervisor.request_stop("the demo is over")
        self._thread.join(_WORKERS_SECONDS_MAX)
        self.check()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self._supervisor.request_stop("the demo was broken off")
            self._supervisor.request_stop()  # Twice: at once. Nothing of this broker is needed any more.
            self._thread.join(_WORKERS_SECONDS_MAX)
        self._stack.close()
