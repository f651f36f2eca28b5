"""The native data path of StreamFrame, used by the main package when it is installed.

``STREAMFRAME_NATIVE=0`` in the environment switches it off: importing it then fails as if it were not installed.
"""

import os as _os

if _os.environ.get("STREAMFRAME_NATIVE") == "0":
    raise ImportError("streamframe-native is switched off by STREAMFRAME_NATIVE=0")

from streamframe_native import _native
from streamframe_native._native import (
    INTERFACE,
    VERSION,
    Client,
    JsonReader,
    JsonWriter,
    KeyBatch,
    NativeError,
    Payloads,
    Records,
    announce_client,
    gather_texts,
    open_library,
    panic_on_purpose,
    take_client,
)

PLUGIN = _native.__file__
"""What ``plugin.library.paths`` of a client names, so that ``take_client`` finds its handle."""

__all__ = [
    "INTERFACE",
    "PLUGIN",
    "VERSION",
    "Client",
    "JsonReader",
    "JsonWriter",
    "KeyBatch",
    "NativeError",
    "Payloads",
    "Records",
    "announce_client",
    "gather_texts",
    "open_library",
    "panic_on_purpose",
    "take_client",
]
