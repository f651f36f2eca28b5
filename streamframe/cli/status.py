"""``streamframe status``: how the programs that run on this machine are, from their pages."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from streamframe.cli.options import add_connection, add_state, sources_of
from streamframe.core.errors import ConfigError, StreamFrameError, Unavailable
from streamframe.core.settings import Settings

CLEAR = "\x1b[H\x1b[2J"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``status``."""
    parser = subparsers.add_parser(
        "status",
        help="how running programs are: state, workers, lag, rows",
        description="Show how the programs are that were started by `streamframe run` on this machine with this state "
        "directory, or one anywhere by the address of its status page. Exit code 0 when everything runs, 1 when "
        "something does not (yet), 9 when nobody answers.",
        epilog="examples:\n"
        "  streamframe status\n"
        "  streamframe status clicks --watch\n"
        "  streamframe status --url http://worker-1:9464 --json",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", default="", help="name of an application; default: all")
    parser.add_argument("--url", metavar="URL", help="address of a status page")
    parser.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")
    parser.add_argument("--interval", metavar="SECONDS", type=float, default=2.0, help="default: %(default)g")
    parser.add_argument("--json", action="store_true", help="one JSON object per program")
    add_state(parser)
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Print the state of programs; return 0 when all run.

    Raises:
        Unavailable: Nobody answers.
        ConfigError: No program of this name runs here.
    """
    settings = sources_of(args).resolve({}).settings
    while True:
        lines, ready = _look(args, settings)
        if args.watch and sys.stdout.isatty():
            print(CLEAR, end="")
        print("\n".join(lines), flush=True)
        if not args.watch:
            return 0 if ready else 1
        try:
            time.sleep(max(0.1, args.interval))
        except KeyboardInterrupt:
            return 0


def _look(args: argparse.Namespace, settings: Settings) -> tuple[list[str], bool]:
    from streamframe.app.pages import find_pages, read_document

    urls = [args.url] if args.url else [page.url for page in find_pages(settings, args.name)]
    if not urls:
        raise Unavailable(
            "no program is running here",
            hint="programs are found by the state directory they use (--state-dir), others by --url",
            **({"application": args.name} if args.name else {}),
        )
    lines: list[str] = []
    ready = True
    failure: StreamFrameError | None = None
    for url in urls:
        try:
            found = read_document(url, "status", settings)
        except (ConfigError, Unavailable) as error:
            failure = error
            continue
        ready = ready and found["state"] == "running"
        lines += [json.dumps({"url": url, **found})] if args.json else status_lines(url, found)
    if not lines and failure is not None:
        raise failure
    return lines, ready and failure is None


def status_lines(url: str, found: Mapping[str, Any]) -> list[str]:
    """Return what people read about one program."""
    from streamframe.cli.tables import table_lines

    workers = [
        {name: worker[name] for name in ("worker", "state", "tasks", "commits", "rollbacks", "last_commit")}
        for worker in found["workers"]
    ]
    return [
        f"{found['application']}: {found['state']}, {len(workers)} of {found['workers_wanted']} workers  {url}",
        f"  behind by {found['lag_records']:,} records, {found['lag_seconds']:.1f} s",
        f"  in {found['rows_in']:,}  out {found['rows_out']:,}  late {found['rows_late']:,}  "
        f"dead letters {found['dead_letters']:,}  restarts {found['restarts']}",
        *(f"  {line}" for line in table_lines(workers)),
    ]
