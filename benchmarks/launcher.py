"""Runs a program as ``streamframe run`` does, and writes what its workers report as one JSON object a line.

Started by the harness with one argument, a JSON object: see ``Launch``.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from streamframe.app.running import supervise
from streamframe.core.settings import CommitSettings, KafkaSettings, Limits, Settings, StateSettings, TelemetrySettings
from streamframe.runtime.messages import NoticeReceived, SnapshotReceived, SupervisorEvent, WorkerEnded

MILLISECOND = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One run.

    Attributes:
        program: File that makes the app.
        bootstrap: Address of the broker.
        state: Directory of local state.
        events: File to write to.
        workers: Number of worker processes.
        bounded: End at the present end of the input.
        flush: Close all windows at that end.
        commit_ms: Milliseconds between commits.
        guarantee: ``exactly_once`` or ``at_least_once``.
        state_memory: Bytes of state that a worker may hold.
        telemetry_ms: Milliseconds between snapshots.
        http: Serve metrics and a status page.
        targets_file: Where the addresses of the workers are written.
        limits: Further fields of ``Limits``.
        producer: Further properties of the producer.
    """

    program: str
    bootstrap: str
    state: str
    events: str
    workers: int = 1
    bounded: bool = True
    flush: bool = False
    commit_ms: int = 1_000
    guarantee: str = "exactly_once"
    state_memory: int = StateSettings().memory
    telemetry_ms: int = 1_000
    http: bool = True
    targets_file: str = ""
    limits: dict[str, int] = field(default_factory=dict)
    producer: dict[str, str] = field(default_factory=dict)

    def settings(self) -> Settings:
        return Settings(
            kafka=KafkaSettings(bootstrap=self.bootstrap, producer=self.producer),
            commit=CommitSettings(interval=self.commit_ms * MILLISECOND, guarantee=self.guarantee),  # type: ignore[arg-type]
            state=StateSettings(directory=self.state, memory=self.state_memory),
            limits=Limits(**self.limits),
            telemetry=TelemetrySettings(
                interval=self.telemetry_ms * MILLISECOND, http=self.http, targets_file=self.targets_file
            ),
        )

    def text(self) -> str:
        return json.dumps(asdict(self))


def main() -> int:
    launch = Launch(**json.loads(sys.argv[1]))
    with open(launch.events, "a", buffering=1) as output:

        def write(event: SupervisorEvent) -> None:
            output.write(json.dumps({"at": time.time(), **_fields(event)}) + "\n")

        supervisor = supervise(
            launch.program,
            "",
            launch.settings(),
            workers=launch.workers,
            bounded=launch.flush if launch.bounded else None,
            events=write,
        )
        result = supervisor.run()
    if result.report is not None:
        print(result.report.error, result.report.cause, result.report.traceback, flush=True)
    return result.exit_code


def _fields(event: SupervisorEvent) -> dict[str, Any]:
    kind = type(event).__name__
    match event:
        case SnapshotReceived(snapshot=snapshot):
            return {"kind": kind, "snapshot": asdict(snapshot)}
        case NoticeReceived():
            return {
                "kind": kind,
                "level": event.level,
                "text": event.text,
                "facts": {k: str(v) for k, v in event.facts.items()},
            }
        case WorkerEnded():
            return {"kind": kind, "exit_code": event.exit_code, "pid": event.pid}
        case _:
            return {"kind": kind, "text": str(event)}


if __name__ == "__main__":
    sys.exit(main())
