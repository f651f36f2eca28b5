"""Secrets are recognised by the name of what holds them, and never printed."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "********"

_SECRET_WORDS: Final = ("password", "secret", "token", "jaas", "credential", "sasl.username", "oauthbearer.config")
_KEY: Final = re.compile(r"(^|[._-])key($|[._-])", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Tell whether a value of this name must not be seen.

    Example:
        >>> [is_secret(name) for name in ("sasl.password", "ssl.key.pem", "kafka.bootstrap", "monkey")]
        [True, True, False, False]
    """
    lower = name.lower()
    return any(word in lower for word in _SECRET_WORDS) or _KEY.search(lower) is not None


def shown(name: str, value: object) -> str:
    """Return the value as text, or a mask of constant length.

    Example:
        >>> shown("sasl.password", "hunter2"), shown("client.id", "me")
        ('********', 'me')
    """
    return MASK if is_secret(name) else str(value)
