"""What the workers of the supervisor's tests run: module-level functions, found by name in a new process.

Each takes the channel, then a directory in which it may leave marks for later starts of the same slot.
"""

import os
import signal
import sys
import time
from pathlib import Path

from streamframe.core.errors import StreamFrameError
from streamframe.engine.snapshot import Snapshot
from streamframe.runtime.watchdog import Watchdog
from streamframe.runtime.worker_process import WorkerChannel

BEAT_SECONDS = 0.02


def beat(channel: WorkerChannel) -> None:
    channel.publish(Snapshot(worker=str(channel.slot), now=time.time_ns() // 1000))


def run_until_stopped(channel: WorkerChannel, folder: str = "") -> None:
    """Work until asked to stop, then leave a mark as a commit would."""
    while not channel.stop_requested:
        beat(channel)
        time.sleep(BEAT_SECONDS)
    if folder:
        (Path(folder) / f"committed-{channel.slot}-{os.getpid()}").touch()


def finish_at_once(channel: WorkerChannel) -> None:
    beat(channel)
    channel.notice("info", "finished", {"slot": channel.slot, "folder": Path("x")})


def first_time(channel: WorkerChannel, folder: str) -> bool:
    """Whether this is the first start of the slot."""
    mark = Path(folder) / f"started-{channel.slot}"
    found = mark.exists()
    mark.touch()
    return not found


def die_once(channel: WorkerChannel, folder: str, number: int) -> None:
    beat(channel)
    if first_time(channel, folder):
        os.kill(os.getpid(), number)


def raise_once(channel: WorkerChannel, folder: str, error: Exception) -> None:
    beat(channel)
    if first_time(channel, folder):
        raise error


def raise_in_slot_0(channel: WorkerChannel, folder: str, error: Exception) -> None:
    beat(channel)
    if channel.slot == 0:
        raise error
    run_until_stopped(channel, folder)


def raise_before_any_heartbeat(_channel: WorkerChannel, error: Exception) -> None:
    raise error


def raise_because_of_a_user_function(channel: WorkerChannel, error: StreamFrameError) -> None:
    beat(channel)
    try:
        divide_by_zero()
    except ZeroDivisionError as cause:
        raise error from cause


def divide_by_zero() -> float:
    return 1 / 0


def exit_with(channel: WorkerChannel, code: int) -> None:
    beat(channel)
    os._exit(code)


def crash_always(channel: WorkerChannel) -> None:
    beat(channel)
    os.kill(os.getpid(), signal.SIGSEGV)


def hang_once(channel: WorkerChannel, folder: str) -> None:
    beat(channel)
    if first_time(channel, folder):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        hang_here()


def hang_here() -> None:
    time.sleep(600)


def ignore_every_request(channel: WorkerChannel) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        beat(channel)
        time.sleep(BEAT_SECONDS)


def hang_at_exit(channel: WorkerChannel) -> None:
    """Work is done, but the interpreter does not end: a thread of some library holds it."""
    import threading

    threading.Thread(target=hang_here).start()
    beat(channel)


def talk_until_stopped(channel: WorkerChannel) -> None:
    while not channel.stop_requested:
        for _ in range(100):
            channel.notice("info", "x" * 1000, {})
        beat(channel)


def call_that_never_returns(channel: WorkerChannel, folder: str) -> None:
    beat(channel)
    if first_time(channel, folder):
        with Watchdog().watching("commit_transaction", seconds=0.05):
            hang_here()


def supervise(folder: str, workers: int, target: str) -> None:
    """Run a supervisor in this process: ``python -c`` and a kill test it as a whole."""
    from streamframe.runtime.supervisor import Supervisor, SupervisorSpec
    from streamframe.runtime.worker_process import EntryPoint

    def report(event: object) -> None:
        sys.stdout.write(f"{event}\n")
        sys.stdout.flush()

    arguments = (folder,) if target == "run_until_stopped" else ()
    entry = EntryPoint(f"{__name__}:{target}", arguments)
    result = Supervisor(SupervisorSpec(workers=workers, stop_seconds=5.0), entry, report).run()
    unwanted = sorted({"pandas", "pyarrow", "numpy"} & set(sys.modules))
    report(f"ended {result.exit_code} imported {unwanted}")
    sys.exit(result.exit_code)


def log_a_line(channel: WorkerChannel) -> None:
    import logging

    beat(channel)
    logging.getLogger("streamframe.kafka").warning("broker %s is away", "b:1")
