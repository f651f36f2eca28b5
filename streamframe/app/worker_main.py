"""Where a spawned worker begins."""

from __future__ import annotations

from streamframe.app.places import worker_port
from streamframe.app.program import ProgramRef, load_app
from streamframe.app.wiring import Job, open_worker
from streamframe.core.settings import Settings
from streamframe.runtime.worker_process import WorkerChannel


def run_worker(
    channel: WorkerChannel,
    target: str,
    app_name: str,
    settings: Settings,
    bounded: bool | None,  # noqa: FBT001 - the supervisor hands plain positional values
    token: str,
) -> None:
    """Run one worker in this process until it ends or is stopped.

    Args:
        channel: The way to the supervisor that started this process.
        target: Path of the program file, or a module name.
        app_name: Which app of the program; empty when it holds one.
        settings: Effective settings.
        bounded: ``None`` to run until stopped, else whether a bounded run flushes its windows.
        token: Names a bounded run; equal for all its workers.

    Raises:
        StreamFrameError: Whatever ended it.
    """
    app = load_app(ProgramRef(target, app_name))
    port = worker_port(settings.telemetry, channel.slot)
    with open_worker(
        Job(app.topology(), app.metrics), settings, channel, bounded=bounded, token=token, port=port
    ) as driver:
        channel.on_stop(driver.request_stop)
        driver.run()
