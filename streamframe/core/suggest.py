"""The words of "did you mean": the nearest known name to a name that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return ``"did you mean 'x'?"`` for the known name nearest to ``word``, or ``None``.

    Example:
        >>> did_you_mean("amuont", ["user", "amount"])
        "did you mean 'amount'?"
    """
    spelled = {name.lower(): name for name in known}
    nearest = get_close_matches(word.lower(), list(spelled), n=1, cutoff=0.6)
    return f"did you mean {spelled[nearest[0]]!r}?" if nearest else None
