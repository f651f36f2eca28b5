"""``streamframe lag``: how far a program is behind, for people and for scripts."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from streamframe.cli.options import add_connection, add_format, add_program, sources_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``lag``."""
    parser = subparsers.add_parser(
        "lag",
        help="how far a program is behind, per partition (exit code for scripts)",
        description="Compare the committed offsets of a program with the ends of its input topics, as the broker has "
        "them: it works wherever the workers are. Lag is counted in offsets, control records included, and goes down "
        "when a commit counts. Exit code 1 when a limit is exceeded.",
        epilog="examples:\n"
        "  streamframe lag clicks.py -b broker:9092\n"
        "  streamframe lag clicks.py --max-records 10000      exit code 1 when it is further behind",
    )
    add_program(parser)
    parser.add_argument(
        "--max-records", metavar="N", type=int, help="exit with 1 when all partitions together lag more"
    )
    add_format(parser)
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Print a row per partition; return 1 when the limit is exceeded.

    Raises:
        StreamFrameError: The program is wrong, a topic is missing, or the broker does not answer.
    """
    sources = sources_of(args)
    from streamframe.app.lagging import group_lag
    from streamframe.app.program import ProgramRef, load_app
    from streamframe.cli.tables import print_table

    app = load_app(ProgramRef(args.program, args.app))
    rows = group_lag(app, sources.resolve(app.settings_overrides).settings)
    print_table([asdict(row) for row in rows], form=args.format)
    total = sum(row.lag for row in rows)
    print(f"{app.name}: {total:,} behind in {len(rows)} partitions", file=sys.stderr)
    return int(args.max_records is not None and total > args.max_records)
