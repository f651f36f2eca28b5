"""Starting workers: in this process, or each in a process of its own under a supervisor.

This module is imported by the supervising process: it must not import pandas, pyarrow or an adapter.
What needs them is imported where a worker begins.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from streamframe.core.settings import Settings
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.runtime.messages import SupervisorEvent
from streamframe.runtime.supervisor import Supervisor, SupervisorResult, SupervisorSpec
from streamframe.runtime.worker_process import EntryPoint

if TYPE_CHECKING:
    from streamframe.app.wiring import Job
    from streamframe.core.user_metrics import UserMetrics
    from streamframe.plan.topology import Topology

WORKER: Final = "streamframe.app.worker_main:run_worker"
"""What a spawned worker calls first."""


def supervise(
    target: str,
    app_name: str,
    settings: Settings,
    *,
    workers: int,
    bounded: bool | None,
    events: Callable[[SupervisorEvent], None],
) -> Supervisor:
    """Return a supervisor of workers that run a program; ``run()`` starts them.

    Args:
        target: Path of the program file, or a module name.
        app_name: Which app of the program; empty when it holds one.
        settings: Effective settings.
        workers: Number of processes.
        bounded: ``None`` to run until stopped, else whether a bounded run flushes its windows.
        events: Told what happens.
    """
    token = f"{time.time_ns():x}"
    entry = EntryPoint(WORKER, (target, app_name, settings, bounded, token))
    patience = settings.limits.watchdog / MICROS_PER_SECOND
    spec = SupervisorSpec(workers=workers, hang_seconds=patience + 30.0)
    return Supervisor(spec, entry, events)


def run_spawned(
    program: str, app_name: str, settings: Settings, *, workers: int, bounded: bool | None
) -> SupervisorResult:
    """Run a program in several processes until it ends; raise what ended it."""
    from streamframe.app.telemetry import log_event

    supervisor = supervise(program, app_name, settings, workers=workers, bounded=bounded, events=log_event)
    result = supervisor.run()
    if result.report is not None and result.exit_code != 0:
        raise result.report.as_error()
    return result


def job_of(topology: Topology, metrics: UserMetrics) -> Job:
    """Return what a worker of this process runs."""
    from streamframe.app.wiring import Job

    return Job(topology, metrics)


def run_here(job: Job, settings: Settings, *, bounded: bool | None) -> None:
    """Run a program in this process until it ends. SIGTERM and Ctrl-C stop it gracefully."""
    from streamframe.app.telemetry import LoggedTelemetry
    from streamframe.app.wiring import open_worker

    token = f"{time.time_ns():x}"
    port = settings.telemetry.port
    with open_worker(job, settings, LoggedTelemetry(), bounded=bounded, token=token, port=port) as driver:
        before = {}
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                before[number] = signal.signal(number, lambda _number, _frame: driver.request_stop())
        except ValueError:
            pass  # Not in the main thread: somebody else owns the signals.
        try:
            driver.run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
