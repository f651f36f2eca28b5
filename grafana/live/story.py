"""What happens to the services so that dashboards have something to show, and when.

A quiet time; rows that are late and records that cannot be read; a flood; a worker that loses its power, and its
hand-over; its return without its state, and the restore. Every step waits for what Prometheus sees, with a deadline,
never for a time alone, except that ``pace`` is how long each state of affairs is looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from grafana.live.compose import Replica, Stack, hanging_transaction
from grafana.live.prometheus import Prometheus

DEADLINE_SECONDS: Final = 240.0
QUIET: Final = ("--late", "0", "--unusable", "0")
TROUBLE: Final = ("--rate", "400", "--late", "0.3", "--unusable", "0.05")
HASTE: Final = (
    *("-X", "commit.interval=500ms"),
    *("-X", "telemetry.interval=250ms"),
    *("-X", "kafka.transaction_timeout_ms=10000"),
    *("-X", "telemetry.metrics=debug"),
)
"""Of the workers: sooner seen, and the open transaction of a dead one holds nobody up for a minute."""
CHANGELOG: Final = "clicks-totals-changelog"
PARTITIONS: Final = 6


@dataclass(slots=True)
class Story:
    """A stack and its Prometheus while things happen to them.

    Attributes:
        stack: The services.
        prometheus: What scrapes them.
        pace: Seconds for which each state of affairs lasts.
        rate: Clicks per second in quiet times.
        flood: Clicks per second of the flood.
        moments: When what began, seconds since 1970.
    """

    stack: Stack
    prometheus: Prometheus
    pace: float
    rate: int = 2_000
    flood: int = 20_000
    moments: dict[str, float] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)

    def begin(self) -> list[Replica]:
        """Topics, two workers, a generator that writes nothing wrong; until all partitions are read and none lags."""
        self._now("begin")
        self.stack.run("topics")
        workers = [self.worker(1), self.worker(2)]
        self.until("both work", 'sum(streamframe_worker_state{state="running"}) == 2')
        self.stack.start("generator", further=["--rate", str(self.rate), *QUIET])
        self.until("rows are read", "sum(rate(streamframe_rows_in_total[5s])) > 100")
        self.until("both have partitions", "min(sum by (instance) (streamframe_assigned_partitions)) == 3")
        self.until("event time moves", "min(changes(streamframe_watermark_timestamp_seconds[10m])) > 0")
        self._now("quiet")
        self.last()
        return workers

    def worker(self, number: int, *, fresh: bool = False) -> Replica:
        """Start a worker, or start it again, and have it scraped."""
        replica = self.stack.start("worker", number=number, fresh=fresh, further=HASTE)
        self.hosts[f"worker-{number}"] = replica.host
        self.prometheus.scrape(self.hosts)
        return replica

    def trouble(self) -> Replica:
        """Let a second writer write late rows and unreadable records."""
        self._now("trouble")
        writer = self.stack.start("generator", further=TROUBLE)
        self.until("rows are late", 'sum(streamframe_rows_dropped_total{reason="late"}) > 0')
        self.until("records are set aside", "sum(streamframe_dead_letters_total) > 0")
        self.last()
        return writer

    def overload(self) -> None:
        """Let ten times as much arrive for a while."""
        self._now("overload")
        writer = self.stack.start("overload", further=["--rate", str(self.flood), *QUIET])
        self.until("more is read", f"sum(rate(streamframe_rows_in_total[5s])) > {2 * self.rate}")
        self.last()
        writer.stop()
        self.until("all is read", "sum(streamframe_consumer_lag_records) < 5000")

    def power_cut(self, worker: Replica) -> None:
        """End a worker at once; until the other one has all its partitions."""
        self._now("power cut")
        worker.kill()
        self.until("it is missed", 'up{job="streamframe"} == 0')
        self.until("handed over", f"sum(streamframe_assigned_partitions) == {PARTITIONS}")
        self.until("the other works", 'sum(streamframe_worker_state{state="running"}) == 1')
        self.last()

    def comeback(self, number: int) -> Replica:
        """Start the worker again without its state; until it has restored and works."""
        self._now("comeback")
        # The changelog of a short story is read in a fraction of a second, which nobody would see.
        with hanging_transaction(self.stack.bootstrap, CHANGELOG, PARTITIONS):
            replica = self.worker(number, fresh=True)
            self.until("it restores", "sum(streamframe_restore_remaining_records) > 0")
            self.last()
        self.until("both work", 'sum(streamframe_worker_state{state="running"}) == 2')
        self.until("both have partitions", "min(sum by (instance) (streamframe_assigned_partitions)) == 3")
        self.last()
        self._now("end")
        return replica

    def last(self) -> None:
        """Let things be as they are for a while."""
        time.sleep(self.pace)

    def until(self, what: str, query: str) -> None:
        """Ask until a query has a result.

        Raises:
            TimeoutError: It had none in time.
        """
        self.wait_for(what, lambda: bool(self.prometheus.instant(query)))

    def wait_for(self, what: str, seen: Callable[[], bool]) -> None:
        """Look until something is so.

        Raises:
            TimeoutError: It was not in time.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not seen():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {DEADLINE_SECONDS:g} s: {what}")
            time.sleep(0.1)

    def _now(self, what: str) -> None:
        self.moments[what] = time.time()


@contextmanager
def told(stack: Stack, prometheus: Prometheus, *, pace: float) -> Iterator[Story]:
    """Run services and Prometheus around a story."""
    with stack, prometheus:
        yield Story(stack, prometheus, pace)
