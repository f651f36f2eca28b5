"""Errors that name the recovery.

An error type exists only if someone would act differently on it::

    StreamFrameError
    ├── PlanError              the program is wrong: change the code. Raised before anything runs
    ├── ConfigError            a setting is wrong: change it
    ├── TopologyMismatch       topics or stored state do not fit the program: an operator must decide
    ├── RecordError            one record cannot be used and the policy is "fail"
    ├── UserFunctionError      a function of the user raised and the policy is "fail"
    ├── StateError
    │   ├── StoreCorrupted     the local store is damaged or foreign: it is wiped and restored
    │   ├── StoreIncompatible  the stored bytes are of another format or plan
    │   └── StoreUnavailable   the store cannot be written now (disk full, locked): restarting is safe
    ├── Unavailable            the broker did not answer within the limit: restarting is safe
    └── VerificationFailed     a demo or a check computed another result than the engine

``exit_code`` is the process exit code of the command line for that error; the codes are part of the
public interface and documented in ``docs/errors.md``.
"""

from __future__ import annotations

from typing import ClassVar


class StreamFrameError(Exception):
    """Base of all errors raised on purpose by StreamFrame.

    Args:
        message: What went wrong, in lower case.
        hint: What the reader can do about it, or ``None``.
        facts: Names and values that identify the case; they are appended as ``key=value``.

    Example:
        >>> str(PlanError("unknown column", hint="did you mean 'amount'?", column="amuont"))
        "unknown column (column='amuont')\\nhint: did you mean 'amount'?"
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, **facts: object) -> None:
        self.message = message
        self.hint = hint
        self.facts = facts
        super().__init__(message)

    def __str__(self) -> str:
        text = self.message
        if self.facts:
            text += " (" + " ".join(f"{key}={value!r}" for key, value in self.facts.items()) + ")"
        if self.hint:
            text += f"\nhint: {self.hint}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (worker to supervisor); keyword arguments must survive.
        return _rebuild, (type(self), self.message, self.hint, self.facts)


def _rebuild(
    kind: type[StreamFrameError], message: str, hint: str | None, facts: dict[str, object]
) -> StreamFrameError:
    return kind(message, hint=hint, **facts)


class PlanError(StreamFrameError):
    """The program is wrong: an unknown column, a wrong dtype, a step that makes no sense."""

    exit_code = 3


class ConfigError(StreamFrameError):
    """A setting, an argument or the installation is wrong."""

    exit_code = 4


class TopologyMismatch(StreamFrameError):
    """Topics or stored state do not fit the program: a missing topic, another partition count, another plan."""

    exit_code = 5


class RecordError(StreamFrameError):
    """A record cannot be used and its source's policy is ``"fail"``."""

    exit_code = 6


class UserFunctionError(StreamFrameError):
    """A function of the user raised and the step's policy is ``"fail"``; the cause is chained."""

    exit_code = 7


class StateError(StreamFrameError):
    """Something is wrong with the state of a task."""

    exit_code = 8


class StoreCorrupted(StateError):
    """The local store is damaged, foreign or ahead of its changelog: wipe it and restore."""


class StoreIncompatible(StateError):
    """The stored bytes are of another format version or of another plan."""


class StoreUnavailable(StateError):
    """The local store cannot be used now: no space, locked by another process."""


class Unavailable(StreamFrameError):
    """The broker did not answer within the limit; restarting is safe."""

    exit_code = 9


class VerificationFailed(StreamFrameError):
    """A verification computed another result than the engine."""

    exit_code = 10
