"""``streamframe run``: a program, its workers, and what is said about them.

This process loads neither the program nor pandas: a first look and every worker are processes of their own.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from streamframe.cli.options import Sources, add_connection, add_program, sources_of
from streamframe.cli.settings_sources import FIELDS, EffectiveSettings
from streamframe.core.errors import ConfigError
from streamframe.core.settings import Settings
from streamframe.core.time import format_duration

if TYPE_CHECKING:
    from streamframe.cli.preflight import Preflight


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``run``."""
    parser = subparsers.add_parser(
        "run",
        help="run a program until it is stopped, or to the present end of its topics",
        description="Run a program. Workers are processes, one per core is a good number; each takes a share of the "
        "partitions, and the same command on another machine takes its share too. A worker that dies or hangs is "
        "started again. Ctrl-C or SIGTERM stops gracefully: workers drain, commit and end with exit code 0; a second "
        "one kills them, and nothing is lost by that either.",
        epilog="examples:\n"
        "  streamframe run clicks.py -b broker:9092 --workers 4\n"
        "  streamframe run clicks.py --until now --flush              a backfill: to the end, and close all windows\n"
        "  streamframe run clicks.py --config prod.toml --client-config client.properties\n"
        "  streamframe run clicks.py -X security.protocol=SASL_SSL -X sasl.mechanism=SCRAM-SHA-512\n"
        "\n"
        "secrets belong into variables or files, not on the command line, where every process can read them:\n"
        "  STREAMFRAME_KAFKA_CLIENT_SASL_USERNAME, STREAMFRAME_KAFKA_CLIENT_SASL_PASSWORD\n"
        "\n"
        "exit codes: docs/errors.md; settings and where they come from: streamframe config show",
    )
    add_program(parser)
    parser.add_argument(
        "--workers", metavar="N", type=int, help="worker processes (default: 1, or $STREAMFRAME_WORKERS)"
    )
    parser.add_argument("--until", choices=("now",), help="stop at the present end of the topics")
    parser.add_argument("--flush", action="store_true", help="with --until now: close all windows at the end")
    engine = parser.add_argument_group("engine")
    engine.add_argument("--guarantee", metavar="WORD", help="exactly_once (default) or at_least_once")
    engine.add_argument("--commit-interval", metavar="TIME", help="time between commits (default: 1s)")
    engine.add_argument("--state-dir", metavar="DIR", help="directory of local state")
    engine.add_argument("--state-memory", metavar="SIZE", help="memory for the state of one worker (default: 1GB)")
    add_connection(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--quiet", action="store_true", help="only warnings and errors")
    output.add_argument("--log-format", choices=("text", "json"), help="default: text")
    output.add_argument("--log-level", metavar="LEVEL", help="debug, info (default), warning or error")


def run(args: argparse.Namespace) -> int:
    """Run the program; return the exit code.

    Raises:
        ConfigError: An option or setting is wrong.
    """
    from streamframe.cli.failures import print_report
    from streamframe.cli.preflight import PreflightFailed, look_at_program

    workers = _workers(args.workers)
    if args.flush and args.until is None:
        raise ConfigError("--flush is for bounded runs", hint="add --until now")
    sources = sources_of(args)
    try:
        found = look_at_program(args.program, args.app)
    except PreflightFailed as failed:
        print_report(failed.report, debug=args.debug)
        return failed.report.error.exit_code
    effective = sources.resolve(found.overrides)
    return _supervise(args, found, effective, sources=sources, workers=workers)


def _supervise(
    args: argparse.Namespace, found: Preflight, effective: EffectiveSettings, *, sources: Sources, workers: int
) -> int:
    from streamframe.app.running import supervise
    from streamframe.app.supervisor_page import supervisor_page
    from streamframe.cli.failures import print_report
    from streamframe.cli.run_report import ReportStyle, RunReport
    from streamframe.runtime.messages import SupervisorEvent

    telemetry = effective.settings.telemetry
    report = RunReport(ReportStyle(form=telemetry.log_format, level=telemetry.log_level, quiet=args.quiet))
    bounded = args.flush if args.until == "now" else None
    with supervisor_page(found.application, effective.settings, workers) as page:
        rows = _banner(args, found, effective.settings, workers)
        rows += [("status page", page.url)] if page else []
        report.banner(rows, [*sources.notes, *_command_line_secrets(args)])

        def events(event: SupervisorEvent) -> None:
            if page is not None:
                page.take(event)
            report.take(event)

        # The app is named in full: another one may have been added to the file when a worker is started again.
        supervisor = supervise(
            args.program, found.application, effective.settings, workers=workers, bounded=bounded, events=events
        )
        result = supervisor.run()
    report.end(result.restarts, finished=bounded is not None and result.exit_code == 0)
    if result.report is not None:
        print_report(result.report, debug=args.debug)
    return result.exit_code


def _workers(given: int | None) -> int:
    raw = os.environ.get("STREAMFRAME_WORKERS", "1") if given is None else str(given)
    if not raw.isdecimal() or int(raw) < 1:
        raise ConfigError("the number of workers is a positive whole number", workers=raw)
    return int(raw)


def _banner(args: argparse.Namespace, found: Preflight, settings: Settings, workers: int) -> list[tuple[str, str]]:
    from streamframe import __version__

    commits = format_duration(settings.commit.interval)
    stores = f"{len(found.stores)} ({', '.join(found.stores)})" if found.stores else "none"
    until = "until the present end of its topics" if args.until else "until it is stopped"
    memory = FIELDS["state.memory"].show(settings.state.memory)
    return [
        ("streamframe", f"{__version__}, data path {found.data_path}"),
        ("application", f"{found.application} ({args.program}), {until}"),
        ("bootstrap", settings.kafka.bootstrap),
        ("guarantee", f"{settings.commit.guarantee}, a commit every {commits}"),
        ("workers", str(workers)),
        ("plan", f"sub-topologies: {found.sub_topologies}; stores: {stores}"),
        ("topics", f"{', '.join(found.inputs)} -> {', '.join(found.outputs) or 'no topic'}"),
        ("state", f"{_state_dir(settings)}, {memory} of memory per worker"),
    ]


def _state_dir(settings: Settings) -> Path:
    from streamframe.app.places import state_root

    return Path(state_root(settings.state))


def _command_line_secrets(args: argparse.Namespace) -> list[str]:
    from streamframe.cli.masking import is_secret

    names = [pair.partition("=")[0] for pair in args.expressions]
    return [
        f"-X {name} is visible to every process of this machine; use a STREAMFRAME_* variable or a file"
        for name in names
        if is_secret(name)
    ]
