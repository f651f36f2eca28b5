"""One worker, put together: engine, Kafka, local stores, clock, telemetry."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from streamframe.app.observing import ProgramTelemetry, observed
from streamframe.app.places import installation, state_root
from streamframe.app.preparing import prepare
from streamframe.core.errors import StreamFrameError
from streamframe.core.settings import Settings
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.core.user_metrics import UserMetrics
from streamframe.engine.ports import Telemetry
from streamframe.engine.worker import Worker, WorkerSpec
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.log import KafkaLog, LogOptions
from streamframe.operators.program import Program
from streamframe.plan.topology import Topology
from streamframe.runtime.clock import SystemClock
from streamframe.runtime.driver import Driver
from streamframe.runtime.watchdog import Watchdog
from streamframe.storage.places import WorkerPlace
from streamframe.storage.state_dir import StateDirectory

GC_THRESHOLDS: Final = (100_000, 20, 100)
"""Records are many small objects that die young: the default (700) spends a third of the time collecting."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker runs.

    Attributes:
        topology: The compiled program.
        metrics: Its own metrics.
    """

    topology: Topology
    metrics: UserMetrics


@contextmanager
def open_worker(
    job: Job, settings: Settings, telemetry: Telemetry, *, bounded: bool | None, token: str, port: int = 0
) -> Iterator[Driver]:
    """Build a worker and connect it; release everything at the end.

    Args:
        job: What runs.
        settings: Effective settings.
        telemetry: Where snapshots and notices go.
        bounded: ``None`` to run until stopped, else whether a bounded run flushes its windows.
        token: Names a bounded run; equal for all its workers.
        port: Where the status page is served, if the settings want one; 0: a free port.

    Raises:
        TopologyMismatch: Topics do not fit the program.
        Unavailable: The broker does not answer.
        ConfigError: The broker or the client refuses a setting.
    """
    topology = job.topology
    job.metrics.begin()
    watchdog = Watchdog()
    root = state_root(settings.state)
    with (
        WorkerPlace(root, topology.application) as place,
        StateDirectory(root, topology.application) as stores,
        observed(topology, settings, telemetry, stores, port=port) as watched,
    ):
        name = f"{topology.application}-{installation(settings.kafka.instance, root)}-{place.number}"
        logger = logging.getLogger("streamframe.kafka")
        admin = TopicAdmin(settings.kafka, ClientLog(logger), client_id=f"{name}-admin")
        admin.connect()
        sizes = prepare(topology, settings.kafka, admin).sizes
        # The consumer is made before the driver that answers its callbacks; they come later, from inside poll.
        drivers: list[Driver] = []
        log = KafkaLog(
            _log_options(topology, settings, name, sum(sizes.partition_counts.values())),
            barrier=lambda event: drivers[0].barrier(event),
            watchdog=watchdog,
            logger=logger,
            admin=admin,
        )
        spec = WorkerSpec(
            name=name,
            topology=topology,
            settings=settings,
            partition_counts=sizes.partition_counts,
            task_counts=sizes.task_counts,
            bounded=bounded,
            run_token=token,
        )
        clock = SystemClock()
        driver = Driver(
            Worker(spec, partial(Program, stopwatch=clock.now)),
            log,
            stores=stores,
            clock=clock,
            telemetry=ProgramTelemetry(job.metrics, log.clients, watched),
            lag=lambda: _lag(log, drivers[0].worker),
            disk=stores.sizes,
            rest=lambda micros: time.sleep(micros / MICROS_PER_SECOND),
            worked=clock.worked,
            in_hand=lambda: log.in_hand,
        )
        drivers.append(driver)
        log.connect()
        _tame_collector()
        try:
            yield driver
        finally:
            if not driver.done:
                with suppress(StreamFrameError):
                    log.close()
            watchdog.close()


def _log_options(topology: Topology, settings: Settings, name: str, partitions: int) -> LogOptions:
    return LogOptions(
        group=topology.application,
        member=name,
        topics=tuple(topic for sub in topology.sub_topologies for topic in sub.topics),
        kafka=settings.kafka,
        limits=settings.limits,
        guarantee=settings.commit.guarantee,
        partitions=partitions,
        headers=topology.reads_headers,
        statistics=settings.telemetry.metrics == "debug",
    )


def _lag(log: KafkaLog, worker: Worker) -> dict[str, int]:
    """Return offsets between the last stable offset and what was processed, as far as they are known.

    A position may be beyond the end that was told last: that is a moment old.
    """
    positions = {
        place: position
        for task in worker.tasks.values()
        if task.running
        for place, position in task.positions.items()
        if position >= 0
    }
    ends = log.ends(positions)
    return {str(place): max(0, ends[place] - at) for place, at in positions.items() if place in ends}


def _tame_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
