"""``streamframe check``: would this program run, here and now?"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from streamframe.cli.options import add_connection, add_program, add_state, sources_of

MARKS: Final = {"ok": "ok  ", "warning": "WARN", "error": "FAIL"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``check``."""
    parser = subparsers.add_parser(
        "check",
        help="check a program, its topics and its stored state, before it runs",
        description="Check that the program is right, that its topics exist with fitting partition counts, that no "
        "output topic would delete results soon after they are written, and that stored state fits the program. "
        "Changes nothing. Exit code 5 when something does not fit; warnings alone give 0.",
        epilog="examples:\n"
        "  streamframe check clicks.py -b broker:9092\n"
        "  streamframe check clicks.py --offline          the program only, for CI",
    )
    add_program(parser)
    parser.add_argument("--offline", action="store_true", help="ask no broker: check the program and local state")
    add_state(parser)
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 5 when one is an error.

    Raises:
        StreamFrameError: The program is wrong, or the broker does not answer.
    """
    sources = sources_of(args)
    from streamframe.app.checking import check
    from streamframe.app.program import ProgramRef, load_app
    from streamframe.core.errors import TopologyMismatch

    app = load_app(ProgramRef(args.program, args.app))
    findings = check(app, sources.resolve(app.settings_overrides).settings, offline=args.offline)
    for note in sources.notes:
        print(f"{MARKS['warning']}  {note}")
    for finding in findings:
        print(f"{MARKS[finding.level]}  {finding.text}")
        if finding.hint:
            print(f"      hint: {finding.hint}")
    failed = sum(finding.level == "error" for finding in findings)
    warned = sum(finding.level == "warning" for finding in findings) + len(sources.notes)
    print(f"{app.name}: {len(findings)} checks, {failed} failed, {warned} warnings", file=sys.stderr)
    return TopologyMismatch.exit_code if failed else 0
