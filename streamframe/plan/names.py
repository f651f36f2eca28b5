"""Names: legal topic names, generated step names, names of internal topics.

A generated name is derived from inputs and verb, never from a counter: state must be found again after an
edit somewhere else in the program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from streamframe.core.errors import PlanError
from streamframe.core.time import format_duration
from streamframe.plan.graph import root_name
from streamframe.plan.nodes import Node, Window

TOPIC_NAME_LENGTH_MAX: Final = 249
"""Kafka's own limit, from the length of file names."""

STATELESS_NAME_LENGTH_MAX: Final = 80
"""Names of stateless steps appear in metrics and errors only; nobody wants to read longer ones."""

_LEGAL: Final = re.compile(r"[A-Za-z0-9._-]+")
_ILLEGAL_CHARACTER: Final = re.compile(r"[^A-Za-z0-9._-]")


def is_legal_topic_name(name: str) -> bool:
    """Whether Kafka accepts ``name`` as the name of a topic."""
    return len(name) <= TOPIC_NAME_LENGTH_MAX and name not in (".", "..") and _LEGAL.fullmatch(name) is not None


def check_topic_name(name: str, *, what: str) -> str:
    """Return ``name`` if Kafka accepts it as the name of a topic.

    Args:
        name: The name.
        what: What the name is for, as the subject of the error message.

    Raises:
        PlanError: The name is not legal.
    """
    if not is_legal_topic_name(name):
        raise PlanError(
            f"{what} is not a legal topic name",
            hint=f"use letters, digits, '.', '_' and '-', at most {TOPIC_NAME_LENGTH_MAX} of them",
            name=name,
        )
    return name


def slug(text: str) -> str:
    """Return ``text`` with every character that a topic name may not have replaced by ``_``.

    Example:
        >>> slug("unit price (€)")
        'unit_price____'
    """
    return _ILLEGAL_CHARACTER.sub("_", text)


def changelog_topic(application: str, step: str) -> str:
    """Return the name of the topic that mirrors the store of a step."""
    return f"{application}-{step}-changelog"


def repartition_topic(application: str, step: str) -> str:
    """Return the name of the topic through which the rows of a step change partition."""
    return f"{application}-{step}-repartition"


def window_words(window: Window) -> str:
    """Return a window as part of a name; grace is left out, so that tuning it keeps the name.

    Example:
        >>> window_words(Window(size=60_000_000, every=60_000_000))
        'tumbling-1min'
        >>> window_words(Window(size=3_600_000_000, every=300_000_000, offset=1_000))
        'hopping-1h-every-5min-offset-1ms'
    """
    size, every = format_duration(window.size), format_duration(window.every)
    words = f"tumbling-{size}" if window.size == window.every else f"hopping-{size}-every-{every}"
    return words if window.offset == 0 else f"{words}-offset-{format_duration(window.offset)}"


def aggregate_name(node: Node, keys: Sequence[str], window: Window | None) -> str:
    """Return the generated name of an aggregate over ``node``.

    The name of a stateful step is part of a topic name, so it is never cut short: one that is too long is
    an error when the plan is checked.
    """
    words = [root_name(node), "by", *(slug(key) for key in keys)]
    return "-".join(words if window is None else [*words, window_words(window)])


def stateless_name(node: Node, verb: str, subjects: Sequence[str] = ()) -> str:
    """Return the generated name of a step over ``node`` that keeps no state."""
    name = "-".join([root_name(node), verb, *(slug(subject) for subject in subjects[:3])])
    return name[:STATELESS_NAME_LENGTH_MAX]
