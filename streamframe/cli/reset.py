"""``streamframe reset``: let a program start from the beginning."""

from __future__ import annotations

import argparse
import sys

from streamframe.cli.options import add_connection, add_program, add_state, sources_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``reset``."""
    parser = subparsers.add_parser(
        "reset",
        help="forget offsets and state of a program (dry run unless --yes)",
        description="Delete what the application has made: its internal topics (changelogs, repartition topics), the "
        "committed offsets of its consumer group, and its local state in this machine's state directory. Input and "
        "output topics are never touched: results that were written stay, and a new run writes them again. "
        "Without --yes it only shows what it would do. All workers must be stopped.",
        epilog="examples:\n"
        "  streamframe reset clicks.py            show what would be deleted\n"
        "  streamframe reset clicks.py --yes      delete it",
    )
    add_program(parser)
    parser.add_argument("--yes", action="store_true", help="do it; there is no way back")
    add_state(parser)
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is, or would be, deleted.

    Raises:
        StreamFrameError: The program is wrong, workers are running, or the broker does not answer.
    """
    sources = sources_of(args)
    from streamframe.app.program import ProgramRef, load_app
    from streamframe.app.resetting import reset

    app = load_app(ProgramRef(args.program, args.app))
    lines = reset(app, sources.resolve(app.settings_overrides).settings, yes=args.yes)
    for line in lines:
        print(line)
    if not lines:
        print("nothing to delete", file=sys.stderr)
    elif not args.yes:
        print("dry run: nothing was deleted; repeat with --yes to delete it", file=sys.stderr)
    return 0
