"""``streamframe metrics list``: every metric there is, from the catalogue."""

from __future__ import annotations

import argparse

from streamframe.cli.options import add_format


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``metrics``."""
    parser = subparsers.add_parser(
        "metrics", help="the metrics that are exposed: list", description="The metrics that are exposed."
    )
    commands = parser.add_subparsers(dest="metrics_command", required=True, metavar="COMMAND")
    listed = commands.add_parser(
        "list",
        help="print name, type, labels and meaning of every metric",
        description="Print every metric that workers and supervisors expose: name, type, labels, meaning.",
        epilog="examples:\n  streamframe metrics list\n  streamframe metrics list --format markdown",
    )
    add_format(listed, "markdown")


def run(args: argparse.Namespace) -> int:
    """Print the catalogue."""
    from streamframe.cli.tables import print_table
    from streamframe.core.metric_catalogue import METRICS, markdown_table

    if args.format == "markdown":
        print(markdown_table())
    elif args.format == "json":
        rows = [
            {
                "name": each.name,
                "type": each.kind,
                "labels": list(each.labels),
                "process": each.process,
                "meaning": each.meaning,
                "buckets": list(each.edges),
            }
            for each in METRICS
        ]
        print_table(rows, form="json")
    else:
        for each in METRICS:
            print(f"{each.name}  ({each.kind}; {', '.join(each.labels)})\n    {each.meaning}")
    return 0
