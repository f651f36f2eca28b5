"""What a supervisor and its workers tell each other, and what the supervisor tells its caller.

All are plain values that can cross a process border. Errors of a worker travel as a ``FailureReport``: facts
become plain text or numbers, because the value of a user's fact may need a library that the supervisor, a
process of a few megabytes, must not load.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamframe.core import errors
from streamframe.core.errors import StreamFrameError, UserFunctionError
from streamframe.engine.snapshot import Snapshot

_PACKAGE = str(Path(errors.__file__).parents[1])

# -- worker to supervisor ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The worker is alive and looks like this."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSent:
    """One line for the log."""

    level: str
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReport:
    """Why a worker ends.

    Attributes:
        error: The error, its facts made plain.
        cause: The exception behind it with the last line of the user's code, or nothing.
        traceback: The whole traceback, for ``--debug``.
    """

    error: StreamFrameError
    cause: str = ""
    traceback: str = ""

    def as_error(self) -> StreamFrameError:
        """Return the error, with the cause as a note, to be raised in the supervising process."""
        if self.cause:
            self.error.add_note(f"cause: {self.cause}")
        return self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """The work is over; whatever happens while the interpreter ends, this is the exit code that counts."""

    exit_code: int


# -- supervisor to worker ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOrder:
    """Drain, commit and end."""


# -- supervisor to its caller --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted:
    """A process was started in a slot; ``restarts`` counts those before it in that slot."""

    slot: int
    pid: int
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReceived:
    """A worker sent its counters."""

    slot: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeReceived:
    """A worker sent a line for the log."""

    slot: int
    level: str
    text: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHung:
    """A worker was silent for too long and is killed."""

    slot: int
    pid: int
    silent_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded:
    """A process has ended.

    Attributes:
        slot: Its slot.
        pid: Its process id.
        exit_code: Its exit code; the negative number of the signal that ended it.
        report: What it said about it, if anything.
        restart_seconds: It is started again after so long; ``None``: it is not.
    """

    slot: int
    pid: int
    exit_code: int
    report: FailureReport | None
    restart_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """All workers were asked to stop."""

    reason: str


SupervisorEvent = WorkerStarted | SnapshotReceived | NoticeReceived | WorkerHung | WorkerEnded | Stopping

# -- making errors plain -------------------------------------------------------------------------------


def report_failure(error: BaseException) -> FailureReport:
    """Return what a supervisor must know about an exception.

    An exception that is not ours is wrapped: it is a bug, of the user or of StreamFrame.
    """
    text = "".join(traceback.format_exception(error))
    if not isinstance(error, StreamFrameError):
        wrapped = StreamFrameError(f"worker failed: {_one_line(error)}", hint="--debug shows the traceback")
        return FailureReport(error=wrapped, cause=_user_line(error), traceback=text)
    cause = error.__cause__
    # Behind other errors are those of libraries, whose message is in ours; behind this one is the user's code.
    if not isinstance(error, UserFunctionError) or cause is None:
        return FailureReport(error=plain_error(error), traceback=text)
    shown = " ".join(filter(None, (_one_line(cause), _user_line(cause))))
    return FailureReport(error=plain_error(error), cause=shown, traceback=text)


def plain_error(error: StreamFrameError) -> StreamFrameError:
    """Return the error as one of the types of ``core.errors``, every fact a number, a truth value or text."""
    kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    assert issubclass(kind, StreamFrameError)
    return kind(error.message, hint=error.hint, **plain_facts(error.facts))


def plain_facts(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts that can be read without the libraries of whoever wrote them."""
    return {name: _plain(value) for name, value in facts.items()}


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or type(value) in (int, float, bool, str) else str(value)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _user_line(error: BaseException) -> str:
    """Return where the user's code was when it raised: the innermost frame outside this package and libraries."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        outside = not frame.filename.startswith((_PACKAGE, "<")) and "site-packages" not in frame.filename
        if outside and "/lib/python" not in frame.filename:
            return f"({frame.filename}:{frame.lineno}, in {frame.name})"
    return ""
