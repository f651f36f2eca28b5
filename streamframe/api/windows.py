"""Windows: half-open intervals ``[start, end)`` of event time, aligned to the epoch plus an offset."""

from __future__ import annotations

from streamframe.api.column_types import micros
from streamframe.core.errors import PlanError
from streamframe.core.time import MICROS_PER_MS, Duration
from streamframe.plan.nodes import Window


def tumbling(size: Duration, grace: Duration = "0s", offset: Duration = "0s") -> Window:
    """Return windows of one size, one after the other: each row belongs to exactly one.

    Args:
        size: Length of a window: ``"1min"``, a ``timedelta`` or a number of seconds; a multiple of 1 ms.
        grace: How long after its end a window still accepts rows that are out of order. Results are emitted
            that much later.
        offset: Windows start at multiples of ``size`` since the epoch (UTC) plus this.

    Raises:
        PlanError: A length is not positive, or not a multiple of one millisecond.

    Example:
        >>> tumbling("1min", grace="10s")
        Window(size=60000000, every=60000000, grace=10000000, offset=0)
    """
    return _window("tumbling", size, size, grace, offset)


def hopping(size: Duration, every: Duration, grace: Duration = "0s", offset: Duration = "0s") -> Window:
    """Return windows of one size that start at regular intervals: each row belongs to ``size / every`` of them.

    Args:
        size: Length of a window: ``"1h"``, a ``timedelta`` or a number of seconds; a multiple of 1 ms.
        every: Distance from the start of a window to the start of the next. Larger than ``size``: there are
            gaps, and rows in a gap belong to no window.
        grace: How long after its end a window still accepts rows that are out of order.
        offset: Windows start at multiples of ``every`` since the epoch (UTC) plus this.

    Raises:
        PlanError: A length is not positive, or not a multiple of one millisecond.

    Example:
        >>> hopping("1h", every="5min").every
        300000000
    """
    return _window("hopping", size, every, grace, offset)


def _window(kind: str, size: Duration, every: Duration, grace: Duration, offset: Duration) -> Window:
    lengths = {
        argument: micros(value, argument=argument, step=kind)
        for argument, value in (("size", size), ("every", every), ("grace", grace), ("offset", offset))
    }
    for argument, length in lengths.items():
        if length < 0 or (length == 0 and argument in ("size", "every")):
            raise PlanError(f"the {argument} of a window is too small", hint="use a positive length", micros=length)
        if length % MICROS_PER_MS:
            raise PlanError(
                f"the {argument} of a window is not a multiple of one millisecond",
                hint="Kafka's timestamps are milliseconds: round it",
                micros=length,
            )
    # Windows start at offset + k * every for all integers k, so only the remainder means anything.
    return Window(
        size=lengths["size"],
        every=lengths["every"],
        grace=lengths["grace"],
        offset=lengths["offset"] % lengths["every"],
    )
