"""A first look at a program, in a process of its own, before any worker starts.

A wrong program gives one clear error instead of one per worker, and the supervisor learns what the banner says
without importing pandas: that process stays small for as long as the program runs.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

from streamframe.core.errors import StreamFrameError
from streamframe.runtime.messages import FailureReport, report_failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What is known of a program that could be loaded.

    Attributes:
        application: Its name.
        overrides: What it says about settings.
        sub_topologies: How many parts it has.
        stores: Names of its state stores.
        inputs: Topics it reads.
        outputs: Topics it writes, dead letters included.
        data_path: Which implementation will move its data.
    """

    application: str
    overrides: Mapping[str, object]
    sub_topologies: int
    stores: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    data_path: str


class PreflightFailed(Exception):
    """The program cannot run; ``report`` says why."""

    def __init__(self, report: FailureReport) -> None:
        super().__init__(str(report.error))
        self.report = report


def look_at_program(target: str, app_name: str) -> Preflight:
    """Load and compile a program in another process.

    Raises:
        PreflightFailed: It cannot be loaded, or is wrong.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_look, args=(theirs, target, app_name), name="streamframe-preflight")
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        answer = None
    finally:
        ours.close()
        process.join()
    if isinstance(answer, Preflight):
        return answer
    if isinstance(answer, FailureReport):
        raise PreflightFailed(answer)
    error = StreamFrameError(
        "importing the program ended the process", hint="its last lines on stderr say more", exit_code=process.exitcode
    )
    raise PreflightFailed(FailureReport(error=error))


def _look(answer: Connection, target: str, app_name: str) -> None:
    try:
        found: object = _load(target, app_name)
    except KeyboardInterrupt:
        return
    except BaseException as error:
        found = report_failure(error)
    answer.send(found)


def _load(target: str, app_name: str) -> Preflight:
    from streamframe.app.checking import data_path
    from streamframe.app.program import ProgramRef, load_app

    app = load_app(ProgramRef(target, app_name))
    topology = app.topology()
    return Preflight(
        application=app.name,
        overrides=dict(app.settings_overrides),
        sub_topologies=len(topology.sub_topologies),
        stores=tuple(store.name for sub in topology.sub_topologies for store in sub.stores),
        inputs=tuple(source.topic for source in topology.sources),
        outputs=topology.sink_topics,
        data_path=data_path(),
    )
