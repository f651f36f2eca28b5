"""What the generator, the screen and the verification of the demo agree on: it mirrors ``topologies/clicks.py``."""

from __future__ import annotations

from typing import Final

APPLICATION: Final = "clicks"
CLICKS: Final = "clicks"
RESULTS: Final = "click-totals"
LATE: Final = "late-clicks"
DEAD_LETTERS: Final = "clicks-dead-letters"

WINDOW_MS: Final = 10_000
GRACE_MS: Final = 2_000
EURO: Final = 0.92


def spaced(number: int) -> str:
    """Return a number with blanks between thousands.

    Example:
        >>> spaced(184220)
        '184 220'
    """
    return f"{number:,}".replace(",", " ")
