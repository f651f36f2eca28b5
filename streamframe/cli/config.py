"""``streamframe config``: every setting, its value and where it came from (show), what it means (reference)."""

from __future__ import annotations

import argparse

from streamframe.cli.options import PROGRAM_HELP, add_connection, add_format, add_state, sources_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``config`` and its commands."""
    parser = subparsers.add_parser(
        "config",
        help="show the effective settings and where each comes from",
        description="Settings come, the first one winning, from: the command line, STREAMFRAME_* variables, "
        "--client-config, --config, App(...) in the program, defaults.",
    )
    commands = parser.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    show = commands.add_parser(
        "show",
        help="print every setting, its value and its source; secrets are masked",
        description="Print every setting, its value and its source. Secrets are masked.",
        epilog="examples:\n"
        "  streamframe config show --config prod.toml\n"
        "  STREAMFRAME_COMMIT_INTERVAL=100ms streamframe config show --changed",
    )
    show.add_argument("program", metavar="PROGRAM", nargs="?", help=f"{PROGRAM_HELP}; its own settings are shown too")
    show.add_argument("--app", metavar="NAME", default="", help="which App, when the program makes several")
    show.add_argument("--changed", action="store_true", help="leave out what is a default")
    add_format(show)
    add_state(show)
    add_connection(show)
    commands.add_parser(
        "reference",
        help="print what every setting means, as Markdown",
        description="Print what every setting means, its default and its variable, as Markdown.",
    )


def run(args: argparse.Namespace) -> int:
    """Print the settings.

    Raises:
        ConfigError: A name or value without meaning.
    """
    if args.config_command == "reference":
        from streamframe.cli.settings_reference import reference

        print(reference(), end="")
        return 0
    sources = sources_of(args)
    overrides = {}
    if args.program:
        from streamframe.app.program import ProgramRef, load_app

        overrides = dict(load_app(ProgramRef(args.program, args.app)).settings_overrides)
    rows = sources.resolve(overrides).lines()
    if args.changed:
        rows = [row for row in rows if row[2] != "default"]
    if args.format == "json":
        from streamframe.cli.tables import print_table

        print_table([{"setting": name, "value": value, "source": source} for name, value, source in rows], form="json")
        return 0
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for name, value, source in rows:
        print(f"{name:{widths[0]}}  {value:{widths[1]}}  {source}")
    return 0
