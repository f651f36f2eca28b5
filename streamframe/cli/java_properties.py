"""Client files of Java (``client.properties``) in the words of librdkafka.

Most names are the same. Those of TLS stores, of SASL and a few of tuning differ; what StreamFrame decides by
itself (the group, offsets, serializers) is left out with a note; anything else that concerns security and cannot
be translated is an error with a way out: a connection must never be less secure than the file says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamframe.cli.settings_sources import Given, Layer, read_text
from streamframe.core.errors import ConfigError
from streamframe.core.suggest import did_you_mean

RENAMED: Final[Mapping[str, str]] = {
    "bootstrap.servers": "kafka.bootstrap",
    "session.timeout.ms": "kafka.session_timeout_ms",
    "transaction.timeout.ms": "kafka.transaction_timeout_ms",
    "request.timeout.ms": "kafka.request_timeout_ms",
    "send.buffer.bytes": "kafka.client.socket.send.buffer.bytes",
    "receive.buffer.bytes": "kafka.client.socket.receive.buffer.bytes",
    "ssl.keystore.certificate.chain": "kafka.client.ssl.certificate.pem",
    "ssl.keystore.key": "kafka.client.ssl.key.pem",
    "ssl.truststore.certificates": "kafka.client.ssl.ca.pem",
    "fetch.max.wait.ms": "kafka.consumer.fetch.wait.max.ms",
    "max.request.size": "kafka.producer.message.max.bytes",
}
"""Java's name to ours."""

SAME: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "client.dns.lookup",
            "client.rack",
            "connections.max.idle.ms",
            "metadata.max.age.ms",
            "reconnect.backoff.max.ms",
            "reconnect.backoff.ms",
            "sasl.kerberos.kinit.cmd",
            "sasl.kerberos.service.name",
            "sasl.mechanism",
            "sasl.oauthbearer.token.endpoint.url",
            "security.protocol",
            "socket.connection.setup.timeout.ms",
            "ssl.cipher.suites",
            "ssl.key.password",
        ),
        "client",
    ),
    **dict.fromkeys(("fetch.max.bytes", "fetch.min.bytes", "max.partition.fetch.bytes"), "consumer"),
    **dict.fromkeys(("batch.size", "compression.type", "delivery.timeout.ms", "linger.ms"), "producer"),
}
"""Names that are the same, and the clients they are for."""

OURS: Final = frozenset(
    {
        "acks",
        "allow.auto.create.topics",
        "auto.commit.interval.ms",
        "auto.offset.reset",
        "buffer.memory",
        "client.id",
        "default.api.timeout.ms",
        "enable.auto.commit",
        "enable.idempotence",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "heartbeat.interval.ms",
        "interceptor.classes",
        "isolation.level",
        "key.deserializer",
        "key.serializer",
        "max.block.ms",
        "max.in.flight.requests.per.connection",
        "max.poll.interval.ms",
        "max.poll.records",
        "metric.reporters",
        "partition.assignment.strategy",
        "partitioner.class",
        "retries",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
        "transactional.id",
        "value.deserializer",
        "value.serializer",
    }
)
"""What StreamFrame decides by itself, or what exists in Java only."""

HARMLESS: Final = frozenset(
    {"ssl.enabled.protocols", "ssl.protocol", "ssl.provider", "ssl.secure.random.implementation"}
)
"""Choices of the Java runtime; OpenSSL makes its own, and they are never weaker than TLS 1.2."""

_PART_OF_OTHERS: Final = frozenset(
    {
        "sasl.client.callback.handler.class",
        "sasl.jaas.config",
        "sasl.login.callback.handler.class",
        "ssl.endpoint.identification.algorithm",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.keystore.type",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.type",
    }
)

KNOWN: Final = RENAMED.keys() | SAME.keys() | OURS | HARMLESS | _PART_OF_OTHERS
_CONCERNS_SECURITY: Final = ("sasl.", "security.", "ssl.")


@dataclass(frozen=True, slots=True)
class Translation:
    """A client file as settings.

    Attributes:
        layer: What it says.
        notes: What was left out, for people.
    """

    layer: Layer
    notes: tuple[str, ...]


def read_client_config(path: Path) -> Translation:
    """Read and translate a Java client file.

    Raises:
        ConfigError: It cannot be read, or something about security in it cannot be translated.
    """
    return translate(parse_properties(read_text(path, option="--client-config")), str(path))


def translate(properties: Mapping[str, str], source: str) -> Translation:
    """Return Java client properties as settings; see the module docstring."""
    found: dict[str, str] = {}
    left_out: list[str] = []
    for name, value in properties.items():
        if name in RENAMED:
            found[RENAMED[name]] = value
        elif name in SAME:
            found[f"kafka.{SAME[name]}.{name}"] = value
        elif name not in _PART_OF_OTHERS:
            if name not in KNOWN and name.startswith(_CONCERNS_SECURITY):
                hint = did_you_mean(name, KNOWN) or "give the librdkafka property with -X name=value instead"
                raise ConfigError("a property cannot be translated", hint=hint, property=name, source=source)
            left_out.append(name)
    security = _sasl(properties, source) | _trust(properties, source) | _identity(properties, source)
    found |= {f"kafka.client.{name}": value for name, value in security.items()}
    notes = (f"{source}: not used: {', '.join(sorted(left_out))}",) if left_out else ()
    return Translation({name: Given(value, source) for name, value in found.items()}, notes)


# -- SASL ----------------------------------------------------------------------------------------------

_LOGIN: Final = re.compile(r"\s*([\w.$]+)\s+(required|requisite|sufficient|optional)\b(.*?);?\s*", re.DOTALL)
_OPTION: Final = re.compile(r"""([\w.]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;]+)""")

_LOGIN_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "PlainLoginModule": {"username": "sasl.username", "password": "sasl.password"},
    "ScramLoginModule": {"username": "sasl.username", "password": "sasl.password"},
    "OAuthBearerLoginModule": {
        "clientId": "sasl.oauthbearer.client.id",
        "clientSecret": "sasl.oauthbearer.client.secret",
        "scope": "sasl.oauthbearer.scope",
    },
    "Krb5LoginModule": {
        "keyTab": "sasl.kerberos.keytab",
        "principal": "sasl.kerberos.principal",
        "serviceName": "sasl.kerberos.service.name",
    },
}


def _sasl(properties: Mapping[str, str], source: str) -> dict[str, str]:
    jaas = properties.get("sasl.jaas.config", "")
    handlers = [properties.get(f"sasl.{side}.callback.handler.class", "") for side in ("client", "login")]
    for handler in filter(None, handlers):
        if not handler.endswith(".OAuthBearerLoginCallbackHandler"):
            raise ConfigError(
                "a login of its own in Java cannot be used",
                hint="use a mechanism of librdkafka: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER (OIDC) or GSSAPI",
                property="sasl.login.callback.handler.class",
                handler=handler,
                source=source,
            )
    if not jaas:
        return {}
    match = _LOGIN.fullmatch(jaas)
    module = match[1].rpartition(".")[2] if match else ""
    if match is None or module not in _LOGIN_OPTIONS:
        # The value is a secret: only the name of the module may be told.
        raise ConfigError(
            "sasl.jaas.config cannot be translated",
            hint=f"known login modules: {', '.join(_LOGIN_OPTIONS)}",
            module=module or "none",
            source=source,
        )
    names = _LOGIN_OPTIONS[module]
    options = {name: _unquoted(value) for name, value in _OPTION.findall(match[3])}
    found = {names[name]: value for name, value in options.items() if name in names}
    if module == "OAuthBearerLoginModule":
        found["sasl.oauthbearer.method"] = "oidc"
    return found


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] in "\"'" else value


# -- TLS -----------------------------------------------------------------------------------------------


def _trust(properties: Mapping[str, str], source: str) -> dict[str, str]:
    found: dict[str, str] = {}
    location = properties.get("ssl.truststore.location", "")
    if location:
        kind = _store_type(properties, "ssl.truststore", location)
        if kind != "PEM":
            raise _not_pem("truststore", kind, location, source)
        found["ssl.ca.location"] = location
    if "ssl.endpoint.identification.algorithm" in properties:
        found["ssl.endpoint.identification.algorithm"] = (
            properties["ssl.endpoint.identification.algorithm"].lower() or "none"
        )
    return found


def _identity(properties: Mapping[str, str], source: str) -> dict[str, str]:
    location = properties.get("ssl.keystore.location", "")
    if not location:
        return {}
    kind = _store_type(properties, "ssl.keystore", location)
    if kind == "PEM":
        return {"ssl.certificate.location": location, "ssl.key.location": location}
    if kind == "PKCS12":
        password = properties.get("ssl.keystore.password", "")
        return {"ssl.keystore.location": location} | ({"ssl.keystore.password": password} if password else {})
    raise _not_pem("keystore", kind, location, source)


def _store_type(properties: Mapping[str, str], prefix: str, location: str) -> str:
    """Return the type of a store: as declared, else by the ending of the file, else Java's default."""
    declared = properties.get(f"{prefix}.type", "").upper()
    endings = {".pem": "PEM", ".crt": "PEM", ".cer": "PEM", ".p12": "PKCS12", ".pfx": "PKCS12"}
    return declared or endings.get(Path(location).suffix.lower(), "JKS")


def _not_pem(store: str, kind: str, location: str, source: str) -> ConfigError:
    stem = Path(location).stem
    first = f"keytool -importkeystore -srckeystore {location} -destkeystore {stem}.p12 -deststoretype PKCS12"
    readable = f"{stem}.p12" if kind == "JKS" else location
    second = f"openssl pkcs12 -in {readable} -nokeys -out {stem}.pem"
    if store == "keystore":
        steps, setting = first, f"ssl.keystore.location={stem}.p12 and ssl.keystore.type=PKCS12"
    else:
        steps = f"{first} && {second}" if kind == "JKS" else second
        setting = f"ssl.truststore.location={stem}.pem and ssl.truststore.type=PEM"
    return ConfigError(
        f"a {kind} {store} can be read by Java only",
        hint=f"convert it once: {steps}; then set {setting}",
        location=location,
        source=source,
    )


# -- the file format -----------------------------------------------------------------------------------

_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse_properties(text: str) -> dict[str, str]:
    r"""Return the entries of a ``.properties`` file, as ``java.util.Properties`` reads it.

    Example:
        >>> parse_properties("# comment\na = 1\nb:two\nlong = x, \\\n    y")
        {'a': '1', 'b': 'two', 'long': 'x, y'}
    """
    found: dict[str, str] = {}
    for line in _logical_lines(text):
        end, begin = _split_points(line)
        found[_unescaped(line[:end])] = _unescaped(line[begin:])
    return found


def _logical_lines(text: str) -> Iterator[str]:
    pending = ""
    for natural in re.split(r"\r\n|\r|\n", text):
        line = natural.lstrip(" \t\f")
        if not pending and (not line or line[0] in "#!"):
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending += line[:-1]
            continue
        yield pending + line
        pending = ""
    if pending:
        yield pending


def _split_points(line: str) -> tuple[int, int]:
    """Return where the name ends and where the value begins."""
    position = 0
    while position < len(line) and line[position] not in "=: \t\f":
        position += 2 if line[position] == "\\" else 1
    end = min(position, len(line))
    separator = re.compile(r"[ \t\f]*[=:]?[ \t\f]*").match(line, end)
    assert separator is not None
    return end, separator.end()


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return _ESCAPES.get(match[2], match[2])

    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", plain, text)
