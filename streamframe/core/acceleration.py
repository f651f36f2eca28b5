"""Which implementation moves the data: the one place that looks for ``streamframe-native``.

The native path is an optional distribution. Where it is absent, switched off (``STREAMFRAME_NATIVE=0``), or made for
another version of this package, everything is done by the pure path, with the same rows, the same errors and the same
bytes in Kafka and on disk.

Rules:
    1. Only this module imports ``streamframe_native``; others take ``native`` from here, and have a pure way besides.
    2. The native path is asked for a verdict only where it is sure; in doubt the pure path gives it.
"""

from __future__ import annotations

from typing import Any, Final

INTERFACE: Final = 3
"""What we call; another number means another version of the native distribution."""

native: Any = None
"""The module ``streamframe_native``, or ``None`` for the pure path."""

description: str = "pure Python"
"""Which path it is, for people, with the reason when it is the pure one."""

try:
    import streamframe_native as _found
except ImportError as _error:
    switched_off = "STREAMFRAME_NATIVE" in str(_error)
    _reason = "switched off" if switched_off else "streamframe-native is not installed"
    description = f"pure Python ({_reason})"
else:
    if _found.INTERFACE == INTERFACE:
        native = _found
        description = f"native (streamframe-native {_found.VERSION})"
    else:
        description = f"pure Python (streamframe-native {_found.VERSION} is of another version)"
