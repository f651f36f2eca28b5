"""Versions of stores, committed as text with the input offsets: do state and offsets belong together?

Every commit of a store has a number. The offsets say which number they belong to, and a task that has restored
its stores compares. Without that, a changelog topic that was deleted and made again, or cut off by an unclean
leader election, would look like a task that never had any state, and wrong results would come out silently.

Text, behind the stream time of the partition: ``|state:<store>=<number>;<store>=<number>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from streamframe.core.errors import StateError, StoreCorrupted
from streamframe.core.ids import TaskId
from streamframe.state.meta import META_KEY, StateMeta
from streamframe.state.store import StoreReader

_MARK: Final = "|state:"


def with_versions(metadata: str, versions: Mapping[str, int]) -> str:
    """Return the text of an offset with the versions of the stores that it belongs to.

    Example:
        >>> with_versions("1:5000", {"totals": 12})
        '1:5000|state:totals=12'
    """
    known = [f"{name}={version}" for name, version in sorted(versions.items()) if version > 0]
    return metadata + (_MARK + ";".join(known) if known else "")


def versions_of(texts: Iterable[str]) -> dict[str, int]:
    """Return the versions in the texts of a task's offsets; offsets that were set by hand have none.

    Example:
        >>> versions_of(["1:5000|state:totals=12", ""])
        {'totals': 12}
    """
    found: dict[str, int] = {}
    for text in texts:
        _, mark, rest = text.partition(_MARK)
        for pair in rest.partition("|")[0].split(";") if mark else ():
            name, _, version = pair.rpartition("=")
            if version.isdecimal():
                found[name] = max(found.get(name, 0), int(version))
    return found


def stored_version(reader: StoreReader) -> int:
    """Return the number of the last commit that a store holds; 0: it holds nothing."""
    stored = reader.get(META_KEY)
    return 0 if stored is None else StateMeta.decode(stored).seq


def check_versions(
    task: TaskId,
    committed: Mapping[str, int],
    readers: Mapping[str, StoreReader],
    *,
    from_changelog: bool,
) -> None:
    """Compare what was committed with what the restored stores hold.

    Args:
        task: The task.
        committed: Versions that its offsets belong to.
        readers: Its restored stores, by name.
        from_changelog: Whether the stores were restored from nothing but their changelogs.

    Raises:
        StoreCorrupted: They differ; the changelogs alone may know better.
        StateError: They differ, and the changelogs are all there is.
    """
    for name, version in sorted(committed.items()):
        if name not in readers:
            continue
        found = stored_version(readers[name])
        if found == version:
            continue
        if not from_changelog:
            raise StoreCorrupted("the local store does not hold what was committed", store=name, task=str(task))
        raise StateError(
            "the state of a task does not belong to its committed offsets",
            hint="its changelog topic was deleted, made again or cut off, or another program writes to it; "
            "`streamframe reset` begins anew",
            store=name,
            task=str(task),
            committed=version,
            found=found,
        )
