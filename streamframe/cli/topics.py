"""``streamframe topics``: the topics of a program (list), and making those that are missing (create)."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from streamframe.cli.options import add_connection, add_format, add_program, sources_of
from streamframe.core.errors import ConfigError

PARTITIONS_DEFAULT = 4


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``topics`` and its commands."""
    parser = subparsers.add_parser(
        "topics",
        help="the topics of a program: list, create",
        description="The topics of a program: inputs, outputs, dead letters, and the internal ones.",
    )
    commands = parser.add_subparsers(dest="topics_command", required=True, metavar="COMMAND")
    listed = commands.add_parser(
        "list",
        help="list the topics of a program: role, partitions, whether they exist",
        description="List the topics of a program. Exit code 1 when one is missing.",
        epilog="examples:\n  streamframe topics list clicks.py -b broker:9092 --json",
    )
    create = commands.add_parser(
        "create",
        help="create those that are missing",
        description="Create the topics of a program that are missing. Topics that exist are never changed.",
        epilog="examples:\n"
        "  streamframe topics create clicks.py --dry-run\n"
        "  streamframe topics create clicks.py --partitions 12 -X kafka.replication_factor=3",
    )
    create.add_argument(
        "--partitions",
        metavar="N",
        type=int,
        default=PARTITIONS_DEFAULT,
        help="of inputs, outputs and dead letters that are made (default: %(default)s)",
    )
    create.add_argument("--dry-run", action="store_true", help="only say which would be created")
    for command in (listed, create):
        add_program(command)
        add_format(command)
        add_connection(command)


def run(args: argparse.Namespace) -> int:
    """Print topics, after creating those that were missing.

    Raises:
        StreamFrameError: The program is wrong, a topic does not fit, or the broker does not answer.
    """
    sources = sources_of(args)
    if args.topics_command == "create" and args.partitions < 1:
        raise ConfigError("the number of partitions is a positive whole number", partitions=args.partitions)
    from streamframe.app.program import ProgramRef, load_app
    from streamframe.app.topic_list import create_topics, list_topics
    from streamframe.cli.tables import print_table

    app = load_app(ProgramRef(args.program, args.app))
    settings = sources.resolve(app.settings_overrides).settings
    if args.topics_command == "list":
        rows = list_topics(app, settings)
        print_table([asdict(row) for row in rows], form=args.format)
        return int(not all(row.exists for row in rows))
    rows = create_topics(app, settings, partitions=args.partitions, dry_run=args.dry_run)
    print_table(
        [{"topic": row.topic, "role": row.role, "partitions": row.partitions} for row in rows], form=args.format
    )
    done = "would be created" if args.dry_run else "created"
    print(f"{len(rows)} topics {done}" if rows else "nothing is missing", file=sys.stderr)
    return 0
