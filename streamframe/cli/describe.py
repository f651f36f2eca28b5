"""``streamframe describe``: what a program means, without a broker."""

from __future__ import annotations

import argparse

from streamframe.cli.options import add_format, add_program


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``describe``."""
    parser = subparsers.add_parser(
        "describe",
        help="show the plan of a program: sub-topologies, stores, topics",
        description="Show what a program means: its sub-topologies, steps, state stores and internal topics. "
        "Needs no broker. A step name marked as generated is better given by you with name=.",
        epilog="examples:\n"
        "  streamframe describe clicks.py\n"
        "  streamframe describe clicks.py --format mermaid > plan.mmd\n"
        "  streamframe describe clicks.py --format json | jq .fingerprint",
    )
    add_program(parser)
    add_format(parser, "mermaid")


def run(args: argparse.Namespace) -> int:
    """Print the plan.

    Raises:
        StreamFrameError: The program cannot be loaded, or is wrong.
    """
    from streamframe.app.program import ProgramRef, load_app

    print(load_app(ProgramRef(args.program, args.app)).describe(args.format).rstrip("\n"))
    return 0
