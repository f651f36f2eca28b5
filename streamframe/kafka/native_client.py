"""Clients of ``confluent_kafka`` whose records move by the native path.

The native library is a plug-in of librdkafka (``plugin.library.paths``): an interceptor of it is told of every client
that is made with the property, so that its handle is known without a look into private memory. Everything but records
(groups, callbacks, transactions, authentication) stays with ``confluent_kafka``.

Rules:
    1. Whatever stands in the way (no native distribution, another librdkafka, a client that refuses plug-ins) gives an
       ordinary client, and the pure path. Nothing is reported to the user but which path it is.
    2. A native handle is used by the thread that uses the client, and never after the client was closed: it is empty
       then and raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer

from streamframe.core.acceleration import native

PLUGINS: Final = "plugin.library.paths"

_PATTERNS: Final = (
    "../confluent_kafka.libs/librdkafka*",
    ".dylibs/librdkafka*",
    "../confluent_kafka/.dylibs/librdkafka*",
)
_SYSTEM: Final = ("librdkafka.so.1", "librdkafka.1.dylib")


class NativeConsumer(Consumer):
    """A consumer that tells its native handle.

    Args:
        properties: Properties of the client.
        options: Keyword arguments of the client.

    Raises:
        KafkaException: The client refuses a property.
    """

    handle: Any
    """The native client; ``None``: the plug-in could not take the client over, which is of no use then."""

    def __init__(self, properties: Mapping[str, Any], **options: Any) -> None:
        native.announce_client()
        super().__init__(with_plugin(properties), **options)
        self.handle = native.take_client()


class NativeProducer(Producer):
    """A producer that tells its native handle, and reports failures only; arguments as ``NativeConsumer``.

    Give its records no callbacks: those of records that were written are never called, and their memory is lost.
    """

    handle: Any
    """The native client; ``None``: the plug-in could not take the client over, which is of no use then."""

    def __init__(self, properties: Mapping[str, Any], **options: Any) -> None:
        native.announce_client(silent=True)
        super().__init__(with_plugin(properties), **options)
        self.handle = native.take_client()


_NATIVE_KIND: Final[Mapping[Any, Any]] = {Consumer: NativeConsumer, Producer: NativeProducer}


def make_client(kind: Any, properties: Mapping[str, Any], **options: Any) -> Any:
    """Make a client, a native one where that is possible.

    Args:
        kind: ``Consumer`` or ``Producer`` of ``confluent_kafka``.
        properties: Properties of the client.
        options: Keyword arguments of the client.

    Raises:
        KafkaException: The client refuses a property.
    """
    if is_available():
        # Our plug-in is refused, or a property of the user: without the plug-in we shall see.
        with suppress(KafkaException):
            client = _NATIVE_KIND[kind](properties, **options)
            if client.handle is not None:
                return client
    return kind(properties, **options)


def native_of(client: object) -> Any:
    """Return the native handle of a client, or ``None``: its records move by the pure path."""
    return getattr(client, "handle", None)


@cache
def is_available() -> bool:
    """Whether clients of this process can be native ones."""
    if native is None:
        return False
    for path in _libraries():
        try:
            native.open_library(path)
        except RuntimeError:
            continue
        return True
    return False


def with_plugin(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties that name our plug-in, besides those of the user."""
    plugins = [str(properties[PLUGINS])] if properties.get(PLUGINS) else []
    # First: librdkafka applies a property when it meets it.
    return {PLUGINS: ";".join([native.PLUGIN, *plugins])} | {k: v for k, v in properties.items() if k != PLUGINS}


def _libraries() -> Iterator[str]:
    """Yield where the librdkafka of ``confluent_kafka`` may be: in its wheel, or in the system."""
    assert confluent_kafka.__file__ is not None
    package = Path(confluent_kafka.__file__).parent
    for pattern in _PATTERNS:
        head, _, tail = pattern.rpartition("/")
        yield from map(str, sorted((package / head).glob(tail)))
    yield from _SYSTEM
