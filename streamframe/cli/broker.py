"""``streamframe broker start|stop|status``: a local Kafka that stays up between commands.

Exit codes: 0 done (for ``status``: every node is up), 1 ``status`` found something down or nothing at all;
errors bring the code of their type (see `streamframe.core.errors`). The broker package is imported only
when a command runs, so that help stays quick.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamframe.broker import ClusterStatus

_DEFAULT_PORT = 9092


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``broker`` and its three commands."""
    parser = subparsers.add_parser(
        "broker",
        help="run a local Apache Kafka",
        description="Run a real Apache Kafka on this machine's loopback address, for development and tests. "
        "Needs a Java >= 17 or: pip install 'streamframe[broker]'",
    )
    commands = parser.add_subparsers(dest="broker_command", required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="start it and return when it can be used")
    stop = commands.add_parser("stop", help="stop it; its data stay")
    status = commands.add_parser("status", help="show its nodes; exit code 1 unless all are up")
    for command in (start, stop, status):
        command.add_argument(
            "--port", type=int, default=_DEFAULT_PORT, help="port of the first node (default: %(default)s)"
        )
        command.add_argument(
            "--data-dir", type=Path, metavar="DIR", help="its data and logs (default: one per port in the cache)"
        )
    start.add_argument("--nodes", type=int, choices=(1, 3), default=1, help="3: replicated, nodes on port.. port+2")
    start.add_argument("--version", metavar="X.Y.Z", help="release of Apache Kafka (default: the tested one)")
    start.add_argument("--heap", metavar="SIZE", help="Java heap of each node, such as 512m")
    start.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a server property; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command that was parsed; return the exit code.

    Raises:
        StreamFrameError: The command failed; its ``exit_code`` is the exit code.
    """
    commands = {"start": _start, "stop": _stop, "status": _status}
    return commands[args.broker_command](args)


def _start(args: argparse.Namespace) -> int:
    from streamframe.broker import DEFAULT_VERSION, BrokerSpec, ConsoleProgress, start_detached

    began = time.monotonic()
    spec = BrokerSpec(
        nodes=args.nodes,
        port=args.port,
        data_dir=args.data_dir,
        version=args.version or DEFAULT_VERSION,
        heap=args.heap,
        settings=_settings(args.set),
    )
    found = start_detached(spec, ConsoleProgress())
    print(found.bootstrap)
    first_port = found.nodes[0].port
    took = f"{time.monotonic() - began:.1f} s"
    print(
        f"Apache Kafka {found.version} is up after {took}, data and logs in {found.data_dir}\n"
        f"stop it with: streamframe broker stop{'' if first_port == _DEFAULT_PORT else f' --port {first_port}'}",
        file=sys.stderr,
    )
    return 0


def _stop(args: argparse.Namespace) -> int:
    from streamframe.broker import stop_detached

    began = time.monotonic()
    count = stop_detached(port=args.port, data_dir=args.data_dir)
    if count == 0:
        print(f"no broker was running{_where(args)}")
    else:
        print(f"stopped {count} node{'s' if count > 1 else ''} in {time.monotonic() - began:.1f} s")
    return 0


def _status(args: argparse.Namespace) -> int:
    from streamframe.broker import detached_status

    found = detached_status(port=args.port, data_dir=args.data_dir)
    if found is None:
        print(f"no broker is running{_where(args)}")
        return 1
    print(_table(found))
    return 0 if found.is_up else 1


def _table(found: ClusterStatus) -> str:
    lines = [f"Apache Kafka {found.version} at {found.bootstrap}, data and logs in {found.data_dir}"]
    for node in found.nodes:
        memory = "" if node.resident_bytes is None else f", {node.resident_bytes / 1e6:.0f} MB"
        state = f"up, sees {node.known_brokers} of {len(found.nodes)}{memory}" if node.is_up else "down"
        lines.append(f"  node {node.node}  127.0.0.1:{node.port}  pid {node.pid}  {state}")
    return "\n".join(lines)


def _settings(pairs: list[str]) -> dict[str, str]:
    from streamframe.core.errors import ConfigError

    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError("a server property is written NAME=VALUE", given=pair)
        settings[name.strip()] = value.strip()
    return settings


def _where(args: argparse.Namespace) -> str:
    return f" in {args.data_dir}" if args.data_dir is not None else f" on port {args.port}"
