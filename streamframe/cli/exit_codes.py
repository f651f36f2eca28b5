"""Exit codes of the command line: part of the public interface, documented in ``docs/errors.md``."""

from __future__ import annotations

from typing import Final

from streamframe.core import errors
from streamframe.core.errors import StreamFrameError

USAGE: Final = 2
INTERRUPTED: Final = 130

_OTHERS: Final = (
    (0, "", "Done: the work is finished, or was stopped as asked."),
    (1, "StreamFrameError", "Anything else: a bug, a worker that crashed again and again or refused to stop."),
    (USAGE, "", "The command line cannot be understood."),
    (70, "", "A call of the Kafka client did not return, again and again; the watchdog ended the worker."),
    (INTERRUPTED, "", "Interrupted by Ctrl-C before there was anything to stop gracefully."),
)

_RESTARTED: Final = frozenset({errors.StateError.exit_code, errors.Unavailable.exit_code, 1, 70})


def exit_codes() -> list[tuple[int, str, str, str]]:
    """Return code, error type, meaning, and whether a worker that ends so is restarted, by code."""
    rows = [(code, name, meaning) for code, name, meaning in _OTHERS]
    for kind in vars(errors).values():
        # A code belongs to the type that declares it; those below share it.
        if not isinstance(kind, type) or kind is StreamFrameError or "exit_code" not in vars(kind):
            continue
        if issubclass(kind, StreamFrameError):
            rows.append((kind.exit_code, kind.__name__, (kind.__doc__ or "").strip().splitlines()[0]))
    return [(code, name, meaning, "yes" if code in _RESTARTED else "no") for code, name, meaning in sorted(rows)]


def markdown_table() -> str:
    """Return the table of ``docs/errors.md``."""
    lines = ["| exit code | error | meaning | a worker is restarted |", "| ---: | --- | --- | --- |"]
    for code, name, meaning, restarted in exit_codes():
        lines.append(f"| {code} | {f'`{name}`' if name else ''} | {meaning.replace('``', '`')} | {restarted} |")
    return "\n".join(lines)
