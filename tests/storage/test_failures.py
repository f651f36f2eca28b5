"""Errors of RocksDB become the error whose recovery helps."""

from __future__ import annotations

import pytest

from streamframe.core.errors import StoreCorrupted, StoreUnavailable
from streamframe.storage.failures import classify


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("IO error: No space left on device: While appending to file: /s/000012.sst", StoreUnavailable, "no space"),
        (
            "IO error: lock hold by current process, acquire time 17 acquiring thread 9: /s/LOCK: No locks available",
            StoreUnavailable,
            "own handle",
        ),
        ("IO error: While lock file: /s/LOCK: Resource temporarily unavailable", StoreUnavailable, "locked"),
        ("IO error: Input/output error: While fsync: /s/000012.sst", StoreUnavailable, "other"),
        ("Corruption: block checksum mismatch: stored = 1, computed = 2", StoreCorrupted, None),
        ("IO error: No such file or directory: While open a file for random read: /s/000012.sst", StoreCorrupted, None),
        (
            "Invalid argument: leveldb.BytewiseComparator: does not match existing comparator rocksdict",
            StoreCorrupted,
            None,
        ),
        ("Invalid argument: Column families not opened: x", StoreCorrupted, None),
    ],
)
def test_each_text_has_its_recovery(text, kind, reason):
    error = classify(Exception(text), "/s")
    assert type(error) is kind
    assert error.facts.get("reason") == reason
    assert error.facts["path"] == "/s"
