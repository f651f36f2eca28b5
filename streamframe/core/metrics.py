"""Names of what is counted, and the equation that the counts keep.

A counter is named ``<what>:<step>``: what was counted, and the step that counted it. For one source and
one path of steps behind it, every row is counted exactly once on the right::

    rows_in = rows_null_value + rows_dead_letter + rows_skipped     set aside: no value, or not usable
            + rows_filtered                                          a filter said no
            - rows_added                                             explode and map_batches, net
            + rows_null_key + rows_outside + rows_late               not aggregated: key, gap, time
            + rows_aggregated                                        in a window or table
            + rows_out                                               written by a sink

Where the path branches, each branch counts its own rows. Rows behind an aggregate are new rows: they are
counted by ``rows_emitted`` there and obey the same equation from that step on.
"""

from __future__ import annotations

from typing import Final

ROWS_IN: Final = "rows_in"
"""Records read from a topic (``step``: the source)."""
ROWS_NULL_VALUE: Final = "rows_null_value"
"""Records without a value (tombstones)."""
ROWS_DEAD_LETTER: Final = "rows_dead_letter"
"""Rows written to the dead-letter topic."""
ROWS_SKIPPED: Final = "rows_skipped"
"""Rows that could not be used, under the policy ``"skip"``."""
ROWS_FILTERED: Final = "rows_filtered"
"""Rows for which a predicate was not true."""
ROWS_ADDED: Final = "rows_added"
"""Rows that left ``explode`` or ``map_batches`` less rows that entered; may be negative."""
ROWS_NULL_KEY: Final = "rows_null_key"
"""Rows with a null among the group keys."""
ROWS_OUTSIDE: Final = "rows_outside"
"""Rows between two windows (hopping with gaps)."""
ROWS_LATE: Final = "rows_late"
"""Rows that were late for every window they belong to."""
ROWS_LATE_PARTLY: Final = "rows_late_partly"
"""Rows that were late for some of their windows; they are among ``rows_aggregated``."""
WINDOWS_MISSED: Final = "windows_missed"
"""Pairs of a row and a window that was closed for it: the rows of the ``late`` output."""
ROWS_AGGREGATED: Final = "rows_aggregated"
"""Rows folded into state, or into a partial aggregate that is sent to another task."""
PARTIALS_MERGED: Final = "partials_merged"
"""Partial aggregates received and merged."""
PARTIALS_DROPPED: Final = "partials_dropped"
"""Partial aggregates that could not be merged: a sum left the range of int64, or a flush had closed the window."""
WINDOWS_CLOSED: Final = "windows_closed"
"""Windows closed for good."""
ROWS_EMITTED: Final = "rows_emitted"
"""Results that left an aggregate."""
ROWS_OUT: Final = "rows_out"
"""Rows written, delivered or printed by a sink."""

COUNTERS: Final = (
    ROWS_IN,
    ROWS_NULL_VALUE,
    ROWS_DEAD_LETTER,
    ROWS_SKIPPED,
    ROWS_FILTERED,
    ROWS_ADDED,
    ROWS_NULL_KEY,
    ROWS_OUTSIDE,
    ROWS_LATE,
    ROWS_LATE_PARTLY,
    WINDOWS_MISSED,
    ROWS_AGGREGATED,
    PARTIALS_MERGED,
    PARTIALS_DROPPED,
    WINDOWS_CLOSED,
    ROWS_EMITTED,
    ROWS_OUT,
)
"""All counters of rows, in the order of the equation."""


def counter(what: str, step: str) -> str:
    """Return the name of a counter of one step.

    Example:
        >>> counter(ROWS_LATE, "totals")
        'rows_late:totals'
    """
    return f"{what}:{step}"


def split_counter(name: str) -> tuple[str, str]:
    """Return what is counted and the step that counts it.

    Example:
        >>> split_counter("rows_late:totals")
        ('rows_late', 'totals')
    """
    what, _, step = name.partition(":")
    return what, step
