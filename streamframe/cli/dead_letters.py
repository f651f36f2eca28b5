"""``streamframe dead-letters``: look at records that were set aside (show), and put them back (replay)."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from streamframe.cli.options import add_connection, add_format, add_program, sources_of

if TYPE_CHECKING:
    from streamframe.app.dead_letters import Choice, DeadLetters, Letter

LIMIT_DEFAULT = 20


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``dead-letters`` and its commands."""
    parser = subparsers.add_parser(
        "dead-letters",
        help="records that were set aside: show, replay",
        description="Records that a program could not use and wrote to its dead-letter topic.",
    )
    commands = parser.add_subparsers(dest="dead_letters_command", required=True, metavar="COMMAND")
    show = commands.add_parser(
        "show",
        help="print where each came from and why it could not be used",
        description="Print dead letters that were not replayed yet. Values are not shown unless asked for: they may be "
        "confidential, and so may messages, which quote them.",
        epilog="examples:\n  streamframe dead-letters show clicks.py\n"
        "  streamframe dead-letters show clicks.py --error json --payload --json",
    )
    show.add_argument("--payload", action="store_true", help="show message, key and value too")
    replay = commands.add_parser(
        "replay",
        help="write them back to where they were read from (dry run unless --yes)",
        description="Write dead letters back to the partition they were read from, as they were, to be read once more "
        "when the cause is mended. How far a replay got is remembered, so each letter is replayed once; a choice by "
        "--step or --error is not remembered, because it passes others over. When a replay is interrupted, some "
        "records may be written twice by the next one.",
        epilog="examples:\n"
        "  streamframe dead-letters replay clicks.py\n"
        "  streamframe dead-letters replay clicks.py --yes",
    )
    replay.add_argument("--yes", action="store_true", help="do it")
    for command in (show, replay):
        add_program(command)
        command.add_argument("--step", metavar="NAME", default="", help="only those of this step")
        command.add_argument("--error", metavar="WORD", default="", help="only those with this reason")
        command.add_argument("--again", action="store_true", help="also those that were replayed already")
        add_format(command)
        add_connection(command)
    show.add_argument(
        "--limit", metavar="N", type=int, default=LIMIT_DEFAULT, help="at most so many, 0: all (default: %(default)s)"
    )
    replay.add_argument("--limit", metavar="N", type=int, default=0, help="at most so many (default: all)")


def run(args: argparse.Namespace) -> int:
    """Print letters, or replay them.

    Raises:
        StreamFrameError: The program is wrong or has no dead-letter topic, or the broker does not answer.
    """
    sources = sources_of(args)
    from streamframe.app.dead_letters import Choice, DeadLetters
    from streamframe.app.program import ProgramRef, load_app

    app = load_app(ProgramRef(args.program, args.app))
    letters = DeadLetters(app, sources.resolve(app.settings_overrides).settings)
    choice = Choice(step=args.step, error=args.error, limit=args.limit, again=args.again)
    try:
        return _show(args, letters, choice) if args.dead_letters_command == "show" else _replay(args, letters, choice)
    finally:
        letters.close()


def _show(args: argparse.Namespace, letters: DeadLetters, choice: Choice) -> int:
    from streamframe.cli.tables import print_table

    rows = [_row(letter, payload=args.payload) for letter in letters.letters(choice)]
    print_table(rows, form=args.format)
    if not rows:
        print("no dead letters", file=sys.stderr)
    return 0


def _replay(args: argparse.Namespace, letters: DeadLetters, choice: Choice) -> int:
    from streamframe.cli.tables import print_table

    found = list(letters.letters(choice))
    ours = [letter for letter in found if letters.can_go_back(letter)]
    rows = [{"topic": topic, "partition": partition, "letters": count} for (topic, partition), count in _count(ours)]
    print_table(rows, form=args.format)
    if len(found) > len(ours):
        print(f"{len(found) - len(ours)} are no raw records of an input topic and are left alone", file=sys.stderr)
    if not ours:
        print("nothing to replay", file=sys.stderr)
    elif not args.yes:
        print("dry run: nothing was written; repeat with --yes to write it", file=sys.stderr)
    else:
        letters.replay(ours, remember=not (args.step or args.error or args.again))
        print(f"{len(ours)} records written", file=sys.stderr)
    return 0


def _count(letters: list[Letter]) -> list[tuple[tuple[str, int], int]]:
    counts: dict[tuple[str, int], int] = {}
    for letter in letters:
        place = (letter.topic, letter.partition)
        counts[place] = counts.get(place, 0) + 1
    return sorted(counts.items())


def _row(letter: Letter, *, payload: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "letter": f"{letter.place}@{letter.offset}",
        "topic": letter.topic or None,
        "partition": letter.partition,
        "offset": letter.record_offset,
        "step": letter.step,
        "error": letter.error,
    }
    if payload:
        row |= {"message": letter.message, "key": _text(letter.key), "value": _text(letter.value)}
    return row


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")
