"""How an error is shown: one line with its facts, one with what to do, and where the user's code was."""

from __future__ import annotations

import sys
import traceback

from streamframe.core.errors import StreamFrameError
from streamframe.runtime.messages import FailureReport, report_failure


def print_error(error: StreamFrameError, *, debug: bool) -> int:
    """Print an error to stderr; return the exit code."""
    report = report_failure(error)
    print(failure_text(FailureReport(error=error, cause=report.cause)), file=sys.stderr)
    if debug:
        traceback.print_exception(error)
    return error.exit_code


def print_report(report: FailureReport, *, debug: bool) -> None:
    """Print what a worker reported to stderr."""
    print(failure_text(report), file=sys.stderr)
    if debug and report.traceback:
        print(report.traceback, file=sys.stderr)


def failure_text(report: FailureReport) -> str:
    """Return the lines of an error.

    Example:
        >>> from streamframe.core.errors import PlanError
        >>> print(failure_text(FailureReport(error=PlanError("unknown column", hint="did you mean 'a'?", column="b"))))
        error: unknown column (column='b')
        hint: did you mean 'a'?
    """
    first, *rest = f"error: {report.error}".splitlines()
    told = report.error.hint and report.error.hint in report.cause
    cause = [] if not report.cause or told else [f"cause: {report.cause}"]
    return "\n".join([first, *cause, *rest])
