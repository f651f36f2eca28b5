"""``streamframe state ls|get|scan|verify``: look into the state of a program, read-only.

Rows come from the app as mappings of column to value; this module only prints them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from streamframe.cli.options import add_connection, add_format, add_program, add_state, sources_of
from streamframe.core.errors import ConfigError, StateError

ROWS_DEFAULT: Final = 20
_WIDTHS_FROM_ROWS: Final = 1_000
"""A table is as wide as its first rows; later ones may be wider, and are printed without waiting for all."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``state`` and its three commands."""
    parser = subparsers.add_parser(
        "state",
        help="look into the state of a program: ls, get, scan, verify",
        description="Look into the state of a program without disturbing it: the changelog topics are read to their "
        "ends, so what is shown is what was committed, wherever the workers are.",
        epilog="examples:\n"
        "  streamframe state ls clicks.py\n"
        "  streamframe state get clicks.py totals user=anna\n"
        "  streamframe state scan clicks.py totals --limit 100 --format json",
    )
    commands = parser.add_subparsers(dest="state_command", required=True, metavar="COMMAND")
    ls = commands.add_parser(
        "ls", help="list stores: a line per task with rows and bytes", description="List the stores of a program."
    )
    get = commands.add_parser(
        "get", help="print the rows of one key", description="Print the rows of one key: one per window, or one."
    )
    scan = commands.add_parser(
        "scan", help="print rows of a store", description="Print rows of a store, in store order."
    )
    verify = commands.add_parser(
        "verify",
        help="read all of it, and say what is damaged or of another program",
        description="Read every changelog to its end, decode everything in it, and compare it with what the program "
        "would store. Exit code 8 when something cannot be read or does not fit.",
    )
    for command in (ls, get, scan, verify):
        add_program(command)
    for command in (get, scan):
        command.add_argument("store", metavar="STORE", help="name of the store: the name= of its step")
    get.add_argument("key", metavar="COLUMN=VALUE", nargs="+", help="value of each group key")
    scan.add_argument(
        "--limit", metavar="N", type=int, default=ROWS_DEFAULT, help="rows at most, 0: all (default: %(default)s)"
    )
    for command in (ls, get, scan, verify):
        add_format(command)
        add_state(command)
        add_connection(command)


def run(args: argparse.Namespace) -> int:
    """Print rows; return 1 when ``get`` finds none.

    Raises:
        StreamFrameError: The program is wrong, there is no such store, or the broker does not answer.
    """
    sources = sources_of(args)
    key = _key(args.key) if args.state_command == "get" else {}
    from streamframe.app.program import ProgramRef, load_app
    from streamframe.app.state_reading import open_state

    app = load_app(ProgramRef(args.program, args.app))
    with open_state(app, sources.resolve(app.settings_overrides).settings) as state:
        if args.state_command == "verify":
            return _verify(state.verify(), form=args.format)
        match args.state_command:
            case "ls":
                rows: Iterable[Mapping[str, object]] = state.stores()
            case "get":
                rows = state.get(args.store, key)
            case _:
                rows = islice(state.scan(args.store), args.limit or None)
        count = print_rows(rows, form=args.format)
    if count == 0:
        print("no rows", file=sys.stderr)
    return int(count == 0 and args.state_command == "get")


def _verify(rows: Iterable[Mapping[str, object]], *, form: str) -> int:
    from streamframe.cli.tables import print_table

    found = list(rows)
    print_table(found, form=form)
    bad = sum(row["problem"] is not None for row in found)
    print(f"{len(found)} stores of tasks verified, {bad} with a problem", file=sys.stderr)
    return StateError.exit_code if bad else 0


def print_rows(rows: Iterable[Mapping[str, object]], *, form: str) -> int:
    """Print rows as they come, as aligned text or one JSON object a line; return their number."""
    iterator = iter(rows)
    count = 0
    if form == "json":
        for row in iterator:
            print(json.dumps(dict(row), default=str, ensure_ascii=False))
            count += 1
        return count
    first = [dict(row) for row in islice(iterator, _WIDTHS_FROM_ROWS)]
    if not first:
        return 0
    widths = {name: max(len(name), *(len(_cell(row.get(name))) for row in first)) for name in first[0]}
    print("  ".join(f"{name:{width}}" for name, width in widths.items()).rstrip())
    for chunk in (first, iterator):
        for row in chunk:
            print("  ".join(f"{_cell(row.get(name)):{width}}" for name, width in widths.items()).rstrip())
            count += 1
    return count


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _key(pairs: list[str]) -> dict[str, str]:
    key = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError("a key is written COLUMN=VALUE", hint="for example: user=anna", given=pair)
        key[name] = value
    return key
