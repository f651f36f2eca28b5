"""What RocksDB's errors mean: from its text, which is all that rocksdict passes on, to our error types.

========================================  ==================  =========================================
text                                      error               what helps
========================================  ==================  =========================================
No space left on device                   StoreUnavailable    make room, restart; never rebuild
lock hold by current process              StoreUnavailable    a handle of ours leaked: restart
While lock file                           StoreUnavailable    another process: wait, or stop it
Corruption, No such file or directory,    StoreCorrupted      wipe and restore
does not match existing comparator,
Column families not opened
anything else                             StoreUnavailable    reopen; the changelog fills the gap
========================================  ==================  =========================================
"""

from __future__ import annotations

from typing import Final

from streamframe.core.errors import StateError, StoreCorrupted, StoreUnavailable

OWN_HANDLE: Final = "lock hold by current process"

_DAMAGED: Final = (
    "Corruption",
    "No such file or directory",
    "does not match existing comparator",
    "Column families not opened",
)


def classify(error: Exception, path: str) -> StateError:
    """Return the error of ours that an error of RocksDB means.

    Args:
        error: What rocksdict raised.
        path: The directory of the database.
    """
    text = str(error)
    if "No space left" in text:
        return StoreUnavailable(
            "the disk of the state directory is full",
            hint="make room and start again; nothing is lost",
            reason="no space",
            path=path,
        )
    if OWN_HANDLE in text:
        return StoreUnavailable("the store is still open in this process", reason="own handle", path=path)
    if "While lock file" in text:
        return StoreUnavailable(
            "the store is in use by another process",
            hint="stop the other worker, or give each its own state directory",
            reason="locked",
            path=path,
        )
    if any(sign in text for sign in _DAMAGED):
        return StoreCorrupted("the local store is damaged or foreign", path=path, rocksdb=text)
    return StoreUnavailable("the local store failed", reason="other", path=path, rocksdb=text)
