"""Where settings come from, and which one wins.

::

    command line  >  STREAMFRAME_* variables  >  --client-config  >  --config  >  App(...)  >  defaults

Every source is a ``Layer``: names such as ``commit.interval`` with what was written there. ``resolve`` puts them
together and remembers for each value where it came from. A name that nobody knows is an error in every source,
with the nearest name that is known: a misspelt setting must not be a default in production.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streamframe.cli.masking import shown
from streamframe.core.errors import ConfigError
from streamframe.core.settings import Settings
from streamframe.core.sizes import format_bytes, parse_bytes
from streamframe.core.suggest import did_you_mean
from streamframe.core.time import MICROS_PER_MS, format_duration, parse_duration

ENVIRONMENT_PREFIX: Final = "STREAMFRAME_"

OTHER_VARIABLES: Final = frozenset(
    {
        "STREAMFRAME_CACHE",
        "STREAMFRAME_CLIENT_CONFIG",
        "STREAMFRAME_CONFIG",
        "STREAMFRAME_JAVA",
        "STREAMFRAME_MAVEN",
        "STREAMFRAME_NATIVE",
        "STREAMFRAME_TEST_BOOTSTRAP",
        "STREAMFRAME_WORKERS",
    }
)
"""Variables that are no settings: the broker's, the tests', and those of options."""

_KUBERNETES: Final = re.compile(r"STREAMFRAME(_\w+)?_(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_(TCP|UDP)\w*)?)")
"""What Kubernetes puts into every container for a service whose name begins with ``streamframe``."""

_MICROS: Final = frozenset({"commit.interval", "limits.poll_wait", "limits.watchdog", "telemetry.interval"})
_BYTES: Final = frozenset({"commit.changed_bytes_max", "state.memory"})
_COUNTS: Final = frozenset(
    {"kafka.replication_factor", "limits.poll_records_max", "limits.restore_records_max", "telemetry.port"}
)

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting.

    Attributes:
        name: ``group.field``.
        default: Its default.
        unit: ``micros``, ``ms``, ``bytes``, ``kib``, ``count``, ``text``, ``switch``, ``choice`` or ``map``.
        choices: The allowed words of a ``choice``.
    """

    name: str
    default: object
    unit: str
    choices: tuple[str, ...] = ()

    def parse(self, raw: object, source: str) -> object:
        """Return the value that a source means.

        Raises:
            ConfigError: It means nothing.
        """
        try:
            value = self._parse(raw)
        except (ConfigError, ValueError) as error:
            hint = error.hint if isinstance(error, ConfigError) else None
            raise self._wrong(raw, source, hint or f"this setting is a {_UNIT_WORDS[self.unit]}") from error
        if isinstance(value, int) and value < 0 and value != self.default:
            raise self._wrong(raw, source, "it must not be negative")
        return value

    def _parse(self, raw: object) -> object:
        match self.unit:
            case "micros":
                return parse_duration(_text_or_number(raw))
            case "ms":
                return int(raw) if _is_integer(raw) else parse_duration(_text_or_number(raw)) // MICROS_PER_MS
            case "bytes":
                return parse_bytes(int(raw) if _is_integer(raw) else str(raw))
            case "kib":
                return int(raw) if _is_integer(raw) else parse_bytes(str(raw)) // 1024
            case "count":
                if not _is_integer(raw):
                    raise ValueError(raw)
                return int(raw)
            case "switch":
                return _parse_switch(raw)
            case "choice":
                word = str(raw).replace("-", "_")
                if word not in self.choices:
                    nearest = did_you_mean(word, self.choices)
                    raise ConfigError("no such word", hint=nearest or f"one of: {', '.join(self.choices)}")
                return word
            case _:
                return str(raw)

    def show(self, value: object) -> str:
        """Return a value as users write it."""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int) and self.unit == "micros":
            return format_duration(value)
        if isinstance(value, int) and self.unit == "bytes":
            return format_bytes(value)
        return str(value)

    def _wrong(self, raw: object, source: str, hint: str) -> ConfigError:
        return ConfigError(
            "a setting has a value without meaning",
            hint=hint,
            setting=self.name,
            value=shown(self.name, raw),
            source=source,
        )


_UNIT_WORDS: Final = {
    "micros": "duration such as '500ms' or '10s'",
    "ms": "number of milliseconds, or a duration such as '45s'",
    "bytes": "size such as '512MB'",
    "kib": "number of KiB, or a size such as '16MB'",
    "count": "whole number",
    "switch": "switch: true or false",
    "choice": "choice",
    "text": "text",
    "map": "table of names and values",
}


def _is_integer(raw: object) -> typing.TypeGuard[int | str]:
    if isinstance(raw, bool):
        return False
    return isinstance(raw, int) or (isinstance(raw, str) and re.fullmatch(r"\s*[+-]?\d+\s*", raw) is not None)


def _text_or_number(raw: object) -> str | float:
    if isinstance(raw, str | float) or (isinstance(raw, int) and not isinstance(raw, bool)):
        # From the environment a plain number is text; it means seconds, as in a file.
        return float(raw) if _is_integer(raw) else raw
    raise ValueError(raw)


def _parse_switch(raw: object) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    word = str(raw).strip().lower()
    if word not in words:
        raise ValueError(raw)
    return words[word]


def _fields() -> Iterator[SettingField]:
    for group in dataclasses.fields(Settings):
        kind = typing.get_type_hints(Settings)[group.name]
        hints = typing.get_type_hints(kind)
        for each in dataclasses.fields(kind):
            name = f"{group.name}.{each.name}"
            default = getattr(kind(), each.name)
            choices = tuple(typing.get_args(hints[each.name])) if _is_choice(hints[each.name]) else ()
            yield SettingField(name, default, _unit(name, hints[each.name]), choices)


def _is_choice(hint: object) -> bool:
    return typing.get_origin(hint) is typing.Literal


def _unit(name: str, hint: object) -> str:
    if _is_choice(hint):
        return "choice"
    if hint is bool:
        return "switch"
    if hint is str:
        return "text"
    if hint is not int:
        return "map"
    if name.endswith("_ms"):
        return "ms"
    if name.endswith("_kib"):
        return "kib"
    unit = {name in _MICROS: "micros", name in _BYTES: "bytes", name in _COUNTS: "count"}.get(True)
    assert unit is not None, f"{name} has no unit"
    return unit


FIELDS: Final[Mapping[str, SettingField]] = {each.name: each for each in _fields()}
"""All settings by name."""

MAPS: Final = tuple(name for name, each in FIELDS.items() if each.unit == "map")
"""Settings that hold librdkafka properties: ``kafka.client.<property>``."""


def setting_of(name: str) -> tuple[str, str] | None:
    """Return the setting that a dotted name means and, for a map, the property in it.

    Example:
        >>> setting_of("commit.interval"), setting_of("kafka.client.sasl.password"), setting_of("commit.x")
        (('commit.interval', ''), ('kafka.client', 'sasl.password'), None)
    """
    for each in MAPS:
        if name.startswith(f"{each}.") and len(name) > len(each) + 1:
            return each, name[len(each) + 1 :]
    return (name, "") if name in FIELDS and name not in MAPS else None


@dataclass(frozen=True, slots=True)
class Given:
    """One value as it was written, and where: ``--commit-interval``, ``STREAMFRAME_…``, a file."""

    raw: object
    source: str


Layer = Mapping[str, Given]
"""What one source says: dotted name to value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSettings:
    """Settings, and the source of each value that is not a default; map entries have their own."""

    settings: Settings
    sources: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[tuple[str, str, str]]:
        """Return name, value (secrets masked) and source of everything, in the order of the groups."""
        rows: list[tuple[str, str, str]] = []
        for name, each in FIELDS.items():
            group, _, attribute = name.partition(".")
            value = getattr(getattr(self.settings, group), attribute)
            if each.unit == "map":
                for key in sorted(value):
                    full = f"{name}.{key}"
                    rows.append((full, shown(full, value[key]), self.sources.get(full, DEFAULT)))
            else:
                rows.append((name, shown(name, each.show(value)), self.sources.get(name, DEFAULT)))
        return rows


def resolve(layers: Sequence[Layer]) -> EffectiveSettings:
    """Return the settings of several sources, the first one winning.

    Raises:
        ConfigError: An unknown name, or a value without meaning.
    """
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for layer in reversed(layers):
        for name, given in layer.items():
            setting, key = known_setting(name, given.source)
            parsed = FIELDS[setting].parse(_property_text(given.raw) if key else given.raw, given.source)
            if key:
                values[setting] = {**typing.cast("dict[str, object]", values.get(setting, {})), key: parsed}
            else:
                values[setting] = parsed
            sources[name] = given.source
    return EffectiveSettings(settings=_replaced(values), sources=sources)


def known_setting(name: str, source: str) -> tuple[str, str]:
    """Return what ``setting_of`` finds.

    Raises:
        ConfigError: There is no such setting.
    """
    found = setting_of(name)
    if found is None:
        hint = did_you_mean(name, [*FIELDS, *(f"{each}.*" for each in MAPS)])
        raise ConfigError(
            "there is no such setting",
            hint=hint or "streamframe config show lists them all",
            setting=name,
            source=source,
        )
    return found


def _property_text(raw: object) -> str:
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def _replaced(values: Mapping[str, object]) -> Settings:
    groups: dict[str, object] = {}
    defaults = Settings()
    for name, value in values.items():
        group, _, attribute = name.partition(".")
        before = groups.get(group, getattr(defaults, group))
        groups[group] = dataclasses.replace(typing.cast("typing.Any", before), **{attribute: value})
    return dataclasses.replace(defaults, **typing.cast("dict[str, typing.Any]", groups))


# -- sources -------------------------------------------------------------------------------------------


def app_layer(overrides: Mapping[str, object]) -> Layer:
    """Return what the program says in ``App(...)``."""
    layer: dict[str, Given] = {}
    for name, value in overrides.items():
        if isinstance(value, Mapping):
            layer |= {f"{name}.{key}": Given(entry, "App(...)") for key, entry in value.items()}
        else:
            # Overrides are parsed already: a plain number would be taken for seconds.
            exact = f"{value}us" if FIELDS.get(name, _ANY).unit == "micros" else value
            layer[name] = Given(exact, "App(...)")
    return layer


_ANY: Final = SettingField("", "", "text")


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """Return what ``STREAMFRAME_*`` variables say.

    ``STREAMFRAME_COMMIT_INTERVAL`` is ``commit.interval``; ``STREAMFRAME_KAFKA_CLIENT_SASL_PASSWORD`` is the
    librdkafka property ``sasl.password``. An empty variable counts as not set.

    Raises:
        ConfigError: A variable that is no setting.
    """
    by_variable = {variable_of(name): name for name in FIELDS if name not in MAPS}
    layer: dict[str, Given] = {}
    for variable, raw in sorted(environment.items()):
        ours = variable.startswith(ENVIRONMENT_PREFIX) and variable not in OTHER_VARIABLES
        # A setting may have such a name too (`STREAMFRAME_TELEMETRY_PORT`); Kubernetes puts an address there.
        theirs = _KUBERNETES.fullmatch(variable) and (variable not in by_variable or "://" in raw)
        if not ours or not raw or theirs:
            continue
        name = by_variable.get(variable) or _map_entry(variable)
        if name is None:
            known = [*by_variable, *(other for other in sorted(OTHER_VARIABLES) if "_TEST_" not in other)]
            raise ConfigError(
                "there is no such setting",
                hint=did_you_mean(variable, known) or "streamframe config show lists them all",
                variable=variable,
            )
        layer[name] = Given(raw, variable)
    return layer


def variable_of(name: str) -> str:
    """Return the variable of the environment that gives a setting."""
    return ENVIRONMENT_PREFIX + name.replace(".", "_").upper()


def _map_entry(variable: str) -> str | None:
    for name in MAPS:
        prefix = f"{variable_of(name)}_"
        if variable.startswith(prefix) and len(variable) > len(prefix):
            return f"{name}.{variable[len(prefix) :].lower().replace('_', '.')}"
    return None


def toml_layer(path: Path) -> Layer:
    """Return what a TOML file says: a table per group.

    Raises:
        ConfigError: It cannot be read, is no TOML, or holds an unknown name.
    """
    text = read_text(path, option="--config")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("the file is not TOML", hint=str(error), file=str(path)) from error
    layer = {name: Given(raw, str(path)) for name, raw in _flattened(tables, "")}
    for name in layer:
        known_setting(name, str(path))
    return layer


def _flattened(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        full = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{full}.")
        else:
            yield full, value


def read_text(path: Path, *, option: str) -> str:
    """Return the text of a file that an option names.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        hint = did_you_mean(path.name, [each.name for each in path.parent.glob("*")]) if path.parent.is_dir() else None
        raise ConfigError("a file cannot be read", hint=hint, option=option, file=str(path), reason=reason) from error


def expression_layer(pairs: Sequence[str]) -> Layer:
    """Return what ``-X name=value`` says: a setting, or a librdkafka property for every client.

    Raises:
        ConfigError: No ``=``, or a name that is nearly a setting.
    """
    groups = {name.partition(".")[0] for name in FIELDS}
    layer: dict[str, Given] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ConfigError("-X takes name=value", hint="for example: -X commit.interval=500ms", given=name)
        if name.partition(".")[0] not in groups:
            if hint := did_you_mean(name, FIELDS):
                raise ConfigError("there is no such setting", hint=hint, setting=name, source="-X")
            name = f"kafka.client.{name}"
        layer[name] = Given(value.strip(), "-X")
    return layer
