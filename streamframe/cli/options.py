"""Options that several commands have in common, and what they mean as settings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamframe.cli.java_properties import read_client_config
from streamframe.cli.settings_sources import (
    EffectiveSettings,
    Given,
    Layer,
    app_layer,
    environment_layer,
    expression_layer,
    resolve,
    toml_layer,
)

PROGRAM_HELP: Final = "a Python file (clicks.py) or module (pipelines.clicks) that makes an App"

_SETTING_BY_OPTION: Final[Mapping[str, str]] = {
    "bootstrap": "kafka.bootstrap",
    "guarantee": "commit.guarantee",
    "commit_interval": "commit.interval",
    "state_dir": "state.directory",
    "state_memory": "state.memory",
    "log_format": "telemetry.log_format",
    "log_level": "telemetry.log_level",
}


def add_program(parser: argparse.ArgumentParser) -> None:
    """Add the program and ``--app``."""
    parser.add_argument("program", metavar="PROGRAM", help=PROGRAM_HELP)
    parser.add_argument("--app", metavar="NAME", default="", help="which App, when the program makes several")


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add where the broker is, and the files and expressions that settings come from."""
    group = parser.add_argument_group("connection and settings")
    group.add_argument(
        "-b", "--bootstrap", metavar="HOST:PORT", help="broker addresses, separated by commas (default: localhost:9092)"
    )
    group.add_argument("--config", metavar="FILE.toml", type=Path, help="settings, a table per group")
    group.add_argument(
        "--client-config", metavar="FILE.properties", type=Path, help="a client file of Java: security, timeouts"
    )
    group.add_argument(
        "-X",
        dest="expressions",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="any setting (limits.poll_wait=20ms) or librdkafka property (security.protocol=SSL); may be repeated",
    )


def add_state(parser: argparse.ArgumentParser) -> None:
    """Add where local state is."""
    parser.add_argument("--state-dir", metavar="DIR", help="directory of local state")


def add_format(parser: argparse.ArgumentParser, *others: str) -> None:
    """Add how results are printed: ``text``, ``json``, and what else there is."""
    parser.add_argument("--format", choices=("text", *others, "json"), default="text", help="default: %(default)s")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")


@dataclass(frozen=True, slots=True)
class Sources:
    """What everything but the program says about settings.

    Attributes:
        above_app: Layers that win over the program, the strongest first.
        notes: What was left out of a client file, for people.
    """

    above_app: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    def resolve(self, overrides: Mapping[str, object]) -> EffectiveSettings:
        """Return the settings, with what the program says below everything else.

        Raises:
            ConfigError: A name or a value without meaning.
        """
        return resolve([*self.above_app, app_layer(overrides)])


def sources_of(args: argparse.Namespace, environment: Mapping[str, str] | None = None) -> Sources:
    """Return the sources that a command line names; reads the files.

    Raises:
        ConfigError: A file cannot be read, or a name is not known.
    """
    variables = os.environ if environment is None else environment
    layers: list[Layer] = [_option_layer(args), expression_layer(args.expressions), environment_layer(variables)]
    notes: tuple[str, ...] = ()
    if client_config := args.client_config or _path(variables, "STREAMFRAME_CLIENT_CONFIG"):
        translation = read_client_config(client_config)
        layers.append(translation.layer)
        notes = translation.notes
    if config := args.config or _path(variables, "STREAMFRAME_CONFIG"):
        layers.append(toml_layer(config))
    sources = Sources(tuple(layers), notes)
    sources.resolve({})  # A wrong value is told now, not after the program was loaded.
    return sources


def _path(variables: Mapping[str, str], name: str) -> Path | None:
    return Path(variables[name]) if variables.get(name) else None


def _option_layer(args: argparse.Namespace) -> Layer:
    layer: dict[str, Given] = {}
    for option, setting in _SETTING_BY_OPTION.items():
        value = getattr(args, option, None)
        if value is not None:
            layer[setting] = Given(value, f"--{option.replace('_', '-')}")
    return layer
