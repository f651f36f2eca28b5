"""The answer to a user's function that asks for a column that was pruned.

Which columns a function reads is found out by a dry run. A function may read another one for some rows only; it then
meets a frame without it. The engine reacts to ``ColumnPruned`` (in ``rows``) by opening the task again with every
column.
"""

from __future__ import annotations

from collections.abc import Iterable


def asked_for(error: BaseException, absent: Iterable[str]) -> tuple[str, ...]:
    """Return the absent columns that an exception of a user's function complains about."""
    wanted = list(absent)
    seen: BaseException | None = error
    while seen is not None and wanted:
        if isinstance(seen, AttributeError) and seen.name in wanted:
            return (seen.name,)
        if isinstance(seen, KeyError | NameError):
            text = str(seen)
            found = tuple(name for name in wanted if repr(name) in text or text == name)
            if found:
                return found
        seen = seen.__cause__ or seen.__context__
    return ()
