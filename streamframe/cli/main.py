"""The ``streamframe`` command: finds the command, runs it, and turns errors into one clear line and an exit code.

Only what every command needs is imported here, so that ``--help`` answers at once; commands import the rest when
they run.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final, NoReturn

from streamframe.cli.exit_codes import INTERRUPTED, USAGE
from streamframe.core.errors import StreamFrameError
from streamframe.core.suggest import did_you_mean

COMMANDS: Final = (
    "run",
    "demo",
    "describe",
    "check",
    "status",
    "lag",
    "topics",
    "state",
    "dead-letters",
    "reset",
    "config",
    "metrics",
    "broker",
    "completion",
    "version",
)
"""In the order of the help; each is a module of this package with ``add_parser`` and ``run``."""

PACKAGE: Final = "streamframe.cli"
"""Not taken from ``__name__``, which is another one under ``python -m``."""

_INVALID_CHOICE: Final = re.compile(r"invalid choice: '([^']*)'")


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests what was meant, takes no abbreviations, and keeps examples as they are."""

    def __init__(self, **options: object) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]
        self.set_defaults(parser=self)
        if self.description:
            self.description = _wrapped(self.description)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, what was meant, and where help is; exit with 2."""
        hint = None
        if match := _INVALID_CHOICE.search(message):
            hint = did_you_mean(match[1], self._words())
            if self._commands() and match[1] not in self._words():
                message = f"there is no command {match[1]!r}"
        print(f"error: {message}", file=sys.stderr)
        if hint:
            print(f"hint: {hint}", file=sys.stderr)
        print(f"see: {self.prog} --help", file=sys.stderr)
        sys.exit(USAGE)

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Print that there are no such options or arguments; exit with 2."""
        option = next((word for word in unknown if word.startswith("-")), None)
        if option is None:
            self.error(f"one argument too many: {unknown[0]}")
        name = option.partition("=")[0]
        nearest = did_you_mean(name, [known for action in self._actions for known in action.option_strings])
        print(f"error: there is no option {name}", file=sys.stderr)
        if nearest:
            print(f"hint: {nearest}", file=sys.stderr)
        print(f"see: {self.prog} --help", file=sys.stderr)
        sys.exit(USAGE)

    def _commands(self) -> list[str]:
        return [
            name
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001 - the only name of this type
            for name in action.choices
        ]

    def _words(self) -> list[str]:
        return self._commands() or [str(word) for action in self._actions for word in action.choices or ()]


def _wrapped(text: str) -> str:
    import shutil
    import textwrap

    return textwrap.fill(text, width=min(100, shutil.get_terminal_size().columns - 2))


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="streamframe",
        description="Streaming pipelines on Kafka, written with pandas verbs: micro-batches of DataFrames, windows "
        "in RocksDB, results exactly once.",
        epilog="examples:\n"
        "  streamframe demo                          see it work: a real Kafka, a generator, two workers\n"
        "  streamframe describe clicks.py            what a program means\n"
        "  streamframe check clicks.py               would it run here?\n"
        "  streamframe run clicks.py --workers 2     run it\n"
        "\n"
        "streamframe COMMAND --help says more; exit codes are in docs/errors.md",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=Parser)
    for module in command_modules().values():
        module.add_parser(subparsers)
    for command in subparsers.choices.values():
        # Wherever it is typed: after the command is where people type it.
        _add_debug(command)
    return parser


def _add_debug(parser: argparse.ArgumentParser) -> None:
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    for action in nested:
        for command in action.choices.values():
            _add_debug(command)
    if not nested:
        parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks of errors")


def command_modules() -> dict[str, ModuleType]:
    """Return the modules of the commands that are installed, by name."""
    modules = {name: f"{PACKAGE}.{name.replace('-', '_')}" for name in COMMANDS}
    installed = {name: module for name, module in modules.items() if importlib.util.find_spec(module) is not None}
    return {name: importlib.import_module(module) for name, module in installed.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    Args:
        argv: Arguments without the program's name; default: those of the process.
    """
    parser = build_parser()
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        args.parser.refuse(unknown)
    if args.version:
        return command_modules()["version"].run(argparse.Namespace(verbose=False))
    if args.command is None:
        parser.print_help()
        return 0
    _log_only_when_debugging(debug=args.debug)
    try:
        code = command_modules()[args.command].run(args)
        sys.stdout.flush()
        return code
    except StreamFrameError as error:
        from streamframe.cli.failures import print_error

        return print_error(error, debug=args.debug)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has seen enough (`| head`). What is still buffered has nowhere to go.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if args.debug:
            raise
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        print("hint: this should not happen; --debug shows the traceback", file=sys.stderr)
        return 1


def _log_only_when_debugging(*, debug: bool) -> None:
    """Keep the log lines of the client to ourselves: the error at the end says what they say."""
    import logging

    logger = logging.getLogger("streamframe")
    logger.addHandler(logging.StreamHandler() if debug else logging.NullHandler())
    logger.propagate = False
