"""When a worker that has ended is started again: pure rules, seconds in, seconds out.

* Exit code 0: its work is done.
* An error that would only happen again (a wrong program or setting, topics or state that do not fit, bad
  records or a failing user function under ``"fail"``): never; it ends the whole run.
* Before any worker has ever been heard of, an error with a report is final as well: it is rather a wrong address
  than bad weather, and whoever typed the command is still looking.
* Everything else (crash, kill, hang, broker away): after a pause that doubles from half a second to ten
  seconds and starts over once a worker has lived for twenty seconds; at most ``restarts_max`` times within
  ``window_seconds`` in one slot.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from streamframe.core.errors import (
    ConfigError,
    PlanError,
    RecordError,
    StoreIncompatible,
    StreamFrameError,
    TopologyMismatch,
    UserFunctionError,
)

FINAL_ERRORS: Final = (PlanError, ConfigError, TopologyMismatch, RecordError, UserFunctionError, StoreIncompatible)
"""Errors that a restart cannot cure."""

FINAL_EXIT_CODES: Final = frozenset(
    kind.exit_code for kind in (PlanError, ConfigError, TopologyMismatch, RecordError, UserFunctionError)
)
"""Exit codes that a restart cannot cure, for workers that end without a word."""


class Verdict(Enum):
    """What the end of a worker means."""

    DONE = "done"
    FINAL = "final"
    RESTART = "restart"


def judge(exit_code: int, error: StreamFrameError | None, *, heard_any: bool) -> Verdict:
    """Return what the end of a worker means.

    Args:
        exit_code: Its exit code; negative: the signal that ended it.
        error: What it reported, if anything.
        heard_any: Some worker of this run has sent a heartbeat.

    Example:
        >>> judge(0, None, heard_any=True), judge(-9, None, heard_any=False)
        (<Verdict.DONE: 'done'>, <Verdict.RESTART: 'restart'>)
    """
    if exit_code == 0:
        return Verdict.DONE
    if error is None:
        return Verdict.FINAL if exit_code in FINAL_EXIT_CODES else Verdict.RESTART
    if isinstance(error, FINAL_ERRORS) or not heard_any:
        return Verdict.FINAL
    return Verdict.RESTART


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How patiently workers are started again; all durations in seconds.

    Attributes:
        backoff_seconds_min: First pause.
        backoff_seconds_max: Longest pause.
        healthy_seconds: After so long a worker counts as healthy and the pause starts over.
        restarts_max: Restarts of one slot within ``window_seconds`` before the run is given up.
        window_seconds: See ``restarts_max``.
    """

    backoff_seconds_min: float = 0.5
    backoff_seconds_max: float = 10.0
    healthy_seconds: float = 20.0
    restarts_max: int = 60
    window_seconds: float = 600.0


class RestartLedger:
    """The starts of one slot.

    Args:
        policy: The rules.

    Example:
        >>> ledger = RestartLedger(RestartPolicy())
        >>> [ledger.pause(ran_seconds=1.0, now=at) for at in (0.0, 2.0, 4.0)]
        [0.5, 1.0, 2.0]
        >>> ledger.pause(ran_seconds=61.0, now=70.0)
        0.5
    """

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._granted: deque[float] = deque()
        self._failures_in_row = 0

    def pause(self, *, ran_seconds: float, now: float) -> float | None:
        """Return the seconds to wait before the next start; ``None``: it has been tried often enough."""
        policy = self._policy
        if ran_seconds >= policy.healthy_seconds:
            self._failures_in_row = 0
        while self._granted and self._granted[0] <= now - policy.window_seconds:
            self._granted.popleft()
        if len(self._granted) >= policy.restarts_max:
            return None
        self._granted.append(now)
        # The exponent is bounded: 2.0 ** 1024 is an error, and the maximum is reached long before.
        pause = policy.backoff_seconds_min * 2.0 ** min(self._failures_in_row, 32)
        self._failures_in_row += 1
        return min(pause, policy.backoff_seconds_max)
